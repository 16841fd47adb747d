// Async iteration over a Readable that pushes one chunk when it is asked: the twin of iterate.py.
'use strict';
const { Readable } = require('stream');

require('./passes').main(async (chunks, { chunk_bytes }) => {
  const chunk = Buffer.alloc(chunk_bytes);
  let left = chunks;
  const source = new Readable({
    objectMode: !chunk_bytes,
    read() {
      if (left) {
        left--;
        this.push(chunk);
      } else {
        this.push(null);
      }
    },
  });
  let arrived = 0;
  if (chunk_bytes) {
    for await (const some of source) arrived += some.length;
  } else {
    for await (const _ of source) arrived++;
  }
  return arrived;
});
