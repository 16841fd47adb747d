// Records what Node's http server tells a program, and what its client gets, around the messages themselves: informational
// responses, expectations, trailers, upgrades, tunnels, faulty clients. `node record_exchange_facts.js` writes exchange_facts.json;
// test_exchange_facts.py holds the same cases in Python, under the same names.
'use strict';
const fs = require('fs');
const http = require('http');
const net = require('net');
const path = require('path');

const QUIET_MS = 250; // after the last line, or the last byte, a case is over
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const EXPECTS = (what) => `POST / HTTP/1.1\r\nHost: a\r\nExpect: ${what}\r\nContent-Length: 2\r\n\r\n`;
const UPGRADE = 'GET /up HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n';
const CONNECT = 'CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n';

const answering = (handler) => (t) => t.server.on('request', (req, res) => handler(t, res));
const upgrading = (t) => {
  t.server.on('request', (req, res) => { t.log(`request ${req.url}`); res.end('plain'); });
  t.server.on('upgrade', (req, socket, head) => {
    t.log(`upgrade ${req.method} ${req.url} ${JSON.stringify(head.toString())} ${req.complete} ${socket.allowHalfOpen}`);
    socket.on('data', (data) => t.log(`data ${data}`));
    socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
    socket.write('more');
  });
};
const tries = (t, act) => { try { act(); t.log('well'); } catch (error) { t.log(error.code); } };

