'use strict';
// What Node's http server makes of byte streams: read from standard input, each behind its length (4 bytes, big endian); for each,
// in order, one line of JSON: {messages: [[method, target as hex, length, digest]], end, reason}. Connections are Duplex streams,
// which node:http takes (documentation of its event 'connection'), so that no socket and no clock is part of it.

const http = require('node:http');
const { createHash } = require('node:crypto');
const { Duplex } = require('node:stream');

const HEAD_BYTES_MAX = 64 * 1024; // more than a stream has: limits are not compared

class Connection extends Duplex {
  constructor(data) {
    super();
    this.seen = { messages: [], end: 'done', reason: '' };
    this.push(data); // and no end: what is missing then is no matter here
  }

  _read() {}

  _write(chunk, encoding, callback) {
    const status = /^HTTP\/1\.1 ([45]\d\d)/.exec(chunk.latin1Slice(0, 12)); // node:http's own answer: ours are 200
    if (status) this.refuse(status[1]);
    callback();
  }

  setTimeout() {
    return this;
  }

  refuse(reason) {
    if (this.seen.end === 'done') this.seen.end = reason === 'HPE_CLOSED_CONNECTION' ? 'closed' : 'refused';
    this.seen.reason ||= reason;
  }
}

function onRequest(request, response) {
  const { seen } = request.socket;
  request.upgradeOffered = 'upgrade' in request.headers && /upgrade/i.test(request.headers.connection);
  const chunks = [];
  request.on('error', () => {}); // its body is malformed: 'clientError' tells
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => response.writeHead(200, { 'Content-Length': 0 }).end()); // so that HTTP/1.0 may go on
  response.on('finish', () => { // in the order of the requests, and not behind an answer that closes
    const body = Buffer.concat(chunks);
    const digest = createHash('sha256').update(body).digest('hex').slice(0, 16);
    seen.messages.push([request.method, Buffer.from(request.url, 'latin1').toString('hex'), body.length, digest]);
    if (seen.end === 'done' && !response.shouldKeepAlive) seen.end = 'closed';
    if (seen.end === 'done' && request.upgradeOffered) seen.end = 'upgraded'; // what the same read brought behind it, it drops
  });
}

const server = http.createServer({ maxHeaderSize: HEAD_BYTES_MAX, keepAliveTimeout: 0, requestTimeout: 0 }, onRequest);
server.on('checkExpectation', onRequest); // an expectation is no matter of framing
server.on('connect', (request, socket) => socket.refuse('CONNECT'));
server.on('clientError', (error, socket) => socket.refuse(error.code)); // answers to requests before it still leave

function examine(data) {
  return new Promise((resolve) => {
    const connection = new Connection(data);
    connection.on('error', () => {});
    connection.on('close', () => resolve(connection.seen));
    server.emit('connection', connection);
    setImmediate(() => setImmediate(() => connection.destroy())); // ticks are all that node:http needs to answer
  });
}

async function* streams() {
  let rest = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
      const end = 4 + rest.readUInt32BE();
      yield rest.subarray(4, end);
      rest = rest.subarray(end);
    }
  }
}

(async () => {
  for await (const data of streams()) process.stdout.write(JSON.stringify(await examine(data)) + '\n');
  process.exit(0);
})();
