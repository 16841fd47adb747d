// One case, several passes in one process: the twin of passes.py, with the same arguments (but --count) and the same output.
'use strict';

exports.main = async (onePass) => {
  const [, chunks, passes, ...rest] = process.argv.slice(2);
  const parameters = Object.fromEntries(rest.map((word) => word.split('=')).map(([name, value]) => [name, +value]));
  for (let i = 0; i < +passes; i++) {
    const begun = process.cpuUsage();
    const passed = await onePass(+chunks, parameters);
    const { user, system } = process.cpuUsage(begun);
    console.log(JSON.stringify({ ns: (user + system) * 1000 / +chunks, passed }));
  }
};
