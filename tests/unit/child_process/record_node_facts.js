// Records what Node's child processes tell, as node_facts.json: `node record_node_facts.js` with the version named there.
// test_node_facts.py holds the same programs in Python, under the same names. Each program is a process of its own, so that what
// holds it shows as well. The child has a log, and each of its streams: how they mix is the kernel's affair.
'use strict';
const fs = require('fs');
const path = require('path');
const { execFileSync, spawn, exec, execFile } = require('child_process');

const text = (value) => {
  if (value instanceof Error) return value.code || value.message;
  if (Buffer.isBuffer(value)) return `bytes ${value}`;
  return value === undefined ? null : value;
};

const logs = {};
const log = (...values) => (logs.child ??= []).push(values.map(text));
const raised = (what, call) => { try { call(); log(what, 'nothing'); } catch (error) { log(what, error.code); } };
const on = (stream, name, reads = true) => {
  const entries = (logs[name] ??= []);
  let data = '';
  if (reads) stream.on('data', (chunk) => { data += chunk; });
  for (const event of ['end', 'error', 'close']) {
    stream.on(event, (...values) => {
      if (event === 'end' && reads) entries.push(['data', data.length > 100 ? data.length : data]);
      entries.push([event, ...values.map(text)]);
    });
  }
};
const watch = (child, reads = true) => {
  for (const event of ['spawn', 'exit', 'close', 'error']) child.on(event, (...values) => log(event, ...values));
  if (child.stdin) on(child.stdin, 'stdin', false);
  if (child.stdout) on(child.stdout, 'stdout', reads);
  if (child.stderr) on(child.stderr, 'stderr', reads);
  return child;
};
const sh = (script, options) => watch(spawn('sh', ['-c', script], options));
const told = (error, stdout, stderr) => {
  const facts = error && (typeof error.code === 'string' ? [error.code] : [error.code, error.killed, error.signal]);
  log('callback', facts && facts.map(text), stdout, stderr);
};
const names = (child) => [child.stdin, child.stdout, child.stderr].map((stream) => stream !== null);

