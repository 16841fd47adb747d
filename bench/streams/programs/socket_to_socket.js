// A proxy: whoever connects is joined to a connection to $UPSTREAM, both ways. The twin of socket_to_socket.py.
'use strict';
const net = require('net');

net.createServer({ allowHalfOpen: true }, (client) => {
  const upstream = net.connect({ port: +process.env.UPSTREAM, host: '127.0.0.1', allowHalfOpen: true });
  client.on('error', () => upstream.destroy());
  upstream.on('error', () => client.destroy());
  client.pipe(upstream);
  upstream.pipe(client);
}).listen(+process.env.PORT, '127.0.0.1');
