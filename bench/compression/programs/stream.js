// A file in memory through a Transform, chunk by chunk, to a Writable that counts. The twin of stream.py.
'use strict';
const fs = require('fs');
const zlib = require('zlib');
const { Readable, Writable } = require('stream');
const { pipeline } = require('stream/promises');

const CHUNK_BYTES = 64 * 1024;
const [, figure, file, level, passes] = process.argv.slice(2);
const data = fs.readFileSync(file), chunks = [];
for (let at = 0; at < data.length; at += CHUNK_BYTES) chunks.push(data.subarray(at, at + CHUNK_BYTES));

async function byStreams() {
  let next = 0, passed = 0;
  const source = new Readable({ read() { this.push(chunks[next++] ?? null); } });
  const stage = figure === 'gzip' ? zlib.createGzip({ level: +level }) : zlib.createGunzip();
  await pipeline(source, stage, new Writable({ write(chunk, encoding, callback) { passed += chunk.length; callback(); } }));
  return passed;
}

(async () => {
  for (let i = 0; i < +passes; i++) {
    const cpu = process.cpuUsage(), begun = process.hrtime.bigint();
    const passed = await byStreams();
    const wall_ns = Number(process.hrtime.bigint() - begun), used = process.cpuUsage(cpu);
    const kib = (figure === 'gunzip' ? passed : data.length) / 1024;
    console.log(JSON.stringify({ cpu_ns: (used.user + used.system) * 1000 / kib, wall_ns: wall_ns / kib, passed }));
  }
})();
