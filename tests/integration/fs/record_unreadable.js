// What a recursive fs.watch of Node tells of directories that may not be read: sudo node record_unreadable.js > unreadable.json.
// "listens": 'error' is listened for; "deaf": it is not; "itself": the directory that is watched may not be read.
'use strict';
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const NOBODY = 65534;

async function watch(how) {
  const place = fs.mkdtempSync('/dev/shm/unreadable-');
  fs.chmodSync(place, 0o777);
  for (const [name, mode] of [['a', 0o777], ['m', 0o700], ['z', 0o777]]) {
    fs.mkdirSync(path.join(place, name));
    fs.chmodSync(path.join(place, name), mode);
  }
  process.setgroups([]);
  process.setgid(NOBODY);
  process.setuid(NOBODY);
  const log = [];
  const turn = () => new Promise((resolve) => setTimeout(resolve, 50));
  const watcher = fs.watch(how === 'itself' ? path.join(place, 'm') : place, { recursive: true }, (...change) => log.push(change));
  if (how === 'listens') watcher.on('error', (error) => log.push(['error', error.code]));
  process.on('uncaughtException', (error) => log.push(['uncaught', error.code]));
  await turn();
  for (const name of ['a/first', 'z/first', 'first']) fs.mkdirSync(path.join(place, name));
  await turn();
  fs.mkdirSync(path.join(place, 'a/closed'), { mode: 0 });
  await turn();
  fs.mkdirSync(path.join(place, 'last'));
  await turn();
  watcher.close();
  console.log(JSON.stringify([place, log]));
}

if (process.argv[2]) {
  watch(process.argv[2]);
} else {
  const found = {};
  for (const how of ['listens', 'deaf', 'itself']) {
    const [place, log] = JSON.parse(execFileSync(process.execPath, [__filename, how]));
    fs.rmSync(place, { recursive: true });
    found[how] = log;
  }
  console.log(JSON.stringify(found));
}
