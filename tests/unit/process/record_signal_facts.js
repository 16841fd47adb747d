// Records how Node's process ends and is signalled, as signal_facts.json: `node record_signal_facts.js`.
// test_signal_facts.py holds the same programs in Python, under the same names.
'use strict';
const fs = require('fs');
const path = require('path');
const { spawnSync } = require('child_process');

const head = `
const log = console.log, pid = process.pid;
const onExit = () => process.on('exit', (code) => log('exit', code));
const boom = (text) => { throw new Error(text); };
let held;
const hold = () => { held = setTimeout(() => {}, 60000); };
const goOn = () => { clearTimeout(held); setTimeout(log, 1, 'timer'); };
`;

const programs = {
  sigterm_ends_it: `onExit(); hold(); process.kill(pid);`,
  sigint_ends_it: `onExit(); hold(); process.kill(pid, 'SIGINT');`,
  sighup_ends_it: `onExit(); hold(); process.kill(pid, 'SIGHUP');`,
  a_listener_gets_name_and_number: `hold(); process.once('SIGUSR2', (...args) => { log(...args); goOn(); }); process.kill(pid, 'SIGUSR2');`,
  in_the_poll_phase: `
    process.on('SIGUSR2', () => { log('signal'); process.nextTick(log, 'tick of the signal'); });
    setImmediate(log, 'immediate'); process.kill(pid, 'SIGUSR2'); process.nextTick(log, 'tick');
    queueMicrotask(() => log('microtask')); log('main');`,
  listeners_do_not_hold_it: `onExit(); process.on('SIGTERM', () => {});`,
  a_once_listener_is_gone_when_it_runs: `hold(); process.once('SIGTERM', () => { log('first'); process.kill(pid, 'SIGTERM'); }); process.kill(pid, 'SIGTERM');`,
  without_its_last_listener_it_ends_it: `
    const a = () => {}, b = () => {};
    hold(); process.on('SIGTERM', a); process.on('SIGTERM', b); process.off('SIGTERM', a); process.off('SIGTERM', b);
    process.kill(pid, 'SIGTERM');`,
  with_one_of_two_listeners_it_does_not: `
    const a = () => log('a'), b = () => { log('b'); goOn(); };
    hold(); process.on('SIGTERM', a); process.on('SIGTERM', b); process.off('SIGTERM', a); process.kill(pid, 'SIGTERM');`,
  remove_all_listeners: `hold(); process.on('SIGTERM', () => {}); process.removeAllListeners('SIGTERM'); process.kill(pid, 'SIGTERM');`,
  remove_all_listeners_of_all: `hold(); process.on('SIGTERM', () => {}); process.removeAllListeners(); process.kill(pid, 'SIGTERM');`,
  a_sigint_listener_keeps_it_alive: `hold(); process.once('SIGINT', () => { log('heard'); goOn(); }); process.kill(pid, 'SIGINT');`,
  a_listener_exits: `onExit(); hold(); process.on('SIGTERM', () => process.exit(3)); process.kill(pid, 'SIGTERM');`,
  a_listener_raises: `onExit(); hold(); process.on('SIGTERM', () => boom('boom')); process.kill(pid, 'SIGTERM');`,
  a_listener_raises_and_that_is_handled: `
    onExit(); hold(); process.on('uncaughtException', (error) => { log(error.message); goOn(); });
    process.on('SIGTERM', () => boom('boom')); process.kill(pid, 'SIGTERM');`,
  emitted_by_hand: `process.on('SIGTERM', (...args) => log(...args)); process.emit('SIGTERM', 'SIGTERM', 15);`,
  a_monitor_sees_it_first: `
    onExit(); process.on('uncaughtException', (error) => log('handled', error.message));
    process.on('uncaughtExceptionMonitor', (error) => log('seen', error.message)); boom('boom');`,
  a_monitor_handles_nothing: `onExit(); process.on('uncaughtExceptionMonitor', (error) => log('seen', error.message)); boom('boom');`,
  a_monitor_raises: `onExit(); process.on('uncaughtExceptionMonitor', () => boom('worse')); boom('boom');`,
  a_handler_raises: `onExit(); process.on('uncaughtException', () => boom('worse')); boom('boom');`,
  a_handler_raises_in_a_timer: `
    onExit(); process.on('uncaughtException', () => boom('worse')); setTimeout(() => boom('boom'), 1); hold();`,
  a_handler_of_what_an_exit_listener_raises_raises: `
    process.on('uncaughtException', () => boom('worse')); process.on('exit', () => boom('boom'));`,
  an_unhandled_rejection_is_heard: `
    onExit(); process.on('unhandledRejection', (reason, promise) => log(reason.message, promise instanceof Promise));
    process.nextTick(log, 'tick'); setImmediate(log, 'immediate');
    (async () => boom('boom'))();`,
  an_unhandled_rejection_listener_raises: `
    onExit(); process.on('unhandledRejection', (reason) => boom('worse')); (async () => boom('boom'))(); hold();`,
  an_unhandled_rejection_listener_raises_and_that_is_handled: `
    onExit(); process.on('uncaughtException', (error) => log(error.message));
    process.on('unhandledRejection', (reason) => boom('worse')); (async () => boom('boom'))();`,
  kill_asks_whether_it_exists: `log(process.kill(pid, 0)); try { process.kill(4194304 - 1, 0); } catch (error) { log(error.code); }`,
  kill_of_an_unknown_signal: `for (const name of ['SIGNOPE', 'sigterm']) try { process.kill(pid, name); } catch (error) { log(error.code); }`,
  kill_of_an_unknown_number: `try { process.kill(pid, 9999); } catch (error) { log(error.code); }`,
  kill_of_no_pid: `try { process.kill('init'); } catch (error) { log(error.code); }`,
  what_cannot_be_listened_for: `for (const name of ['SIGKILL', 'SIGSTOP']) try { process.on(name, () => {}); } catch (error) { log(error.code); } log(process.listenerCount('SIGKILL'));`,
  hrtime: `
    const [s, ns] = process.hrtime([0, 0]); log(Number.isInteger(s), ns < 1e9);
    for (const bad of [5, [1]]) try { process.hrtime(bad); } catch (error) { log(error.code); }
    const a = process.hrtime.bigint(); log(process.hrtime.bigint() >= a);`,
};

const facts = {};
for (const [name, program] of Object.entries(programs)) {
  const done = spawnSync(process.execPath, ['-e', head + program], { encoding: 'utf8' });
  facts[name] = { output: done.stdout.split('\n').slice(0, -1), code: done.status, signal: done.signal };
}
const file = path.join(__dirname, 'signal_facts.json');
fs.writeFileSync(file, JSON.stringify({ node: process.version, facts }, null, 1) + '\n');
