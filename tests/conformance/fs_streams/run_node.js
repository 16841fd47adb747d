// Runs the cases of cases.json in Node, and prints what happened: node run_node.js > node.json. Which events, with what argument
// and state, in which order; whether the descriptor is open in the end, and what is in the file. The other half: adapter.py.
'use strict';
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const EVENTS = ['open', 'ready', 'end', 'finish', 'close', 'error', 'drain'];

const shown = (value) =>
  value === undefined || value === null ? null
  : typeof value === 'number' ? 'fd'
  : value instanceof Error ? (value.code ?? value.message)
  : value.toString('latin1');

async function run(name, given) {
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'streams-'));
  let file = path.join(place, 'file');
  if (given.file === 'directory') file = place;
  else if (given.file === 'no directory') file = path.join(place, 'none', 'file');
  else if (given.file !== null) fs.writeFileSync(file, '0123456789'.slice(0, given.file));
  const handle = given.via === 'handle' ? await fs.promises.open(file, given.flags ?? 'r') : null;
  const make = given.kind === 'read' ? 'createReadStream' : 'createWriteStream';
  const controller = new AbortController();
  if (given.signal === 'aborted') controller.abort();
  const options = given.signal ? { ...given.options, signal: controller.signal } : given.options;
  const stream = handle ? handle[make](options) : fs[make](file, options);
  const log = [];
  let isOver = false;
  const note = (event, argument) => isOver || log.push([
    event, shown(argument), given.via ? null : stream.pending, given.kind === 'read' ? stream.bytesRead : stream.bytesWritten, stream.destroyed,
  ]);
  const act = (steps) => {
    for (const [step, argument] of steps ?? []) {
      if (step === 'destroy') stream.destroy(argument && new Error(argument));
      else if (step === 'close') stream.close();
      else if (step === 'close handle') handle.close();
      else if (step === 'write') note('write', stream.write(argument, () => note('written')) ? 'yes' : 'no');
      else if (step === 'end') stream.end(argument);
      else if (step === 'read') note('read', stream.read(argument));
      else if (step === 'pause') stream.pause();
      else if (step === 'abort') controller.abort();
      else if (step === 'later') setImmediate(() => stream[argument]());
      else throw new Error(step);
    }
  };
  const on = given.on ?? {};
  for (const event of [...EVENTS, ...(given.data ? ['data'] : []), ...(on.readable ? ['readable'] : [])])
    stream.on(event, (argument) => { note(event, argument); act(on[event]); });
  act(given.begin);
  await new Promise((resolve) => setTimeout(resolve, 60));
  isOver = true; // what the cleaning causes is no part of it
  const isOpen = typeof stream.fd === 'number' && stream.fd >= 0;
  if (handle) { const left = handle.fd >= 0; log.push(['handle', left ? 'open' : 'closed']); if (left) handle.close(); }
  else { log.push(['file', isOpen ? 'open' : 'closed']); if (isOpen) fs.closeSync(stream.fd); }
  if (given.kind === 'write') log.push(['content', fs.existsSync(file) ? fs.readFileSync(file, 'latin1') : null]);
  fs.rmSync(place, { recursive: true });
  return [name, log];
}

(async () => {
  const cases = JSON.parse(fs.readFileSync(path.join(__dirname, 'cases.json'), 'utf8'));
  const found = [];
  for (const given of cases) found.push(await run(given.name, given));
  console.log('{\n' + found.map(([name, log]) => `${JSON.stringify(name)}: [\n  ${log.map((e) => JSON.stringify(e)).join(',\n  ')}\n]`).join(',\n') + '\n}');
})();
