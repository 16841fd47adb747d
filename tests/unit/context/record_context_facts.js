// Records how Node's AsyncLocalStorage and AsyncResource behave, as context_facts.json: `node record_context_facts.js`.
// test_context_facts.py holds the same programs in Python, under the same names.
'use strict';
const fs = require('fs');
const path = require('path');
const { AsyncLocalStorage, AsyncResource } = require('async_hooks');
const { EventEmitter } = require('events');

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const none = (value) => (value === undefined ? null : value);

const programs = {
  run_and_nesting(log) {
    const s = new AsyncLocalStorage();
    const get = () => none(s.getStore());
    log(get());
    log(s.run('a', (x, y) => { log(get(), x, y); log(s.run('b', get)); log(s.exit(get)); return get(); }, 1, 2));
    log(get());
  },
  run_that_raises(log) {
    const s = new AsyncLocalStorage();
    try { s.run('a', () => { throw new Error('boom'); }); } catch (error) { log(error.message, none(s.getStore())); }
  },
  name_and_default(log) {
    const s = new AsyncLocalStorage({ defaultValue: 'default', name: 'requests' });
    const get = () => none(s.getStore());
    log(s.name, new AsyncLocalStorage().name, get());
    log(s.run('a', get), s.run(undefined, get), s.exit(get));
  },
  two_storages_know_nothing_of_each_other(log) {
    const s = new AsyncLocalStorage(), t = new AsyncLocalStorage();
    s.run('s', () => t.run('t', () => { log(s.getStore(), t.getStore()); t.exit(() => log(s.getStore(), none(t.getStore()))); }));
  },
  async callbacks_keep_it(log) {
    const s = new AsyncLocalStorage();
    let done;
    const end = new Promise((resolve) => { done = resolve; });
    s.run('a', () => {
      process.nextTick(() => log('tick', s.getStore()));
      queueMicrotask(() => log('microtask', s.getStore()));
      setImmediate(() => { log('immediate', s.getStore()); setTimeout(() => { log('timer', s.getStore()); done(); }, 1); });
      log('sync', s.getStore());
    });
    log('outside', none(s.getStore()));
    await end;
    log('at the end', none(s.getStore()));
  },
  async an_async_function_keeps_it(log) {
    const s = new AsyncLocalStorage();
    const work = async (name) => { await null; await sleep(1); log(name, s.getStore()); return s.getStore(); };
    log(await Promise.all([s.run(1, work, 'one'), s.run(2, work, 'two')]));
    log(none(s.getStore()));
  },
  async enter_with_inside_stays_inside(log) {
    const s = new AsyncLocalStorage();
    s.run('a', () => { s.enterWith('b'); log(s.getStore()); });
    log(none(s.getStore()));
    await s.run('a', async () => { await null; s.enterWith('b'); await null; log(s.getStore()); });
    log(none(s.getStore()));
  },
  async enter_with_holds_for_what_follows(log) {
    const s = new AsyncLocalStorage();
    let done;
    const end = new Promise((resolve) => { done = resolve; });
    setImmediate(() => {
      s.enterWith('entered');
      log(s.getStore());
      setTimeout(() => { log('timer', s.getStore()); done(); }, 5);
    });
    setImmediate(() => log('another', none(s.getStore())));
    await end;
  },
  async a_beat_of_an_interval_hears_nothing_of_the_one_before(log) {
    const s = new AsyncLocalStorage();
    let beats = 0, done;
    const end = new Promise((resolve) => { done = resolve; });
    s.run('a', () => {
      const timer = setInterval(() => {
        log(s.getStore());
        s.enterWith('changed');
        if (++beats === 3) { clearInterval(timer); done(); }
      }, 1);
    });
    await end;
  },
  a_listener_has_that_of_the_emit(log) {
    const s = new AsyncLocalStorage(), e = new EventEmitter();
    s.run('on', () => e.on('x', () => log(s.getStore())));
    s.run('emit', () => e.emit('x'));
  },
  bind(log) {
    const s = new AsyncLocalStorage();
    const bound = s.run('a', () => AsyncLocalStorage.bind((x) => { log(s.getStore(), x); const before = s.getStore(); s.enterWith('left'); return before; }));
    log(s.run('b', bound, 1), s.run('c', bound, 2));
    log(none(s.getStore()));
  },
  bound_within_itself(log) {
    const s = new AsyncLocalStorage();
    const bound = s.run('a', () => AsyncLocalStorage.bind((n) => { log(n, s.getStore()); if (n) s.run('other', bound, n - 1); }));
    bound(2);
  },
  snapshot(log) {
    const s = new AsyncLocalStorage();
    const inside = s.run('a', () => AsyncLocalStorage.snapshot());
    log(s.run('b', () => inside((x) => [s.getStore(), x], 1)));
  },
  disable(log) {
    const s = new AsyncLocalStorage({ defaultValue: 'default' });
    s.run('a', () => { s.disable(); log(s.getStore()); log(s.run('b', () => s.getStore())); });
    log(s.getStore());
    s.enterWith('c');
    log(s.getStore());
  },
  resource(log) {
    const s = new AsyncLocalStorage();
    const r = s.run('a', () => new AsyncResource('Query'));
    log(s.run('b', () => r.runInAsyncScope((x) => [s.getStore(), x], null, 1)));
    log(s.run('b', r.bind(() => s.getStore())));
  },
  wrong_arguments(log) {
    for (const wrong of [
      () => AsyncLocalStorage.bind(5), () => new AsyncResource(5),
    ]) try { wrong(); } catch (error) { log(error.code); }
  },
};

(async () => {
  const traces = {};
  for (const [name, program] of Object.entries(programs)) {
    const trace = traces[name] = [];
    await new AsyncResource('test').runInAsyncScope(program, null, (...values) => trace.push(values));
  }
  const file = path.join(__dirname, 'context_facts.json');
  fs.writeFileSync(file, JSON.stringify({ node: process.version, traces }, null, 1) + '\n');
})();
