// A big file, chunk by chunk: read, written, copied. The twin of stream.py.
//
//   stream.js PEER FIGURE SOURCE TARGET CHUNK_BYTES PASSES     one JSON line a pass
'use strict';
const fs = require('fs');
const { finished, pipeline } = require('stream/promises');

const [peer, figure, source, target, chunkBytes, passes] = process.argv.slice(2);
const total = fs.statSync(source).size;
const chunk = Buffer.alloc(+chunkBytes, 'w');
const mark = { highWaterMark: +chunkBytes };

const rssBytes = (name) => 1024 * parseInt(fs.readFileSync('/proc/self/status', 'latin1').split(`${name}:`)[1], 10);

const byStreams = {
  read: () => new Promise((resolve) => {
    let passed = 0;
    const stream = fs.createReadStream(source, mark);
    stream.on('data', (data) => { passed += data.length; });
    stream.on('end', () => resolve(passed));
  }),
  write: () => new Promise((resolve) => {
    let left = total / chunk.length;
    const stream = fs.createWriteStream(target);
    const feed = () => {
      while (left) {
        left--;
        if (!stream.write(chunk) && left) { stream.once('drain', feed); return; }
      }
      stream.end();
    };
    stream.on('close', resolve);
    feed();
  }),
  copy: () => pipeline(fs.createReadStream(source, mark), fs.createWriteStream(target, mark)),
};

const ready = (stream) => stream.writableNeedDrain ? new Promise((resolve) => stream.once('drain', resolve)) : undefined;

const byAwaiting = {
  async read() {
    let passed = 0;
    for await (const data of fs.createReadStream(source, mark)) passed += data.length;
    return passed;
  },
  async write() {
    const stream = fs.createWriteStream(target);
    for (let left = total / chunk.length; left; left--) {
      await ready(stream);
      stream.write(chunk);
    }
    await finished(stream.end());
  },
  async copy() {
    const stream = fs.createWriteStream(target, mark);
    for await (const data of fs.createReadStream(source, mark)) {
      await ready(stream);
      stream.write(data);
    }
    await finished(stream.end());
  },
};

(async () => {
  const onePass = (peer === 'node24' ? byStreams : byAwaiting)[figure];
  for (let i = 0; i < +passes; i++) {
    fs.writeFileSync('/proc/self/clear_refs', '5');
    const rss = rssBytes('VmRSS');
    const cpu = process.cpuUsage(), begun = process.hrtime.bigint();
    let passed = await onePass();
    const wall_ns = Number(process.hrtime.bigint() - begun), used = process.cpuUsage(cpu);
    const grown_bytes = rssBytes('VmHWM') - rss;
    if (figure !== 'read') passed = fs.statSync(target).size;
    const kib = total / 1024;
    console.log(JSON.stringify({ cpu_ns: (used.user + used.system) * 1000 / kib, wall_ns: wall_ns / kib, passed, grown_bytes }));
  }
})();
