// One case, several passes in one process: the twin of passes.py, with the same arguments (but --count) and the same output.
'use strict';

// ORDER: a pass begins in a callback of the loop, so that ticks run before promises; with awaited=1 behind an await.
const inACallback = (work) => new Promise((resolve) => setImmediate(() => resolve(work())));

exports.main = async (onePass) => {
  const [, chunks, passes, ...rest] = process.argv.slice(2);
  const { awaited, ...parameters } = Object.fromEntries(rest.map((word) => word.split('=')).map(([name, value]) => [name, +value]));
  for (let i = 0; i < +passes; i++) {
    const begun = process.cpuUsage();
    if (awaited) await null;
    const passed = await (awaited ? onePass(+chunks, parameters) : inACallback(() => onePass(+chunks, parameters)));
    const { user, system } = process.cpuUsage(begun);
    console.log(JSON.stringify({ ns: (user + system) * 1000 / +chunks, passed }));
  }
};
