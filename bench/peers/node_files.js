// The files of $FILES, as Node's documentation has it: a read stream piped into the answer. The port comes in $PORT.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
const { pipeline } = require('stream');

function handler(req, res) {
  const name = path.join(process.env.FILES, path.normalize(req.url === '/' ? '/index.html' : req.url));
  fs.stat(name, (error, stats) => {
    if (error || !stats.isFile()) {
      res.writeHead(404);
      res.end();
      return;
    }
    res.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': stats.size });
    pipeline(fs.createReadStream(name), res, () => {});
  });
}

http.createServer(handler).listen({ port: +process.env.PORT, host: '127.0.0.1', backlog: 4096 });
