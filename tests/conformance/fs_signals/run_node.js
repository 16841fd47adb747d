// Runs the cases of cases.json in Node 24, and prints what came of it: node run_node.js > node.json. A call with a signal that is
// aborted at some moment: what it ends with, when it tells, and what is in the file then. The other half: adapter.py.
'use strict';
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const LARGE = 64 * 1024 * 1024;
const REASONS = { default: undefined, error: new Error('given'), text: 'text', null: null };

const causeOf = (error) =>
  error.cause === undefined ? 'none'
  : error.cause === REASONS.error ? 'error'
  : error.cause === null ? 'null'
  : typeof error.cause === 'string' ? error.cause
  : 'default';

const outcomeOf = (error, result) =>
  error ? [error.code, error.code === 'ABORT_ERR' ? causeOf(error) : null] : ['ok', Buffer.isBuffer(result) ? result.length : null];

function contentOf(file, given) {
  const size = fs.statSync(file).size;
  return size === given.before ? 'untouched' : size === 0 ? 'empty' : size === expectedSize(given) ? 'all' : 'part';
}

const sizeOf = (given) => (given.size === 'large' ? LARGE : 3);
const expectedSize = (given) => (given.call === 'append_file' ? given.before : 0) + sizeOf(given);

async function runCall(given, place) {
  const file = path.join(place, 'file');
  const reads = given.call === 'read_file' || given.call === 'stat';
  given.before = reads ? sizeOf(given) : 10;
  fs.writeFileSync(file, Buffer.alloc(given.before, 'b'));
  const handle = given.via === 'handle' ? await fs.promises.open(file, reads ? 'r' : given.call === 'append_file' ? 'a' : 'r+') : null;
  const controller = new AbortController();
  const abort = () => (given.reason === 'default' ? controller.abort() : controller.abort(REASONS[given.reason]));
  if (given.when === 'before') abort();
  let isInside = true;
  let told = null;
  const options = { signal: controller.signal };
  const args = [...(handle && given.form === 'future' ? [] : [handle ? handle.fd : file]), ...(reads ? [] : [Buffer.alloc(sizeOf(given), 'a')]), options];
  const outcome = new Promise((resolve) => {
    const end = (error, result) => { told = isInside ? 'inside the call' : 'later'; resolve(outcomeOf(error, result)); };
    if (given.form === 'callback') fs[camel(given.call)](...args, end);
    else (handle ?? fs.promises)[camel(given.call)](...args).then((result) => end(null, result), end);
  });
  if (given.when === 'at once') abort();
  isInside = false;
  if (given.when === 'in a tick') process.nextTick(abort);
  if (given.when === 'in a microtask') queueMicrotask(abort);
  if (given.when === 'in an immediate') setImmediate(abort);
  const log = [await outcome, told];
  if (given.when === 'when it is through') { abort(); await new Promise((resolve) => setTimeout(resolve, 5)); }
  log.push(contentOf(file, given));
  if (handle) { log.push(handle.fd >= 0 ? 'the handle is open' : 'the handle is closed'); await handle.close(); }
  return log;
}

async function runWatch(given, place) {
  const log = [];
  const controller = new AbortController();
  const abort = () => (given.reason === 'default' ? controller.abort() : controller.abort(REASONS[given.reason]));
  if (given.when === 'before') abort();
  const options = { signal: controller.signal, recursive: given.recursive };
  if (given.form === 'callback') {
    const watcher = fs.watch(place, options);
    for (const event of ['change', 'error', 'close']) watcher.on(event, (argument) => log.push([event, argument instanceof Error ? argument.code : null]));
    if (given.when === 'at once') abort();
    log.push('returned');
  } else {
    const changes = fs.promises.watch(place, options);
    const first = changes[Symbol.asyncIterator]().next();
    if (given.when === 'at once') abort();
    if (given.when === 'in an immediate') setImmediate(abort);
    await first.then((step) => log.push(step), (error) => log.push(outcomeOf(error)));
    await changes[Symbol.asyncIterator]().next().then((step) => log.push(step.done ? 'done' : step), (error) => log.push(outcomeOf(error)));
  }
  await new Promise((resolve) => setTimeout(resolve, 30));
  return log;
}

(async () => {
  const cases = JSON.parse(fs.readFileSync(path.join(__dirname, 'cases.json'), 'utf8'));
  const rows = [];
  for (const [name, given] of Object.entries(cases)) {
    const place = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'signals-'));
    rows.push(`${JSON.stringify(name)}: ${JSON.stringify(await (given.call === 'watch' ? runWatch : runCall)(given, place))}`);
    fs.rmSync(place, { recursive: true });
  }
  console.log(`{\n${rows.join(',\n')}\n}`);
})();
