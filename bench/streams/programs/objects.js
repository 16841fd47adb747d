// A chain of object-mode Transforms, each of which applies addOne to each number: the twin of objects.py.
'use strict';
const { Readable, Transform, Writable } = require('stream');

const MARK = 16;

const addOne = (number) => number + 1;

require('./passes').main((chunks, { stages }) => new Promise((resolve) => {
  let following = 0;
  let total = 0;
  const source = new Readable({
    objectMode: true,
    highWaterMark: MARK,
    read() {
      this.push(following < chunks ? following++ : null);
    },
  });
  const transform = (number, encoding, callback) => callback(null, addOne(number));
  const sink = new Writable({
    objectMode: true,
    highWaterMark: MARK,
    write(number, encoding, callback) {
      total += number;
      callback();
    },
  });
  sink.on('finish', () => resolve(total));
  let end = source;
  for (let i = 0; i < stages; i++) end = end.pipe(new Transform({ objectMode: true, highWaterMark: MARK, transform }));
  end.pipe(sink);
}));
