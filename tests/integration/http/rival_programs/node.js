'use strict';
// As asgi.py, for Node. The path of the socket is the first argument.

require('node:http')
  .createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('error', () => {});
    request.on('end', () => {
      response.setHeader('x-method', request.method);
      response.end(chunks.length ? Buffer.concat(chunks) : 'ok');
    });
  })
  .listen(process.argv[2]);
