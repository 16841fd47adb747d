// Records how Node's AbortSignal behaves, as abort_facts.json: `node record_abort_facts.js`.
// test_abort_facts.py holds the same programs in Python, under the same names.
'use strict';
const fs = require('fs');
const path = require('path');

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const programs = {
  a_listener_hears_of_it(log) {
    const c = new AbortController();
    c.signal.addEventListener('abort', (e) => log(e.type, e.target === c.signal, c.signal.aborted));
    log(c.signal.aborted, c.signal.reason === undefined);
    c.abort();
    log(c.signal.aborted, c.signal.reason.name);
  },
  the_first_reason_stays(log) {
    const c = new AbortController();
    c.signal.addEventListener('abort', () => log('heard'));
    c.abort('one');
    c.abort('two');
    log(c.signal.reason);
  },
  listeners_in_order_of_adding(log) {
    const c = new AbortController();
    c.signal.addEventListener('abort', () => log('a'));
    c.signal.onabort = () => log('on');
    c.signal.addEventListener('abort', () => log('b'), { once: true });
    c.abort();
  },
  the_same_listener_twice_is_one(log) {
    const c = new AbortController();
    const a = () => log('a');
    c.signal.addEventListener('abort', a);
    c.signal.addEventListener('abort', a);
    c.abort();
  },
  removed_before(log) {
    const c = new AbortController();
    const a = () => log('a');
    c.signal.addEventListener('abort', a);
    c.signal.addEventListener('abort', () => log('b'));
    c.signal.removeEventListener('abort', a);
    c.signal.removeEventListener('abort', a);
    c.abort();
  },
  removed_meanwhile(log) {
    const c = new AbortController();
    const b = () => log('b');
    c.signal.addEventListener('abort', () => { log('a'); c.signal.removeEventListener('abort', b); });
    c.signal.addEventListener('abort', b);
    c.abort();
  },
  added_meanwhile(log) {
    const c = new AbortController();
    c.signal.addEventListener('abort', () => { log('a'); c.signal.addEventListener('abort', () => log('late')); });
    c.abort();
  },
  added_afterwards(log) {
    const c = new AbortController();
    c.abort();
    c.signal.addEventListener('abort', () => log('late'));
    log(c.signal.aborted);
  },
  other_events_are_not_its_own(log) {
    const c = new AbortController();
    c.signal.addEventListener('end', () => log('end'));
    c.abort();
    log('done');
  },
  aborted_from_the_beginning(log) {
    const s = AbortSignal.abort('why');
    log(s.aborted, s.reason);
    log(AbortSignal.abort().reason.name);
  },
  throw_if_aborted(log) {
    const c = new AbortController();
    const reason = new Error('why');
    c.signal.throwIfAborted();
    c.abort(reason);
    try { c.signal.throwIfAborted(); } catch (error) { log(error === reason); }
  },
  any_follows_the_first(log) {
    const a = new AbortController(), b = new AbortController();
    const s = AbortSignal.any([a.signal, b.signal]);
    s.addEventListener('abort', () => log('any', s.reason));
    log(s.aborted);
    b.abort('b');
    a.abort('a');
    log(s.aborted, s.reason);
  },
  any_of_one_that_is_aborted(log) {
    const a = new AbortController();
    const s = AbortSignal.any([a.signal, AbortSignal.abort('x'), AbortSignal.abort('y')]);
    log(s.aborted, s.reason);
  },
  any_of_nothing(log) {
    log(AbortSignal.any([]).aborted);
  },
  any_of_any(log) {
    const a = new AbortController();
    const inner = AbortSignal.any([a.signal]);
    const outer = AbortSignal.any([inner]);
    outer.addEventListener('abort', () => log('outer', inner.aborted));
    inner.addEventListener('abort', () => log('inner', outer.aborted));
    a.signal.addEventListener('abort', () => log('source', inner.aborted, outer.aborted));
    a.abort('x');
    log(outer.reason);
  },
  async a_timeout(log) {
    const s = AbortSignal.timeout(5);
    s.addEventListener('abort', () => log('abort', s.reason.name));
    log(s.aborted);
    await sleep(30);
    log(s.aborted);
  },
};

(async () => {
  const traces = {};
  for (const [name, program] of Object.entries(programs)) {
    const trace = traces[name] = [];
    await program((...values) => trace.push(values));
  }
  const file = path.join(__dirname, 'abort_facts.json');
  fs.writeFileSync(file, JSON.stringify({ node: process.version, traces }, null, 1) + '\n');
})();
