// Node's own http server, one process; the handler is the twin of apps/node_style.py. The port comes in $PORT.
'use strict';
const http = require('http');

const BODY = 'Hello, World!';

function handler(req, res) {
  if (req.url === '/') {
    res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 13 });
    res.end(BODY);
  } else {
    res.writeHead(404);
    res.end();
  }
}

http.createServer(handler).listen({ port: +process.env.PORT, host: '127.0.0.1', backlog: 4096 });
