// A Readable piped to a Writable: the twin of pipe.py.
'use strict';
const { Readable, Writable } = require('stream');

require('./passes').main((chunks, { chunk_bytes }) => new Promise((resolve) => {
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
  source.pipe(sink);
}));