// name: [what the client sends, what the server does]
const cases = {
  informational: [GET, answering((t, res) => {
    res.writeContinue(() => t.log('continue')); res.writeProcessing(() => t.log('processing'));
    res.writeEarlyHints({ 'link': '</a.css>; rel=preload', 'x-trace': '1' }, () => t.log('hints'));
    t.log('returned'); res.end('hi'); })],
  informational_behind_the_head: [GET, answering((t, res) => {
    res.write('a'); tries(t, () => res.writeContinue()); tries(t, () => res.writeProcessing());
    tries(t, () => res.writeEarlyHints({ link: '</a>' })); tries(t, () => res.writeInformation(103)); res.end(); })],
  hints: [GET, answering((t, res) => {
    for (const hints of [{ link: ['</a>; rel=preload', '</b>; as="x"'] }, { link: [] }, {}, { link: null }, { link: 'bad' }, { link: '' },
      { link: '</a>' }, { link: 5 }, { link: '</a>\r\nX: y' }, { link: '</a>, </b>' }, { 'link': '</a>', 'bad name': 'x' },
      { link: '</a>', x: 'a\nb' }, null, 'x', { link: '</a>', n: 5 }]) tries(t, () => res.writeEarlyHints(hints));
    res.end(); })],
  information: [GET, answering((t, res) => {
    for (const status of [103, 100, 101, 99, 200, '103']) tries(t, () => res.writeInformation(status, { a: 'b' }));
    tries(t, () => res.writeInformation(103, [['a', 'b'], ['a', 'c']])); res.end(); })],
  to_check_continue: [EXPECTS('100-Continue'), (t) => {
    t.server.on('request', () => t.log('request'));
    t.server.on('checkContinue', (req, res) => { t.log('check'); res.writeContinue(); res.end('k'); }); }],
  to_check_continue_and_refuse: [EXPECTS('100-continue'), (t) => {
    t.server.on('checkContinue', (req, res) => { t.log('check'); res.writeHead(413, { 'Content-Length': 0 }); res.end(); }); }],
  to_check_expectation: [EXPECTS('tea') + 'ab', (t) => {
    t.server.on('request', () => t.log('request'));
    t.server.on('checkExpectation', (req, res) => { t.log(`check ${req.headers.expect}`); res.end('k'); }); }],
  an_expectation_to_1_0: ['POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab', (t) => {
    t.server.on('request', (req, res) => { t.log('request'); res.end('k'); });
    t.server.on('checkContinue', (req, res) => { t.log('check'); res.end('k'); }); }],
  trailers: [GET, answering((t, res) => {
    res.setHeader('Trailer', 'X-A'); res.write('hi'); res.addTrailers({ 'X-A': '1', 'X-B': ['2', '3'] }); res.end(); })],
  trailers_behind_a_last_piece: [GET, answering((t, res) => {
    res.write('hi'); res.addTrailers([['X-A', '1'], ['X-A', '2']]); res.end('ho'); })],
  trailers_twice: [GET, answering((t, res) => { res.write('hi'); res.addTrailers({ a: '1' }); res.addTrailers({ b: '2' }); res.end(); })],
  trailers_in_one_piece: [GET, answering((t, res) => { res.addTrailers({ a: '1' }); res.end('hi'); })],
  trailers_announced_in_one_piece: [GET, answering((t, res) => { res.setHeader('Trailer', 'A'); res.addTrailers({ a: '1' }); res.end('hi'); })],
  trailers_with_a_length: [GET, answering((t, res) => { res.setHeader('Content-Length', '2'); res.addTrailers({ a: '1' }); res.end('hi'); })],
  trailers_announced_with_a_length: [GET, answering((t, res) => {
    res.setHeader('Trailer', 'A'); res.setHeader('Content-Length', '2'); tries(t, () => res.write('hi'));
    res.removeHeader('trailer'); res.end('hi'); })],
  trailers_to_1_0: ['GET / HTTP/1.0\r\n\r\n', answering((t, res) => { res.write('hi'); res.addTrailers({ a: '1' }); res.end(); })],
  trailers_to_head: ['HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', answering((t, res) => {
    res.writeHead(200, { 'Transfer-Encoding': 'chunked' }); res.write('hi'); res.addTrailers({ a: '1' }); res.end(); })],
  bad_trailers: [GET, answering((t, res) => {
    res.write('hi');
    for (const fields of [{ 'a b': '1' }, { a: '1\r\n2' }, { a: '€' }, { a: 5 }, { 'content-length': '5' }, {}]) tries(t, () => res.addTrailers(fields));
    res.end(); })],
  an_upgrade: [UPGRADE, upgrading],
  an_upgrade_with_a_head: [`${UPGRADE}abc`, upgrading],
  an_upgrade_behind_a_request: [`${GET}${UPGRADE}abc`, upgrading],
  an_upgrade_that_is_not_meant_for_us: ['GET /up HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n\r\n', upgrading],
  an_upgrade_with_a_body: ['POST /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\nContent-Length: 3\r\n\r\nabcdef', upgrading],
  an_upgrade_in_1_0: ['GET /up HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n', upgrading],
  an_upgrade_that_nobody_hears: [`${UPGRADE}${GET}`, (t) => {
    t.server.on('request', (req, res) => { t.log(`request ${req.url}`); res.end('plain'); }); }],
  an_upgrade_that_is_not_wanted: [`${UPGRADE}${GET}`, (t) => { upgrading(t); t.server.shouldUpgradeCallback = () => false; }],
  a_tunnel: [`${CONNECT}abc`, (t) => {
    t.server.on('connect', (req, socket, head) => {
      t.log(`connect ${req.method} ${req.url} ${JSON.stringify(head.toString())}`);
      socket.end('HTTP/1.1 200 OK\r\n\r\n'); }); }],
  a_tunnel_that_nobody_hears: [`${CONNECT}abc`, (t) => { t.server.on('request', () => t.log('request')); }],
  a_faulty_client: ['GET / HTTP/1.1\r\nHost: a\r\nbad\r\n\r\n', (t) => {
    t.server.on('clientError', (error, socket) => { t.log(`client error ${socket.writable}`); socket.end('HTTP/1.1 400 Mine\r\n\r\n'); }); }],
  a_faulty_client_behind_a_request: [`${GET}bad\r\n\r\n`, (t) => {
    t.server.on('request', (req, res) => { t.log('request'); res.end('x'); });
    t.server.on('clientError', (error, socket) => { t.log(`client error ${socket.writable}`); socket.end('HTTP/1.1 400 Mine\r\n\r\n'); }); }],
  too_many_requests: [GET + GET + GET, (t) => {
    t.server.maxRequestsPerSocket = 2;
    t.server.on('request', (req, res) => { t.log('request'); res.end('x'); });
    t.server.on('dropRequest', () => t.log('drop request')); }],
  too_many_connections: [GET, (t) => {
    t.server.maxConnections = 0;
    t.server.on('drop', (ends) => t.log(Object.keys(ends).map((key) => key.toLowerCase()).join()));
    t.server.on('connection', () => t.log('connection')); }],
  a_connection: [GET, (t) => {
    t.server.on('connection', (socket) => { t.log('connection'); socket.on('close', () => t.log('close')); });
    t.server.on('request', (req, res) => { t.log('request'); res.setHeader('connection', 'close'); res.end('x'); }); }],
  a_signal_whose_client_leaves: [GET, (t) => {
    t.server.on('request', (req, res) => {
      t.kept = res; req.signal.addEventListener('abort', () => t.log('abort')); t.log(`${req.signal.aborted}`); setTimeout(t.leave, 5); }); }],
  a_signal_of_a_destroyed_request: [GET, (t) => {
    t.server.on('request', (req, res) => { t.kept = res; req.signal.addEventListener('abort', () => t.log('abort')); req.destroy(); t.log('returned'); }); }],
  a_signal_of_an_answered_request: [GET, (t) => {
    t.server.on('request', (req, res) => { req.signal.addEventListener('abort', () => t.log('abort')); res.end('x'); }); }],
};

function run([sent, act]) {
  return new Promise((resolve) => {
    const lines = [];
    let got = '', client, quiet;
    const over = () => {
      server.closeAllConnections(); server.close(); client.destroy();
      resolve({ lines: lines.slice(), got: got.replace(/(Date|Keep-Alive): .*\r\n|Connection: keep-alive\r\n/g, '') });
    };
    const wait = () => { clearTimeout(quiet); quiet = setTimeout(over, QUIET_MS); };
    const server = http.createServer();
    const t = { server, log: (line) => { lines.push(line); wait(); }, leave: () => client.resetAndDestroy() };
    act(t);
    server.listen(0, '127.0.0.1', () => {
      client = net.connect({ port: server.address().port, host: '127.0.0.1', allowHalfOpen: true });
      client.on('error', () => {});
      client.on('data', (data) => { got += data.toString('latin1'); wait(); });
      client.write(sent);
      wait();
    });
  });
}

(async () => {
  const facts = {};
  for (const name of Object.keys(cases)) facts[name] = await run(cases[name]);
  const file = path.join(__dirname, 'exchange_facts.json');
  fs.writeFileSync(file, JSON.stringify({ node: process.version, facts }, null, 1) + '\n');
})();
