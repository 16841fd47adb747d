// Many read streams over a big file, whose consumers are slow: by how much the process grows. The twin of held.py.
//
//   held.js PEER SOURCE STREAMS PASSES     one JSON line a pass
'use strict';
const fs = require('fs');
const { Writable } = require('stream');
const { setTimeout: sleep } = require('timers/promises');

const EVERY_MS = 20, FOR_MS = 1000;
const [, source, count, passes] = process.argv.slice(2);
const rssBytes = (name) => 1024 * parseInt(fs.readFileSync('/proc/self/status', 'latin1').split(`${name}:`)[1], 10);

async function onePass(count) {
  let passed = 0;
  const write = (chunk, encoding, callback) => { passed += chunk.length; setTimeout(callback, EVERY_MS); };
  const streams = Array.from({ length: count }, () => [fs.createReadStream(source), new Writable({ write })]);
  for (const [readable, writable] of streams) readable.pipe(writable);
  await sleep(FOR_MS);
  let marks = 0;
  for (const [readable, writable] of streams) marks += 2 * readable.readableHighWaterMark + writable.writableHighWaterMark;
  for (const [readable, writable] of streams) {
    readable.destroy();
    writable.destroy();
  }
  await sleep(FOR_MS / 4);
  return [marks, passed];
}

(async () => {
  await onePass(1);
  const before = rssBytes('VmRSS');
  for (let i = 0; i < +passes; i++) {
    fs.writeFileSync('/proc/self/clear_refs', '5');
    const [marks_bytes, passed] = await onePass(+count);
    console.log(JSON.stringify({ grown_bytes: rssBytes('VmHWM') - before, marks_bytes, passed }));
  }
})();