const programs = {
  it_ends() { watch(spawn('true')); },
  it_ends_with_a_code() { sh('exit 3'); },
  a_signal_ends_it() { sh('kill -KILL $$'); },
  it_is_not_there() { watch(spawn('treadle-has-no-such-program')); },
  it_is_no_program() { watch(spawn('/etc/passwd')); },
  its_directory_is_not_there() { watch(spawn('true', { cwd: '/treadle/has/no/such/directory' })); },
  its_directory_is_a_file() { raised('cwd', () => spawn('true', { cwd: '/etc/passwd' })); },
  fields() {
    const child = watch(spawn('sh', ['-c', 'exit 0']));
    log(typeof child.pid, child.exitCode, child.signalCode, child.killed, child.spawnfile, child.spawnargs, child.stdio.length);
    child.on('exit', () => log(child.exitCode, child.signalCode, child.killed));
  },
  fields_of_one_that_was_not_started() {
    const child = watch(spawn('treadle-has-no-such-program', ['x']));
    log(child.pid, child.exitCode, child.kill(), child.killed, child.spawnfile, child.spawnargs, names(child));
    child.on('close', () => log(child.exitCode, child.signalCode));
  },
  nobody_listens_for_its_error() {
    process.on('uncaughtException', (error) => log('uncaught', error));
    spawn('treadle-has-no-such-program');
  },
  killed() { const child = watch(spawn('sleep', ['60'])); log(child.kill(), child.killed); },
  killed_by_name() { const child = watch(spawn('sleep', ['60'])); log(child.kill('SIGINT'), child.killed); },
  killed_by_number() { const child = watch(spawn('sleep', ['60'])); log(child.kill(9), child.killed); },
  asked_whether_it_is_there() {
    const child = watch(spawn('sleep', ['60']));
    log(child.kill(0), child.killed, child.kill());
    child.on('close', () => log(child.kill(0), child.kill(), child.killed));
  },
  an_unknown_signal() {
    const child = spawn('true');
    raised('kill', () => child.kill('SIGNOTHING'));
    raised('kill_signal', () => spawn('true', { killSignal: 'SIGNOTHING' }));
  },
  one_that_heeds_no_sigterm() {
    const child = sh('trap "" TERM; echo ready; exec sleep 60');
    child.stdout.once('data', () => { log(child.kill()); setTimeout(() => log(child.kill('SIGKILL')), 50); });
  },
  timeout() { watch(spawn('sleep', ['60'], { timeout: 50 })); },
  timeout_with_a_signal_of_its_own() { watch(spawn('sleep', ['60'], { timeout: 50, killSignal: 'SIGHUP' })); },
  timeout_that_is_not_reached() { watch(spawn('true', { timeout: 60000 })); },
  aborted() {
    const controller = new AbortController();
    const child = watch(spawn('sleep', ['60'], { signal: controller.signal }));
    child.on('error', (error) => log(error.cause.message, child.killed));
    setTimeout(() => controller.abort(new Error('why')), 30);
  },
  aborted_before() {
    const controller = new AbortController();
    controller.abort();
    watch(spawn('sleep', ['60'], { signal: controller.signal }));
  },
  aborted_behind_its_end() {
    const controller = new AbortController();
    watch(spawn('true', { signal: controller.signal })).on('close', () => controller.abort());
  },
  what_goes_in_comes_out() { watch(spawn('cat')).stdin.end('hello'); },
  more_than_a_pipe_holds() { watch(spawn('cat')).stdin.end('x'.repeat(1000000)); },
  both_outputs() { sh('echo out; echo err >&2'); },
  nobody_reads_a_little() { watch(spawn('echo', ['hi']), false); },
  nobody_reads_a_lot() { watch(spawn('head', ['-c', '3000000', '/dev/zero'], { timeout: 100 }), false); },
  paused_until_its_end() {
    const child = watch(spawn('echo', ['hi']), false);
    child.stdout.pause();
    child.on('exit', () => log(child.stdout.isPaused()));
  },
  text() {
    const child = watch(spawn('printf', ['gr\u00fcn']), false);
    child.stdout.setEncoding('utf8').on('data', (chunk) => log(chunk));
  },
  it_closes_its_input() {
    const child = sh('exec 0<&-; echo closed; sleep 0.2');
    child.stdout.once('data', () => child.stdin.write('x', (error) => log('written', error)));
  },
  written_behind_its_end() {
    const child = watch(spawn('true'));
    child.on('close', () => log(child.stdin.write('x', (error) => log('written', error))));
  },
  a_grandchild_holds_its_pipes() {
    const child = sh('sleep 0.3 & exit 0');
    child.on('exit', () => setTimeout(() => log('later'), 30));
  },
  ignored() { const child = watch(spawn('cat', { stdio: 'ignore' })); log(names(child), child.stdio.length); },
  ignored_one_by_one() { const child = watch(spawn('cat', { stdio: ['ignore', 'pipe', 'ignore'] })); log(names(child)); },
  a_short_list() { const child = watch(spawn('true', { stdio: [null] })); log(names(child), child.stdio.length); },
  more_than_three() {
    const child = spawn('sh', ['-c', 'echo to3 >&3; read x <&3; echo "$x" >&4'], { stdio: ['pipe', 'ignore', 'ignore', 'pipe', 'pipe'] });
    watch(child);
    on(child.stdio[3], 'three');
    on(child.stdio[4], 'four');
    child.stdio[3].write('back\n');
    child.on('exit', () => child.stdio[3].end());
  },
  more_than_three_ignored() {
    const child = sh('(echo x >&3) 2>/dev/null || echo closed', { stdio: ['ignore', 'pipe', 'pipe', 'ignore'] });
    log(child.stdio.length, child.stdio[3]);
  },
  a_descriptor() {
    const fd = fs.openSync('/etc/hostname', 'r');
    const child = sh('read x && echo read', { stdio: [fd, 'pipe', 'pipe'] });
    fs.closeSync(fd);
    log(names(child));
  },
  wrong_stdio() {
    raised('word', () => spawn('true', { stdio: 'nothing' }));
    raised('closed', () => spawn('true', { stdio: ['pipe', 977] }));
    raised('object', () => spawn('true', { stdio: ['pipe', {}] }));
  },
  shell() { const child = watch(spawn('echo a b; exit 4', { shell: true })); log(child.spawnfile, child.spawnargs); },
  shell_by_path() { const child = watch(spawn('echo $0', { shell: '/bin/sh' })); log(child.spawnfile, child.spawnargs); },
  not_there_for_the_shell() { watch(spawn('treadle-has-no-such-program 2>/dev/null', { shell: true })); },
  argv0() { const child = watch(spawn('sh', ['-c', 'echo $0'], { argv0: 'another' })); log(child.spawnfile, child.spawnargs); },
  environment() { watch(spawn('/usr/bin/env', { env: { TREADLE_A: '1' } })); },
  the_path_of_its_environment() { watch(spawn('true', { env: { PATH: '/treadle/has/none' } })); },
  directory() { watch(spawn('pwd', { cwd: '/usr' })); },
  a_program_in_its_directory() { watch(spawn('./env', ['true'], { cwd: '/usr/bin' })); },
  detached() {
    const child = watch(spawn('sh', ['-c', 'cut -d" " -f6 /proc/$$/stat'], { detached: true }), false);
    child.stdout.on('data', (data) => log(Number(data) === child.pid));
  },
  unrefed() {
    const child = spawn('sleep', ['0.3'], { stdio: 'ignore', detached: true });
    watch(child);
    child.unref();
  },
  unrefed_and_refed() { const child = watch(spawn('sleep', ['0.1'], { stdio: 'ignore' })); child.unref(); child.ref(); },
  signals_have_their_default() { sh('kill -PIPE $$'); },
  wrong_arguments() {
    raised('empty', () => spawn(''));
    raised('number', () => spawn(5));
    raised('nul', () => spawn('a\0b'));
    raised('nul in args', () => spawn('true', ['a\0b']));
    raised('args', () => spawn('true', 'abc'));
    raised('cwd', () => spawn('true', { cwd: 5 }));
    raised('timeout', () => spawn('true', { timeout: -1 }));
    raised('uid', () => spawn('true', { uid: 'root' }));
    raised('max_buffer', () => exec('true', { maxBuffer: -1 }));
    raised('signal', () => spawn('true', { signal: 'x' }));
  },
  exec() { watch(exec('echo out; echo err >&2', told), false); },
  exec_that_fails() { exec('echo out; echo err >&2; exit 3', told); },
  exec_that_a_signal_ends() { exec('kill -KILL $$', told); },
  exec_of_what_is_not_there() { exec('treadle-has-no-such-program 2>/dev/null', told); },
  exec_in_no_directory() { exec('true', { cwd: '/treadle/has/no/such/directory' }, told); },
  exec_file() { execFile('printf', ['%s-%s', 'a b', '$x'], told); },
  exec_file_that_is_not_there() { execFile('treadle-has-no-such-program', ['x'], told); },
  exec_file_without_a_shebang(folder) {
    fs.writeFileSync(path.join(folder, 'script'), 'echo from $1\n', { mode: 0o755 });
    execFile(path.join(folder, 'script'), ['it'], told);
  },
  exec_file_in_a_shell() { execFile('echo $((1 + 1))', { shell: true }, told); },
  exec_timeout() { exec('echo a; exec sleep 60', { timeout: 100 }, told); },
  exec_timeout_with_a_signal() { exec('exec sleep 60', { timeout: 50, killSignal: 'SIGKILL' }, told); },
  exec_timeout_of_one_that_has_ended() { exec('sleep 1 & echo a', { timeout: 100 }, told); },
  exec_max_buffer() { exec('printf 123456; exec sleep 60', { maxBuffer: 5 }, told); },
  exec_max_buffer_of_stderr() { exec('printf 123456 >&2; exec sleep 60', { maxBuffer: 5 }, told); },
  exec_max_buffer_that_is_enough() { exec('printf 12345', { maxBuffer: 5 }, told); },
  exec_as_bytes() { exec('printf abc', { encoding: 'buffer' }, told); },
  exec_as_latin1() { exec("printf '\\351'", { encoding: 'latin1' }, told); },
  exec_of_no_text() { exec("printf 'a\\377b'", told); },
  exec_aborted() {
    const controller = new AbortController();
    const child = exec('exec sleep 60', { signal: controller.signal }, (...values) => { told(...values); log(child.signalCode); });
    child.on('close', (...values) => log('close', ...values));
    setTimeout(() => controller.abort(), 30);
  },
  exec_killed() { const child = exec('exec sleep 60', told); setTimeout(() => child.kill('SIGINT'), 30); },
  exec_held_by_a_grandchild() { exec('sleep 0.2 & echo a', told).on('exit', () => log('exit')); },
  exec_with_input() { exec('cat', told).stdin.end('in'); },
  exec_that_closes_its_outputs() { exec('exec 1>&- 2>&-; sleep 0.1; exit 1', told); },
};

if (process.argv[2]) {
  process.on('exit', () => fs.writeSync(1, JSON.stringify(logs)));
  programs[process.argv[2]](process.argv[3]);
} else {
  const folder = fs.mkdtempSync(path.join(require('os').tmpdir(), 'facts-'));
  const rows = Object.keys(programs).map((name) => {
    const line = execFileSync(process.execPath, [__filename, name, folder], { timeout: 20000, stdio: ['ignore', 'pipe', 'inherit'] });
    return `    ${JSON.stringify(name)}: ${line}`;
  });
  fs.rmSync(folder, { recursive: true });
  const version = process.versions.node;
  fs.writeFileSync(path.join(__dirname, 'node_facts.json'), `{\n  "node": "${version}",\n  "logs": {\n${rows.join(',\n')}\n  }\n}\n`);
}
