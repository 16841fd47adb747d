// Small files, so many in flight: what one costs. The twin of files.py.
//
//   files.js PEER FIGURE FOLDER FILES OPERATIONS PASSES     one JSON line a pass: {"cpu_ns", "wall_ns", "passed"}
'use strict';
const fs = require('fs');

const IN_FLIGHT = 256;
const [peer, figure, folder, files, operations, passes] = process.argv.slice(2);
const paths = Array.from({ length: +files }, (_, number) => `${folder}/${number}`);
const wanted = Array.from({ length: +operations }, (_, number) => paths[number % paths.length]);

function byCallbacks() {
  return new Promise((resolve) => {
    let next = 0, done = 0, passed = 0;
    const operation = figure === 'read' ? fs.readFile : fs.stat;
    const begin = () => { if (next < wanted.length) operation(wanted[next++], heard); };
    const heard = (error, result) => {
      if (error) throw error;
      passed += figure === 'read' ? result.length : result.size;
      if (++done === wanted.length) resolve(passed); else begin();
    };
    for (let i = 0; i < IN_FLIGHT; i++) begin();
  });
}

async function byPromises() {
  let next = 0, passed = 0;
  const work = async () => {
    while (next < wanted.length) {
      const path = wanted[next++];
      const one = figure === 'read' ? (await fs.promises.readFile(path)).length : (await fs.promises.stat(path)).size;
      passed += one; // ORDER: behind the await, since others add meanwhile
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  return passed;
}

(async () => {
  const onePass = peer === 'node24' ? byCallbacks : byPromises;
  for (let i = 0; i < +passes; i++) {
    const cpu = process.cpuUsage(), begun = process.hrtime.bigint();
    const passed = await onePass();
    const wall_ns = Number(process.hrtime.bigint() - begun), used = process.cpuUsage(cpu);
    console.log(JSON.stringify({
      cpu_ns: (used.user + used.system) * 1000 / wanted.length, wall_ns: wall_ns / wanted.length, passed,
    }));
  }
})();
