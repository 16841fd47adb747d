// Records how Node's diagnostics_channel behaves, as channel_facts.json: `node record_channel_facts.js`.
// test_channel_facts.py holds the same programs in Python, under the same names.
'use strict';
const fs = require('fs');
const path = require('path');
const dc = require('diagnostics_channel');
const { AsyncLocalStorage } = require('async_hooks');

const none = (value) => (value === undefined ? null : value);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let uncaught = () => {};
process.on('uncaughtException', (error) => uncaught(error.message));

const traced = (name, log) => {
  const tracing = dc.tracingChannel(name);
  const say = (event) => (m) => log(event, 'result' in m ? m.result : null, m.error ? m.error.message : null, m.name);
  const subscribers = { start: say('start'), end: say('end'), asyncStart: say('async_start'), asyncEnd: say('async_end'), error: say('error') };
  tracing.subscribe(subscribers);
  return [tracing, subscribers];
};

const programs = {
  one_channel_of_a_name(log) {
    const a = dc.channel('one:a');
    log(a === dc.channel('one:a'), a.name, a.hasSubscribers, dc.hasSubscribers('one:a'), dc.hasSubscribers('one:b'));
    const f = () => {};
    dc.subscribe('one:a', f);
    log(a.hasSubscribers, dc.hasSubscribers('one:a'));
    log(a.unsubscribe(f), a.unsubscribe(f), dc.unsubscribe('one:a', f), dc.unsubscribe('one:none', f), a.hasSubscribers);
  },
  subscribers_in_order(log) {
    const a = dc.channel('order:a');
    a.publish(0);
    const f = (m, name) => log('f', m, name), g = (m) => log('g', m);
    a.subscribe(f); a.subscribe(g); a.subscribe(f);
    a.publish(1);
    a.unsubscribe(f);
    a.publish(2);
    log(a.unsubscribe(f), a.unsubscribe(g), a.hasSubscribers);
  },
  changed_meanwhile(log) {
    const a = dc.channel('changed:a');
    const late = () => log('late'), g = () => { log('g'); a.unsubscribe(g); a.unsubscribe(h); a.subscribe(late); }, h = () => log('h');
    a.subscribe(g); a.subscribe(h);
    a.publish(); log('-'); a.publish();
    a.unsubscribe(late);
  },
  async one_that_raises(log) {
    const a = dc.channel('raises:a');
    uncaught = (text) => log('uncaught', text);
    const f = () => { throw new Error('boom'); }, g = () => log('g');
    a.subscribe(f); a.subscribe(g);
    a.publish(1);
    process.nextTick(log, 'tick');
    log('published');
    await sleep(1);
    a.unsubscribe(f); a.unsubscribe(g);
  },
  stores(log) {
    const a = dc.channel('stores:a'), s = new AsyncLocalStorage(), t = new AsyncLocalStorage();
    a.bindStore(s);
    a.bindStore(t, (m) => m * 10);
    log(a.hasSubscribers);
    const f = (m) => log('subscriber', m, s.getStore(), t.getStore());
    a.subscribe(f);
    log(a.runStores(1, (x, y) => { log('inside', s.getStore(), t.getStore(), x, y); return 'result'; }, null, 2, 3));
    log(none(s.getStore()));
    a.bindStore(t, (m) => m * 100);
    a.runStores(1, () => log(t.getStore()));
    log(a.unbindStore(s), a.unbindStore(s));
    a.runStores(1, () => log(none(s.getStore()), t.getStore()));
    a.unsubscribe(f);
    a.unbindStore(t);
    log(a.hasSubscribers, a.runStores(1, () => none(t.getStore())));
  },
  async a_transform_that_raises(log) {
    const a = dc.channel('transform:a'), s = new AsyncLocalStorage();
    uncaught = (text) => log('uncaught', text);
    a.bindStore(s, () => { throw new Error('boom'); });
    log(a.runStores(1, () => none(s.getStore())));
    await sleep(1);
    a.unbindStore(s);
  },
  trace_sync(log) {
    const [tracing, subscribers] = traced('sync', log);
    log(tracing.hasSubscribers, tracing.start.name);
    log(tracing.traceSync((x, y) => { log('body'); return x + y; }, { name: 'a' }, null, 1, 2));
    try { tracing.traceSync(() => { throw new Error('boom'); }, { name: 'b' }); } catch (error) { log('caught', error.message); }
    log(tracing.unsubscribe(subscribers), tracing.unsubscribe(subscribers), tracing.hasSubscribers);
    log(tracing.traceSync((x) => x, { name: 'c' }, null, 1));
  },
  async trace_async(log) {
    const [tracing, subscribers] = traced('async', log);
    log(await tracing.tracePromise(async (x) => { log('body'); await sleep(1); log('later'); return x; }, { name: 'a' }, null, 1));
    log(await tracing.tracePromise(async (x) => x, { name: 'b' }, null, 2));
    await tracing.tracePromise(async () => { await sleep(1); throw new Error('boom'); }, { name: 'c' }).catch((error) => log('caught', error.message));
    await tracing.tracePromise(async () => { throw new Error('boom'); }, { name: 'd' }).catch((error) => log('caught', error.message));
    tracing.unsubscribe(subscribers);
    log(await tracing.tracePromise(async (x) => x, { name: 'e' }, null, 3));
  },
  async trace_async_of_a_call_that_raises(log) {
    const [tracing, subscribers] = traced('call', log);
    try { await tracing.tracePromise(() => { log('body'); throw new Error('boom'); }, { name: 'a' }); } catch (error) { log('caught', error.message); }
    tracing.unsubscribe(subscribers);
  },
  async trace_callback(log) {
    const [tracing, subscribers] = traced('callback', log);
    let done, end = new Promise((resolve) => { done = resolve; });
    tracing.traceCallback((x, callback) => { log('body'); setTimeout(callback, 1, null, x); return 5; }, -1, { name: 'a' }, null, 1,
      (error, result) => { log('callback', error, result); done(); });
    await end;
    tracing.traceCallback((callback, x) => callback(new Error('boom')), 0, { name: 'b' }, null,
      (error, result) => log('callback', error.message), 1);
    try { tracing.traceCallback((callback) => { throw new Error('boom'); }, 0, { name: 'c' }, null, () => {}); } catch (error) { log('caught', error.message); }
    try { tracing.traceCallback(() => {}, 0, { name: 'd' }, null, 5); } catch (error) { log(error.code); }
    tracing.unsubscribe(subscribers);
  },
  async the_store_of_start_holds_for_all_of_it(log) {
    const tracing = dc.tracingChannel('spans'), s = new AsyncLocalStorage();
    tracing.start.bindStore(s, (m) => m.name);
    const f = () => log('async_start', s.getStore());
    tracing.asyncStart.subscribe(f);
    log(tracing.traceSync(() => s.getStore(), { name: 'a' }));
    log(await tracing.tracePromise(async () => { await sleep(1); return s.getStore(); }, { name: 'b' }));
    log(none(s.getStore()));
    tracing.start.unbindStore(s); tracing.asyncStart.unsubscribe(f);
  },
  wrong_arguments(log) {
    const a = dc.channel('wrong:a');
    for (const wrong of [
      () => dc.channel(5), () => a.subscribe(5), () => dc.tracingChannel(5),
      () => dc.tracingChannel('wrong').subscribe({ start: 5 }),
    ]) try { wrong(); log('nothing'); } catch (error) { log(error.code); }
  },
};

(async () => {
  const traces = {};
  for (const [name, program] of Object.entries(programs)) {
    const trace = traces[name] = [];
    await program((...values) => trace.push(values));
  }
  const file = path.join(__dirname, 'channel_facts.json');
  fs.writeFileSync(file, JSON.stringify({ node: process.version, traces }, null, 1) + '\n');
})();
