// Records how many listeners Node's streams have while 'close' is emitted and behind it, and whether an 'error' that comes then is
// heard, as listener_facts.json: `node record_listener_facts.js` with the version named there. test_listener_facts.py holds the same
// programs in Python, under the same names.
'use strict';
const fs = require('fs');
const path = require('path');
const { Duplex, PassThrough, Readable, Transform, Writable, addAbortSignal, compose, duplexPair, finished, pipeline } = require('stream');

const EVENTS = ['data', 'readable', 'end', 'finish', 'drain', 'error', 'close', 'unpipe'];
const counts = (stream) => EVENTS.filter((event) => stream.listenerCount(event)).map((event) => `${event}:${stream.listenerCount(event)}`).join(' ');
const hear = () => {};

function source() {
  const chunks = ['a', 'b'];
  return new Readable({ read() { this.push(chunks.shift() ?? null); } });
}
const through = () => new Transform({ transform(chunk, encoding, callback) { callback(null, chunk); } });
const sink = () => new Writable({ write(chunk, encoding, callback) { callback(); } });

// Each program makes its streams by name, and begins.
const programs = {
  a_pipe() { const made = { a: source(), b: sink() }; made.a.pipe(made.b); return made; },
  is_finished() { const made = { a: sink() }; finished(made.a, hear); made.a.end('x'); return made; },
  a_pipeline() { const made = { a: source(), b: through(), c: sink() }; pipeline(made.a, made.b, made.c, hear); return made; },
  a_pipeline_that_fails() {
    const made = { a: source(), b: through(), c: sink() };
    pipeline(made.a, made.b, made.c, hear);
    made.b.destroy(new Error());
    return made;
  },
  iterated() { const made = { a: source() }; (async () => { for await (const _ of made.a); })(); return made; },
  broken_off() { const made = { a: source() }; (async () => { for await (const _ of made.a) break; })(); return made; },
  a_signal() { const made = { a: addAbortSignal(new AbortController().signal, sink()) }; made.a.end('x'); return made; },
  a_pair() { const [a, b] = duplexPair(); a.resume().end('x'); b.resume().end('y'); return { a, b }; },
  composed() { const a = through(), b = through(), whole = compose(a, b); whole.resume().end('x'); return { a, b, whole }; },
  duplex_from() {
    const a = new PassThrough(), b = new PassThrough(), whole = Duplex.from({ readable: b, writable: a });
    whole.end('x'); b.end('y'); a.resume(); whole.resume();
    return { a, b, whole };
  },
};

async function record(program) {
  const facts = {}, made = program();
  for (const [name, stream] of Object.entries(made)) stream.on('close', () => { facts[name] = [counts(stream)]; });
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  for (const [name, stream] of Object.entries(made)) {
    facts[name].push(counts(stream));
    try { stream.emit('error', new Error()); facts[name].push('heard'); } catch { facts[name].push('thrown'); }
  }
  return facts;
}

(async () => {
  const facts = {};
  for (const [name, program] of Object.entries(programs)) facts[name] = await record(program);
  fs.writeFileSync(path.join(__dirname, 'listener_facts.json'), JSON.stringify({ node: process.version, facts }, null, 1) + '\n');
})();
