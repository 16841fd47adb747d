// A Readable piped to a Writable, through byte Transforms that hand each chunk on by their callback: the twin of pipe.py.
'use strict';
const { Readable, Transform, Writable } = require('stream');

const handOn = (chunk, encoding, callback) => callback(null, chunk);

require('./passes').main((chunks, { chunk_bytes, stages }) => new Promise((resolve) => {
  const chunk = Buffer.alloc(chunk_bytes);
  let left = chunks;
  let arrived = 0;
  const source = new Readable({
    read() {
      if (left) {
        left--;
        this.push(chunk);
      } else {
        this.push(null);
      }
    },
  });
  const sink = new Writable({
    write(chunk, encoding, callback) {
      arrived += chunk.length;
      callback();
    },
  });
  sink.on('finish', () => resolve(arrived));
  let end = source;
  for (let i = 0; i < stages; i++) end = end.pipe(new Transform({ transform: handOn }));
  end.pipe(sink);
}));
