// Streams that decompress 1 to 1,000, whose readers are slow: how much the process grows. The twin of bomb.py.
'use strict';
const zlib = require('zlib');

const PLAIN_BYTES = 64 << 20, EVERY_MS = 20, FOR_MS = 1000, READ_BYTES = 64 * 1024;
const [, count, passes] = process.argv.slice(2);
const pause = () => new Promise((done) => setTimeout(done, EVERY_MS));

async function onePass(bomb, streams) {
  streams = Array.from({ length: streams }, () => zlib.createGunzip());
  for (const stream of streams) stream.end(bomb);
  let highest = 0, passed = 0;
  const end = performance.now() + FOR_MS;
  while (performance.now() < end) {
    await pause();
    for (const stream of streams) passed += stream.read(READ_BYTES)?.length ?? 0;
    highest = Math.max(highest, process.memoryUsage.rss());
  }
  const marks = streams.reduce((sum, s) => sum + s.readableHighWaterMark + s.writableHighWaterMark + 16384, 0);
  for (const stream of streams) stream.destroy();
  return [highest, marks, passed];
}

(async () => {
  const bomb = zlib.gzipSync(Buffer.alloc(PLAIN_BYTES), { level: 9 });
  await onePass(bomb, 1);
  const before = process.memoryUsage.rss();
  for (let i = 0; i < +passes; i++) {
    const [highest, marks, passed] = await onePass(bomb, +count);
    console.log(JSON.stringify({ grown_bytes: highest - before, marks_bytes: marks, passed }));
  }
})();
