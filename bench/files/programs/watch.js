// So many changes of files in a watched directory, made by another process: what it costs to hear of each. The twin of watch.py.
//
//   watch.js PEER FOLDER FILES PAUSE_US FIFO PASSES COMMAND ...     one JSON line a pass
'use strict';
const fs = require('fs');
const { spawn } = require('child_process');

const [peer, folder, files, pauseUs, fifo, passes, command, ...words] = process.argv.slice(2);
const DEADLINE_MS = 60_000;
const names = new Set();
let isAll = () => {};
const heard = (eventType, name) => {
  names.add(name);
  if (names.size === +files) isAll();
};

const watching = new AbortController();
function byListener() { fs.watch(folder, { signal: watching.signal }, heard); }
async function byIteration() {
  const changes = fs.promises.watch(folder, { signal: watching.signal, maxQueue: 2 * files });
  try {
    for await (const { eventType, filename } of changes) heard(eventType, filename);
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
  }
}

(async () => {
  (peer === 'node24' ? byListener : byIteration)();
  await new Promise(setImmediate);
  const changing = spawn(command, words, { stdio: ['pipe', 'ignore', 2] });
  for (let i = 0; i < +passes; i++) {
    names.clear();
    const cpu = process.cpuUsage();
    const all = new Promise((resolve) => { isAll = resolve; });
    fs.writeSync(changing.stdin._handle.fd, `${i % 10}\n`);
    if (pauseUs === '0') fs.readFileSync(fifo);
    let deadline;
    await Promise.race([all, new Promise((resolve) => { deadline = setTimeout(resolve, DEADLINE_MS); })]);
    clearTimeout(deadline);
    const used = process.cpuUsage(cpu);
    console.log(JSON.stringify({ cpu_ns: (used.user + used.system) * 1000 / files, passed: names.size }));
  }
  changing.stdin.end();
  watching.abort();
})();
