// A server that sends $FILE through gzip to whoever connects: the twin of memory_download.py.
'use strict';
const fs = require('fs');
const net = require('net');
const { pipeline } = require('stream');
const zlib = require('zlib');

let isTold = false;

net.createServer((socket) => {
  const file = fs.createReadStream(process.env.FILE);
  const gzip = zlib.createGzip({ level: +process.env.LEVEL });
  if (!isTold) {
    isTold = true;
    console.log('marks', JSON.stringify({
      'file readable': file.readableHighWaterMark,
      'gzip writable': gzip.writableHighWaterMark,
      'gzip readable': gzip.readableHighWaterMark,
      'socket writable': socket.writableHighWaterMark,
    }));
  }
  pipeline(file, gzip, socket, () => {});
}).listen(+process.env.PORT, '127.0.0.1');
