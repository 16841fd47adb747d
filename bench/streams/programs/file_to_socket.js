// A server that sends $FILE to whoever connects, then closes: the twin of file_to_socket.py.
'use strict';
const fs = require('fs');
const net = require('net');

net.createServer((socket) => {
  socket.on('error', () => {});
  fs.createReadStream(process.env.FILE).pipe(socket);
}).listen(+process.env.PORT, '127.0.0.1');
