// Child processes with Node: the twin of children.py's own programs. One line of JSON.
//
//   node_children.js CHILDREN BYTES     {"child_cpu_us", "child_wall_us", "read_cpu_us"}: each child, and each MiB
'use strict';
const { spawn } = require('child_process');

const AT_ONCE = 8;
const [children, bytes] = process.argv.slice(2).map(Number);
const took = (cpu) => { const { user, system } = process.cpuUsage(cpu); return user + system; };
const ended = (child) => new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));

async function startMany() {
  let left = children;
  const work = async () => { while (left-- > 0) await ended(spawn('true')); };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function readAll() {
  const child = spawn('head', ['-c', String(bytes), '/dev/zero']);
  let passed = 0;
  child.stdout.on('data', (chunk) => { passed += chunk.length; });
  await ended(child);
  if (passed !== bytes) throw new Error(`passed ${passed}`);
}

(async () => {
  await startMany();
  let cpu = process.cpuUsage(), wall = process.hrtime.bigint();
  await startMany();
  const figures = { child_cpu_us: took(cpu) / children, child_wall_us: Number(process.hrtime.bigint() - wall) / 1e3 / children };
  cpu = process.cpuUsage();
  await readAll();
  figures.read_cpu_us = took(cpu) / (bytes / 2 ** 20);
  console.log(JSON.stringify(figures));
})();
