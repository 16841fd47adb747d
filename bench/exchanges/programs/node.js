// Node's own http server, one process; the handler is the twin of node_style.py. The port comes in $PORT.
'use strict';
const http = require('http');

const FIELDS = {
  'Content-Type': 'text/plain',
  'Content-Length': 1,
  'Cache-Control': 'no-store',
  'ETag': '"33a64df551425fcc"',
  'Vary': 'accept-encoding',
  'X-Frame-Options': 'DENY',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Server-Timing': 'app;dur=1',
};

function handler(req, res) {
  if (req.url === '/') {
    res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 13 });
    res.end('Hello, World!');
  } else if (req.url === '/json') {
    const chunks = [];
    req.on('data', (chunk) => chunks.push(chunk));
    req.on('end', () => echoJson(Buffer.concat(chunks), res));
  } else {
    const requestId = req.headers['x-request-id'];
    res.writeHead(200, { ...FIELDS, 'X-Request-Id': requestId });
    res.end(requestId === 'b7a1c0de' ? '1' : '0');
  }
}

function echoJson(body, res) {
  const answer = Buffer.from(JSON.stringify(JSON.parse(body)));
  res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': answer.length });
  res.end(answer);
}

http.createServer(handler).listen({ port: +process.env.PORT, host: '127.0.0.1', backlog: 4096 });
