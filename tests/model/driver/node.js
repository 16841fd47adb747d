'use strict';
// A random program (interpreter.py) on real Node, under the frozen clock; its log is one line of JSON. Only the operations that
// Node has; the listener takes all errors; lines have no turn, which Node does not count.
//   LD_PRELOAD=frozen_clock.so node node.js '{"start_ns": ..., "main": [...]}'
const fs = require('fs');

const [START, SPIN] = [0x7fff0000, 0x7fff0001]; // see frozen_clock.c
const CALLBACKS_MAX = 300;
const program = JSON.parse(process.argv[2]);
const Immediate = require('timers').setImmediate(() => {}).constructor;
const log = [];
const handles = [];
let made = 0;
let ran = 0;

fs.ftruncateSync(START, program.start_ns % 1e6);
const start = process.hrtime.bigint() - BigInt(program.start_ns % 1e6);
const line = (text) => log.push(`at ${(process.hrtime.bigint() - start) / 1000n} us: ${text}`);

function callback(operation) {
  const name = `${operation.op} ${++made}`;
  let calls = 0;
  return () => {
    calls++;
    if (++ran > CALLBACKS_MAX) return;
    line(calls === 1 ? name : `${name} again`);
    run(operation.do);
  };
}

function interval(operation) {
  let calls = 0;
  const call = callback(operation);
  const handle = setInterval(() => {
    calls++;
    try {
      call();
    } finally {
      if (calls === operation.times || ran > CALLBACKS_MAX) clearInterval(handle);
    }
  }, operation.ms);
  handles.push(handle);
}

// Each would spoil what belongs to the other.
function clear(handle) {
  if (handle instanceof Immediate) clearImmediate(handle);
  else clearTimeout(handle);
}

const picked = (operation) => handles.at(-1 - (operation.n % handles.length));
const does = {
  tick: (operation) => process.nextTick(callback(operation)),
  microtask: (operation) => queueMicrotask(callback(operation)),
  immediate: (operation) => handles.push(setImmediate(callback(operation))),
  timeout: (operation) => handles.push(setTimeout(callback(operation), operation.ms)),
  interval,
  spin: (operation) => fs.ftruncateSync(SPIN, operation.us * 1000),
  clear: (operation) => handles.length && clear(picked(operation)),
  ref: (operation) => handles.length && picked(operation)[operation.how]?.(),
  fail: () => {
    throw new Error(`boom ${++made}`);
  },
};

function run(operations) {
  for (const operation of operations) does[operation.op](operation);
}

process.on('uncaughtException', (error) => line(`uncaught ${error.message}`));
process.on('exit', () => fs.writeSync(1, JSON.stringify(log) + '\n'));
process.nextTick(run, program.main);
