// Records how Node's EventEmitter behaves, as node_facts.json: `node record_node_facts.js`, run with every version named there.
// test_node_facts.py holds the same programs in Python, under the same names; names of events are logged as Python spells them.
'use strict';
const fs = require('fs');
const path = require('path');
const EventEmitter = require('events');
const { once, on, errorMonitor } = EventEmitter;

const python = (event) => ({ newListener: 'new_listener', removeListener: 'remove_listener' }[event] || event);

const programs = {
  listeners_run_in_order_of_adding(log) {
    const e = new EventEmitter();
    for (const name of ['a', 'b', 'c']) e.on('x', (...args) => log(name, ...args));
    log(e.emit('x', 1, 2), e.emit('y'));
  },
  same_listener_twice(log) {
    const e = new EventEmitter();
    const a = () => log('a');
    e.on('x', a).on('x', a);
    e.emit('x');
    e.off('x', a);
    log(e.listenerCount('x'), e.emit('x'));
  },
  off_takes_the_latest(log) {
    const e = new EventEmitter();
    const a = () => log('a'), b = () => log('b');
    e.on('x', a).on('x', b).on('x', a).off('x', a);
    e.emit('x');
  },
  added_during_emit_waits(log) {
    const e = new EventEmitter();
    e.on('x', () => { log('a'); e.on('x', () => log('late')); });
    e.on('x', () => log('b'));
    e.emit('x'); log('-'); e.emit('x');
  },
  added_during_emit_by_the_only_listener_waits(log) {
    const e = new EventEmitter();
    e.once('x', () => { log('a'); e.on('x', () => log('late')); });
    e.emit('x'); log('-'); e.emit('x');
  },
  removed_during_emit_still_runs(log) {
    const e = new EventEmitter();
    const c = () => log('c');
    e.on('x', () => { log('a'); e.off('x', c); });
    e.on('x', () => { log('b'); e.removeAllListeners('x'); });
    e.on('x', c);
    e.emit('x'); log('-', e.emit('x'));
  },
  prepend(log) {
    const e = new EventEmitter();
    e.on('x', () => log('a'));
    e.prependListener('x', () => log('b'));
    e.prependOnceListener('x', () => log('c'));
    e.prependListener('x', () => log('d'));
    e.emit('x'); log('-'); e.emit('x');
  },
  once_is_gone_before_its_call(log) {
    const e = new EventEmitter();
    e.once('x', () => { log('a', e.listenerCount('x')); e.emit('x'); });
    log(e.emit('x'), e.emit('x'));
  },
  once_in_nested_emit_runs_once(log) {
    const e = new EventEmitter();
    e.on('x', (deep) => { log('on', deep); if (!deep) e.emit('x', true); });
    e.once('x', (deep) => log('once', deep));
    e.emit('x', false);
  },
  off_finds_once(log) {
    const e = new EventEmitter();
    const a = () => log('a');
    e.once('x', a); e.off('x', a);
    log(e.emit('x'), e.listenerCount('x'));
  },
  raw_listeners(log) {
    const e = new EventEmitter();
    const a = () => log('a'), b = () => log('b');
    e.on('x', a); e.once('x', b);
    const raw = e.rawListeners('x');
    log(raw[0] === a, raw[1] === b, raw[1].listener === b, e.listeners('x')[1] === b);
    raw[1](); log(e.listenerCount('x')); raw[1]();
  },
  off_of_a_raw_listener(log) {
    const e = new EventEmitter();
    e.once('x', () => log('a')); e.once('x', () => log('b'));
    e.off('x', e.rawListeners('x')[0]);
    e.emit('x');
  },
  counts_of_one_listener(log) {
    const e = new EventEmitter();
    const a = () => {};
    e.on('x', a); e.once('x', a); e.on('x', () => {});
    log(e.listenerCount('x'), e.listenerCount('x', a), e.listenerCount('y', a), e.listenerCount('y'));
  },
  event_names_in_order_of_first_listener(log) {
    const e = new EventEmitter();
    const a = () => {};
    e.on('b', a).on('a', a).on('b', a).on('c', a).off('a', a).on('a', a);
    log(...e.eventNames());
  },
  new_listener_comes_before(log) {
    const e = new EventEmitter();
    const a = () => {};
    e.on('newListener', (event, listener) => log('new', python(event), listener === a, e.listenerCount(event)));
    e.on('x', a); e.once('x', a); e.on('removeListener', a);
  },
  new_listener_may_add_first(log) {
    const e = new EventEmitter();
    e.once('newListener', () => e.on('x', () => log('b')));
    e.on('x', () => log('a'));
    e.emit('x');
  },
  new_listener_sees_the_second_new_listener(log) {
    const e = new EventEmitter();
    e.on('newListener', (event) => log(1, python(event)));
    e.on('newListener', (event) => log(2, python(event)));
    e.on('x', () => {});
  },
  remove_listener_comes_after(log) {
    const e = new EventEmitter();
    const a = () => log('a');
    e.on('removeListener', (event, listener) => log('removed', event, listener === a, e.listenerCount('x')));
    e.on('x', a); e.off('x', a); e.off('x', a); e.once('x', a); e.emit('x');
  },
  remove_listener_sees_its_own_removal(log) {
    const e = new EventEmitter();
    const a = (event) => log('a', python(event)), b = (event) => log('b', python(event));
    e.on('removeListener', a); e.on('removeListener', b);
    e.off('removeListener', a);
    e.off('removeListener', b);
  },
  remove_all_goes_backwards(log) {
    const e = new EventEmitter();
    const name = new Map();
    const make = (text) => { const f = () => log(text); name.set(f, text); return f; };
    e.on('removeListener', (event, listener) => log(event, name.get(listener), e.listenerCount(event)));
    e.on('x', make('a')).on('x', make('b')).on('y', make('c'));
    e.removeAllListeners('x'); log(...e.eventNames().map(python));
    e.on('x', make('d')).on('x', make('e'));
    e.removeAllListeners(); log(e.eventNames().length);
  },
  remove_all_without_observer(log) {
    const e = new EventEmitter();
    const a = () => {};
    e.removeAllListeners().removeAllListeners('x');
    e.on('x', a).on('x', a).on('y', a);
    e.removeAllListeners('x'); log(...e.eventNames());
    e.removeAllListeners(); log(e.eventNames().length);
  },
  a_throwing_listener_ends_the_round(log) {
    const e = new EventEmitter();
    e.on('x', () => log('a')); e.once('x', () => { throw new Error('boom'); }); e.on('x', () => log('c'));
    try { e.emit('x'); } catch (error) { log('caught', error.message); }
    e.emit('x');
  },
  error_without_listener_is_thrown(log) {
    const e = new EventEmitter();
    const boom = new Error('boom');
    try { e.emit('error', boom); } catch (error) { log(error === boom); }
    try { e.emit('error', 'text'); } catch (error) { log(error.code, error.context); }
    try { e.emit('error'); } catch (error) { log(error.code, error.context === undefined); }
    e.on('x', () => {});
    try { e.emit('error', boom); } catch (error) { log(error === boom); }
  },
  error_with_listener_is_an_event(log) {
    const e = new EventEmitter();
    e.once('error', (...args) => log('handled', ...args));
    log(e.emit('error', 'a', 'b'));
    try { e.emit('error', 'a'); } catch (error) { log(error.code); }
  },
  error_monitor_only_looks(log) {
    const e = new EventEmitter();
    e.on(errorMonitor, (error) => log('monitor', error));
    try { e.emit('error', 'a'); } catch (error) { log(error.code); }
    e.on('error', (error) => log('handler', error));
    log(e.emit('error', 'b'));
  },
  error_monitor_may_add_the_handler(log) {
    const e = new EventEmitter();
    e.on(errorMonitor, () => e.on('error', (error) => log('handler', error)));
    log(e.emit('error', 'a'));
  },
  bad_arguments(log) {
    const e = new EventEmitter();
    const attempts = [() => e.on('x', null), () => e.once('x', 5), () => e.off('x', 'f'), () => e.prependListener('x', null),
      () => e.setMaxListeners(-1), () => e.setMaxListeners(NaN), () => e.setMaxListeners('a')];
    for (const attempt of attempts) try { attempt(); } catch (error) { log(error.code); }
    log(e.eventNames().length);
  },
  async max_listeners_warns_once_per_event(log) {
    const seen = (warning) => log(warning.name, warning.type, warning.count);
    process.on('warning', seen);
    const a = () => {};
    const e = new EventEmitter().setMaxListeners(1);
    e.on('x', a).on('x', a).on('x', a).on('y', a).on('y', a);
    e.off('x', a).off('x', a).on('x', a);                        // down to one, and up again: warned again
    const unlimited = new EventEmitter().setMaxListeners(0);
    for (let i = 0; i < 20; i++) unlimited.on('x', a);
    const usual = new EventEmitter();
    for (let i = 0; i < 11; i++) usual.on('z', a);
    await new Promise((resolve) => setImmediate(resolve));
    log(e.getMaxListeners(), unlimited.getMaxListeners(), usual.getMaxListeners());
    process.off('warning', seen);
  },
  async once_resolves_with_all_arguments(log) {
    const e = new EventEmitter();
    const promise = once(e, 'x');
    log(e.listenerCount('x'), e.listenerCount('error'));
    e.emit('x', 1, 2);
    log(e.listenerCount('x'), e.listenerCount('error'), ...await promise);
  },
  async once_rejects_on_error(log) {
    const e = new EventEmitter();
    const promise = once(e, 'x');
    e.emit('error', new Error('boom'));
    log(e.listenerCount('x'), e.listenerCount('error'));
    try { await promise; } catch (error) { log(error.message); }
  },
  async once_of_error_resolves(log) {
    const e = new EventEmitter();
    const promise = once(e, 'error');
    e.emit('error', 'a', 'b');
    log(...await promise);
  },
  async on_keeps_events_until_taken(log) {
    const e = new EventEmitter();
    const iterator = on(e, 'x');
    e.emit('x', 1); e.emit('x', 2, 3);
    for await (const args of iterator) { log(...args); if (args[0] === 2) break; }
    log(e.listenerCount('x'), e.listenerCount('error'), (await iterator.next()).done);
  },
  async on_raises_error_after_what_came_before(log) {
    const e = new EventEmitter();
    const iterator = on(e, 'x');
    e.emit('x', 1); e.emit('error', new Error('boom'));
    log(e.listenerCount('x'), e.listenerCount('error'));
    try { for await (const args of iterator) log(...args); } catch (error) { log(error.message); }
    log((await iterator.next()).done);
  },
  async on_error_goes_to_the_first_waiter(log) {
    const e = new EventEmitter();
    const iterator = on(e, 'x');
    const waiting = [iterator.next(), iterator.next()];
    e.emit('error', new Error('boom'));
    const settled = await Promise.allSettled(waiting);
    log(settled[0].reason.message, settled[1].value.done);
  },
  async on_waiters_are_served_in_order(log) {
    const e = new EventEmitter();
    const iterator = on(e, 'x');
    const waiting = [iterator.next(), iterator.next(), iterator.next()];
    e.emit('x', 1); e.emit('x', 2); iterator.return();
    for (const { value, done } of await Promise.all(waiting)) done ? log('done') : log(...value);
  },
  async on_delivers_what_came_before_return(log) {
    const e = new EventEmitter();
    const iterator = on(e, 'x');
    e.emit('x', 1); await iterator.return(); e.emit('x', 2);
    log(...(await iterator.next()).value); log((await iterator.next()).done);
  },
  async on_ends_by_a_close_event(log) {
    const e = new EventEmitter();
    const iterator = on(e, 'x', { close: ['end'] });
    e.emit('x', 1); e.emit('end'); e.emit('x', 2);
    for await (const args of iterator) log(...args);
    log(e.eventNames().length);
  },
  async on_pauses_past_the_mark(log) {
    const e = new EventEmitter();
    e.pause = () => log('pause'); e.resume = () => log('resume');
    const iterator = on(e, 'x', { highWaterMark: 2, lowWaterMark: 1 });
    for (let i = 0; i < 4; i++) { log('emit', i); e.emit('x', i); }
    for (let i = 0; i < 4; i++) log('took', ...(await iterator.next()).value);
    iterator.return();
  },
  async captured_rejections_become_errors(log) {
    const e = new EventEmitter({ captureRejections: true });
    e.on('x', async (value) => { log('x', value); throw new Error('boom'); });
    const seen = once(e, 'error');
    log(e.emit('x', 1));
    log((await seen)[0].message);
  },
};

(async () => {
  const traces = {};
  for (const [name, program] of Object.entries(programs)) {
    const trace = traces[name] = [];
    await program((...entry) => trace.push(entry));
  }
  const file = path.join(__dirname, 'node_facts.json');
  let versions = [];
  if (fs.existsSync(file)) {
    const recorded = JSON.parse(fs.readFileSync(file));
    const same = JSON.stringify(recorded.traces) === JSON.stringify(traces);
    if (same) versions = recorded.node;
    else console.error('the traces differ from those recorded with', recorded.node.join(', '));
  }
  versions = [...new Set([...versions, process.versions.node])].sort();
  const rows = Object.entries(traces).map(([name, trace]) => `    ${JSON.stringify(name)}: ${JSON.stringify(trace)}`);
  fs.writeFileSync(file, `{\n  "node": ${JSON.stringify(versions)},\n  "traces": {\n${rows.join(',\n')}\n  }\n}\n`);
})();
