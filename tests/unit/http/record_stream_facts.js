// Records in which order Node tells a request and its answer what happens to them, as stream_facts.json:
// `node record_stream_facts.js`. test_stream_facts.py holds the same handlers in Python, under the same names.
'use strict';
const fs = require('fs');
const http = require('http');
const net = require('net');
const path = require('path');
const { Readable, Writable, finished, pipeline } = require('stream');

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const post = (length, body) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${body}`;
const QUIET_MS = 300; // after the last line a case is over

const REQ = ['data', 'end', 'aborted', 'error', 'close', 'resume'];
const UNREAD = ['end', 'aborted', 'error', 'close', 'resume'];
const RES = ['pipe', 'unpipe', 'drain', 'prefinish', 'finish', 'error', 'close'];
const mine = () => Object.assign(new Error('no'), { code: 'ERR_MINE' });

class Case {
  constructor() { this.lines = []; }
  log(line) { this.lines.push(line); }
  hear(name, emitter, events) {
    for (const event of events) {
      emitter.on(event, (value) => {
        const more = event === 'data' ? ` ${value.length}` : event === 'error' ? ` ${value.code}` : '';
        this.log(`${name} ${event}${more}`);
      });
    }
  }
  both(req, res, events = UNREAD) { this.hear('req', req, events); this.hear('res', res, RES); }
  told(text) { return (error) => this.log(`${text} ${error ? error.code : 'well'}`); }
  soon() { process.nextTick(() => this.log('tick')); setImmediate(() => this.log('immediate')); }
  sink(fails) {
    const sink = new Writable({ write: (chunk, encoding, callback) => { this.log(`sink ${chunk.length}`); callback(fails ? mine() : null); } });
    this.hear('sink', sink, ['finish', 'error', 'close']);
    return sink;
  }
  source() {
    const source = Readable.from([Buffer.from('aa'), Buffer.from('bb')], { objectMode: false });
    this.hear('source', source, ['end', 'error', 'close']);
    return source;
  }
  slowSource() { // of which no end comes
    const source = new Readable({ read() {} });
    source.push('aa');
    this.hear('source', source, ['end', 'error', 'close']);
    return source;
  }
  later(act) { setTimeout(act, 5); }
}

// name: [what the client sends, handler, what it does at go(): sends more, or leaves]
const cases = {
  ended_at_once: [GET, (t, req, res) => { t.both(req, res); t.soon(); res.end('hi', t.told('end')); t.log('returned'); }],
  the_request_is_read: [GET, (t, req, res) => {
    t.both(req, res, REQ); req.on('end', () => { t.log('answer'); res.end('hi'); }); t.log('returned'); }],
  only_close_of_the_answer: [GET, (t, req, res) => { res.on('close', () => t.log(`res close ${res.writableFinished}`)); res.end('hi'); }],
  only_close_of_the_request: [GET, (t, req, res) => { req.on('close', () => t.log(`req close ${req.readableEnded}`)); res.end('hi'); }],
  written_and_ended: [GET, (t, req, res) => {
    t.hear('res', res, RES); t.log(res.write('a', t.told('a'))); t.log(res.write('b', t.told('b')));
    res.end('c', t.told('end')); t.soon(); t.log('returned'); }],
  written_and_ended_later: [GET, (t, req, res) => {
    t.hear('res', res, RES);
    t.later(() => { t.log(res.write('a', t.told('a'))); t.log(res.write('b', t.told('b'))); res.end('c', t.told('end')); t.soon(); }); }],
  corked: [GET, (t, req, res) => {
    t.hear('res', res, RES); res.cork(); t.log(res.write('a', t.told('a'))); t.log(res.writableCorked); res.uncork();
    res.end(t.told('end')); t.soon(); t.log('returned'); }],
  corked_until_the_end: [GET, (t, req, res) => {
    t.hear('res', res, RES); res.cork(); t.log(res.write('a', t.told('a'))); t.log(res.write('b', t.told('b')));
    res.end('c', t.told('end')); t.log(res.writableEnded); t.soon(); t.log('returned'); }],
  a_body_as_data: [post(4, 'abcd'), (t, req, res) => {
    t.both(req, res, REQ); t.soon(); req.on('end', () => { t.log('answer'); res.end('hi'); }); t.log('returned'); }],
  a_body_that_is_paused: [post(4, 'abcd'), (t, req, res) => {
    t.both(req, res, REQ); req.pause(); t.log(req.isPaused()); t.later(() => { t.log('resumed'); req.resume(); });
    req.on('end', () => res.end('hi')); }],
  a_body_that_is_piped: [post(4, 'abcd'), (t, req, res) => {
    t.both(req, res); req.pipe(t.sink()).on('finish', () => { t.log('answer'); res.end('hi'); }); t.log('returned'); }],
  a_body_as_text: [post(4, 'abcd'), (t, req, res) => {
    req.setEncoding('utf8'); req.on('data', (text) => t.log(text)); req.on('end', () => { t.log('end'); res.end(); }); }],
  an_echo: [post(4, 'abcd'), (t, req, res) => { t.both(req, res); pipeline(req, res, t.told('pipeline')); t.log('returned'); }],
  piped: [GET, (t, req, res) => { t.hear('res', res, RES); t.source().pipe(res); t.log('returned'); }],
  from_a_pipeline: [GET, (t, req, res) => { t.hear('res', res, RES); pipeline(t.source(), res, t.told('pipeline')); t.log('returned'); }],
  from_a_pipeline_that_fails: [GET, (t, req, res) => {
    t.both(req, res);
    const source = new Readable({ read() { this.destroy(mine()); } });
    t.hear('source', source, ['end', 'error', 'close']);
    pipeline(source, res, t.told('pipeline')); t.log('returned'); }],
  answered_before_the_body: [post(4, 'ab'), (t, req, res) => {
    t.both(req, res); res.end('hi'); t.log('returned'); res.on('close', () => t.later(t.go)); }, 'cd'],
  answered_before_the_body_that_is_read: [post(4, 'ab'), (t, req, res) => {
    t.both(req, res, REQ); res.end('hi'); t.log('returned'); res.on('close', () => t.later(t.go)); }, 'cd'],
  gone_before_the_answer: [GET, (t, req, res) => {
    t.both(req, res); t.later(t.go);
    res.on('close', () => t.later(() => {
      t.log(`${req.destroyed} ${res.destroyed} ${res.closed} ${res.writableFinished} ${res.errored}`);
      t.log(res.write('late', t.told('late'))); })); }, null],
  gone_before_the_answer_to_a_request_that_was_read: [GET, (t, req, res) => {
    t.both(req, res); req.resume(); finished(res, t.told('finished')); t.later(t.go); }, null],
  gone_in_the_body: [post(4, 'ab'), (t, req, res) => { t.both(req, res, REQ); t.later(t.go); }, null],
  gone_in_the_body_and_nobody_hears_errors: [post(4, 'ab'), (t, req, res) => {
    t.hear('req', req, ['data', 'end', 'aborted', 'close']); t.hear('res', res, ['finish', 'close']); t.later(t.go); }, null],
  gone_in_a_body_that_is_piped: [post(4, 'ab'), (t, req, res) => {
    t.both(req, res); pipeline(req, t.sink(), t.told('pipeline')); t.later(t.go); }, null],
  gone_in_an_answer_from_a_pipeline: [GET, (t, req, res) => {
    t.both(req, res); pipeline(t.slowSource(), res, t.told('pipeline')); t.later(t.go); }, null],
  gone_in_an_answer_that_is_piped: [GET, (t, req, res) => { t.both(req, res); t.slowSource().pipe(res); t.later(t.go); }, null],
  the_answer_is_destroyed: [GET, (t, req, res) => {
    t.both(req, res); t.soon(); res.destroy(); t.log(`returned ${res.destroyed} ${res.closed} ${req.destroyed}`); }],
  the_answer_is_destroyed_with_an_error: [GET, (t, req, res) => {
    t.both(req, res); finished(res, t.told('finished')); t.soon(); res.destroy(mine()); t.log(`returned ${res.errored.code}`); }],
  the_answer_is_destroyed_when_its_head_is_out: [GET, (t, req, res) => {
    t.both(req, res); res.write('a'); t.later(() => { res.destroy(); t.log(res.write('b', t.told('b'))); }); }],
  the_answer_is_destroyed_when_it_is_ended: [GET, (t, req, res) => {
    t.hear('res', res, RES); res.end('a', t.told('end')); t.soon(); res.destroy(); t.log('returned'); }],
  the_request_is_destroyed: [GET, (t, req, res) => {
    t.both(req, res); t.soon(); req.destroy(); t.log(`returned ${req.destroyed} ${res.destroyed}`); }],
  the_request_is_destroyed_with_an_error: [post(4, 'ab'), (t, req, res) => { t.both(req, res); t.soon(); req.destroy(mine()); t.log('returned'); }],
  the_request_is_destroyed_by_a_pipeline: [post(4, 'ab'), (t, req, res) => {
    t.both(req, res); pipeline(req, t.sink(true), t.told('pipeline')); t.log('returned'); }],
  finished_of_both: [post(2, 'ab'), (t, req, res) => {
    finished(req, t.told('req')); finished(res, t.told('res')); req.resume(); res.end('hi'); t.log('returned'); }],
  finished_behind_the_end: [GET, (t, req, res) => {
    res.end('hi'); finished(res, t.told('finished')); res.on('finish', () => t.log('finish')); t.log('returned'); }],
  finished_long_after_the_end: [GET, (t, req, res) => {
    res.end('hi'); t.later(() => { finished(res, t.told('res')); finished(req, t.told('req')); }); t.log('returned'); }],
  the_answer_to_a_head: ['HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', (t, req, res) => {
    t.hear('res', res, RES); t.log(res.write('a', t.told('a'))); res.end('b'); t.log('returned'); }],
  full_and_drained: [GET, (t, req, res) => {
    t.hear('res', res, RES); while (res.write(Buffer.alloc(65536)));
    t.log(`full ${res.writableNeedDrain}`); t.later(t.go);
    res.once('drain', () => { t.log(`${res.writableNeedDrain} ${res.writableLength}`); res.end(t.told('end')); }); }, 'reads'],
};

function run([sent, handler, at_go]) {
  return new Promise((resolve) => {
    const t = new Case();
    let client, quiet;
    const server = http.createServer((req, res) => handler(t, req, res));
    server.on('clientError', (error, socket) => socket.destroy());
    const over = () => { server.closeAllConnections(); server.close(); client.destroy(); resolve(t.lines.map(String)); };
    const lines = t.lines;
    t.log = (line) => { lines.push(line); clearTimeout(quiet); quiet = setTimeout(() => { t.lines = lines.slice(); over(); lines.length = 0; }, QUIET_MS); };
    t.go = () => {
      if (at_go === null) client.resetAndDestroy();
      else if (at_go === 'reads') client.resume();
      else client.write(at_go);
    };
    server.listen(0, '127.0.0.1', () => {
      client = net.connect(server.address().port, '127.0.0.1');
      client.on('error', () => {});
      if (at_go !== 'reads') client.resume();
      client.write(sent);
    });
  });
}

(async () => {
  const facts = {};
  for (const name of Object.keys(cases)) facts[name] = await run(cases[name]);
  const file = path.join(__dirname, 'stream_facts.json');
  fs.writeFileSync(file, JSON.stringify({ node: process.version, facts }, null, 1) + '\n');
})();
