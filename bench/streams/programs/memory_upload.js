// A server that writes what it is sent to a slow disk: the twin of memory_upload.py.
'use strict';
const net = require('net');
const { pipeline, Writable } = require('stream');

const WRITE_MS = 200;

let isTold = false;

net.createServer((socket) => {
  const disk = new Writable({
    write(chunk, encoding, callback) {
      setTimeout(callback, WRITE_MS);
    },
  });
  if (!isTold) {
    isTold = true;
    console.log('marks', JSON.stringify({
      'socket readable': socket.readableHighWaterMark,
      'disk writable': disk.writableHighWaterMark,
    }));
  }
  pipeline(socket, disk, () => {});
}).listen(+process.env.PORT, '127.0.0.1');
