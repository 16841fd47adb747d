// Node's own https server, one process; the handler is the twin of apps/node_style.py. The port comes in $PORT, the certificate
// and its key in the file $TLS_CERT.
'use strict';
const fs = require('fs');
const https = require('https');

const BODY = 'Hello, World!';
const pem = fs.readFileSync(process.env.TLS_CERT);

function handler(req, res) {
  if (req.url === '/') {
    res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 13 });
    res.end(BODY);
  } else {
    res.writeHead(404);
    res.end();
  }
}

https.createServer({ cert: pem, key: pem }, handler).listen({ port: +process.env.PORT, host: '127.0.0.1', backlog: 4096 });
