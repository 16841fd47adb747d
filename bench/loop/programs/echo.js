// An echo server on Node's net, or on its tls when $CERTIFICATE (a PEM file, key and certificate) is set: the twin of echo.py.
'use strict';
const fs = require('fs');

const echo = (socket) => {
  socket.on('data', (data) => socket.write(data));
  socket.on('error', () => {});
};
const { PORT, CERTIFICATE } = process.env;
const pem = CERTIFICATE && fs.readFileSync(CERTIFICATE);
const server = pem
  ? require('tls').createServer({ key: pem, cert: pem, noDelay: true }, echo)
  : require('net').createServer({ noDelay: true }, echo);
server.listen(+PORT, '127.0.0.1');
