'use strict';
// Interprets one ordering program in real Node, and prints its log, a line for each callback that ran.
//   node run_node.js PROGRAM.json
// What the order must not depend on is varied by the environment:
//   JITTER=seed   computing for 1 or 6 ms here and there, and reads of various lengths
//   READS=file    a read of a file takes four trips to the pool (the default)
//   READS=stat    one trip
//   READS=ready   one trip, and it is over when the loop polls next
//   DELAY=ms      computing before the program begins
//   EARLY=1       beginning with a millisecond of the clock, and not with what only the first call takes: a timer of 1 ms, which
//                 else is due when the loop begins, is not
const fs = require('fs');

const program = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const reads = process.env.READS || 'file';
const jitter = +process.env.JITTER || 0;
const lines = [];
const handles = new Map();
let seed = (jitter * 2654435761) >>> 0;
let pauses = 3; // left for this callback

const log = (text) => lines.push(String(text));

function random() {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 4294967296;
}

function busy(ms) {
  const end = process.hrtime.bigint() + BigInt(Math.round(ms * 1e6));
  while (process.hrtime.bigint() < end);
}

function call(label, operations) {
  if (jitter) {
    pauses = 3;
    if (random() < 0.15) busy(6);
  }
  log(label);
  run(operations);
}

const pause = new Int32Array(new SharedArrayBuffer(4));

function readFile(callback) {
  if (reads === 'ready') {
    fs.stat(__filename, callback);
    Atomics.wait(pause, 0, 0, 3);
    return;
  }
  if (reads === 'stat') return void fs.stat(__filename, callback);
  if (!jitter) return void fs.readFile(__filename, callback);
  const dice = random();
  if (dice < 0.34) return void fs.stat(__filename, callback);
  if (dice < 0.67) return void fs.readFile(__filename, callback);
  let trips = 3 + Math.floor(random() * 8);
  const step = () => (trips-- ? fs.readFile(__filename, step) : fs.stat(__filename, callback));
  step();
}

const awaited = {
  resolved: () => Promise.resolve(),
  reject: () => Promise.reject(new Error('rejected')),
  tick: () => new Promise((resolve) => process.nextTick(resolve)),
  micro: () => new Promise((resolve) => queueMicrotask(resolve)),
  immediate: () => new Promise((resolve) => setImmediate(resolve)),
  timeout: (step) => new Promise((resolve) => setTimeout(resolve, step.ms)),
  fs: () => new Promise((resolve) => readFile(() => resolve())),
  async: (step) => runAsync(step.fn),
};

async function runAsync(operation) {
  log(`${operation.m}:0`);
  run(operation.do || []);
  let number = 0;
  for (const step of operation.steps) {
    number++;
    let mark = ':';
    try {
      await awaited[step.aw](step);
    } catch (error) {
      if (error.message !== 'rejected') throw error;
      mark = '!';
    }
    log(`${operation.m}${mark}${number}`);
    run(step.do || []);
  }
}

function interval(operation) {
  let calls = 0;
  const handle = setInterval(() => {
    calls++;
    call(`${operation.m}#${calls}`, operation.do);
    if (calls >= operation.times) clearInterval(handle);
  }, operation.ms);
  handles.set(operation.id, handle);
}

function then(operation) {
  let promise = Promise.resolve();
  for (let i = 1; i <= operation.depth; i++) {
    promise = promise.then(() => call(`${operation.m}.${i}`, i === operation.at ? operation.do : []));
  }
}

function clear(operation) {
  const handle = handles.get(operation.id);
  if (handle === undefined) return;
  if (operation.kind === 'immediate') clearImmediate(handle);
  else clearTimeout(handle);
}

function caught(operation) {
  try {
    run(operation.do);
    throw new Error(operation.m);
  } catch (error) {
    log(`caught ${error.message}`);
  }
}

const does = {
  log: (operation) => log(operation.m),
  busy: (operation) => busy(operation.ms),
  timeout: (operation) => handles.set(operation.id, setTimeout(call, operation.ms, operation.m, operation.do)),
  immediate: (operation) => handles.set(operation.id, setImmediate(call, operation.m, operation.do)),
  interval,
  tick: (operation) => process.nextTick(call, operation.m, operation.do),
  micro: (operation) => queueMicrotask(() => call(operation.m, operation.do)),
  then,
  async: runAsync,
  fs: (operation) => readFile(() => call(operation.m, operation.do)),
  clear,
  ref: (operation) => handles.get(operation.id)?.ref(),
  unref: (operation) => handles.get(operation.id)?.unref(),
  try: caught,
  throw: (operation) => {
    throw new Error(operation.m);
  },
};

function run(operations) {
  for (const operation of operations) {
    if (jitter && pauses > 0 && random() < 0.3) {
      busy(1);
      pauses--;
    }
    does[operation.op](operation);
  }
}

process.on('uncaughtException', (error) => log(`uncaught ${error.message}`));
process.on('exit', () => fs.writeSync(1, JSON.stringify(lines)));
if (process.env.DELAY) busy(+process.env.DELAY);
if (process.env.EARLY) {
  fs.stat(__filename, () => {});
  clearTimeout(setTimeout(() => {}, 1));
  while (process.hrtime.bigint() % 1000000n > 20000n);
}
run(program.body);
