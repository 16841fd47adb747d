// The twin of raw_asgi.py on Node's own http server, with its own deadlines. The port comes in $PORT.
'use strict';
const http = require('http');

const CHUNK = Buffer.alloc(65536, 'x');
const CHUNKS = 1024;

function hello(res) {
  res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 13 });
  res.end('Hello, World!');
}

function handler(req, res) {
  if (req.url === '/upload') {
    req.on('data', () => {}).on('end', () => hello(res)).on('error', () => {});
  } else if (req.url === '/download') {
    let left = CHUNKS;
    res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': CHUNKS * CHUNK.length });
    const go = () => {
      while (left > 0 && !res.destroyed) {
        left--;
        if (!res.write(CHUNK)) {
          res.once('drain', go);
          return;
        }
      }
      res.end();
    };
    go();
  } else {
    hello(res);
  }
}

http.createServer(handler).listen({ port: +process.env.PORT, host: '127.0.0.1', backlog: 4096 });
