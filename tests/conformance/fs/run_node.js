// Executes the table of make_cases.py in Node, by fs/promises, and writes what came out to node.json:
//     node tests/conformance/fs/run_node.js        (Node 24, as root, whose uid the table knows)
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');

const cases = JSON.parse(fs.readFileSync(path.join(__dirname, 'cases.json')));
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const bytes = (buffer) => ({ bytes: buffer.toString('latin1') });
const kindOf = (entry) =>
  ['File', 'Directory', 'SymbolicLink', 'FIFO', 'Socket', 'BlockDevice', 'CharacterDevice'].find((kind) => entry[`is${kind}`]());

function facts(stats) {
  const isDirectory = stats.isDirectory();
  return { kind: kindOf(stats), mode: (stats.mode & 0o7777).toString(8), size: isDirectory ? 0 : stats.size, nlink: isDirectory ? 0 : stats.nlink };
}

function prepare() {
  fs.writeFileSync('f', 'hello world');
  fs.writeFileSync('empty', '');
  fs.mkdirSync('d/sub', { recursive: true });
  for (const name of ['d/a', 'd/b', 'd/sub/x']) fs.writeFileSync(name, name);
  fs.symlinkSync('f', 'ln');
  fs.symlinkSync('d', 'dirln');
  fs.symlinkSync('nothing', 'dang');
}

// What is in the directory: path -> kind, mode, content or what a link says.
function tree(directory = '.', found = {}) {
  for (const name of fs.readdirSync(directory).sort()) {
    const place = directory === '.' ? name : `${directory}/${name}`;
    const stats = fs.lstatSync(place);
    const row = [kindOf(stats), stats.isSymbolicLink() ? '' : (stats.mode & 0o7777).toString(8)];
    if (stats.isFile()) row.push(fs.readFileSync(place).toString('latin1'));
    if (stats.isSymbolicLink()) row.push(fs.readlinkSync(place));
    found[place.replace(/^tmp-\w{6}$/, 'tmp-XXXXXX')] = row;
    if (stats.isDirectory()) tree(place, found);
  }
  return found;
}

// What of it has changed; null: it is gone.
function changes(before, after) {
  const found = {};
  for (const place of Object.keys({ ...before, ...after }).sort()) {
    if (JSON.stringify(before[place]) !== JSON.stringify(after[place])) found[place] = after[place] || null;
  }
  return found;
}

const methods = {
  async read(handle, size, position) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(size), 0, size, position);
    return bytes(buffer.subarray(0, bytesRead));
  },
  async read_into(handle, size, offset, length, position) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(size), offset, length, position);
    return [bytesRead, bytes(buffer)];
  },
  async readv(handle, sizes, position) {
    const { bytesRead, buffers } = await handle.readv(sizes.map((size) => Buffer.alloc(size)), position);
    return [bytesRead, buffers.map(bytes)];
  },
  write: async (handle, text, position) => (await handle.write(text, position)).bytesWritten,
  writev: async (handle, texts, position) => (await handle.writev(texts.map((text) => Buffer.from(text)), position)).bytesWritten,
  stat: async (handle) => facts(await handle.stat()),
  read_file: async (handle) => bytes(await handle.readFile()),
  fd: async (handle) => handle.fd,
};

async function call(name, args, cwd) {
  const options = args.at(-1);
  if (typeof options === 'object' && options && !Array.isArray(options)) {
    args = [...args.slice(0, -1), Object.fromEntries(Object.entries(options).map(([key, value]) => [camel(key), value]))];
  }
  if (name === 'times' || name === 'ltimes') {
    const stats = await fs.promises[name === 'times' ? 'stat' : 'lstat'](...args);
    return [stats.atimeMs, stats.mtimeMs];
  }
  if (name === 'realpath_name') return path.basename(await fs.promises.realpath(...args));
  const result = await fs.promises[camel(name)](...args);
  if (name === 'stat' || name === 'lstat') return facts(result);
  if (name === 'mkdtemp') return result.slice(0, -6);
  if (name === 'realpath') return path.relative(cwd, result);
  if (name === 'readdir' && options.with_file_types) return result.map((entry) => [entry.parentPath, entry.name, kindOf(entry)]);
  if (Buffer.isBuffer(result)) return bytes(result);
  return result === undefined ? null : result;
}

async function run(steps) {
  const cwd = fs.realpathSync('.');
  const kept = {};
  const log = [];
  prepare();
  const before = tree();
  for (const [what, ...args] of steps) {
    const [, target, owner, name] = /^(?:(\w)=)?(?:(\w)\.)?(\w+)$/.exec(what);
    try {
      let result;
      if (owner) {
        if (!kept[owner]) throw Object.assign(new Error('no handle'), { code: 'no handle' });
        const method = methods[name] || ((handle, ...rest) => handle[camel(name)](...rest));
        result = await method(kept[owner], ...args);
      } else {
        result = await call(name, args, cwd);
      }
      if (target) kept[target] = result;
      log.push(target ? 'kept' : result === undefined ? null : result);
    } catch (error) {
      log.push({ error: error.code || error.name });
    }
  }
  for (const handle of Object.values(kept)) await handle.close();
  return { log, changes: changes(before, tree()) };
}

(async () => {
  process.umask(0o022);
  const rows = [];
  for (const [name, steps] of Object.entries(cases)) {
    const place = fs.mkdtempSync(path.join(os.tmpdir(), 'fs-table-'));
    process.chdir(place);
    fs.mkdirSync('work');
    process.chdir('work');
    const expect = await run(steps);
    process.chdir('/');
    fs.rmSync(place, { recursive: true });
    rows.push(`${JSON.stringify(name)}: ${JSON.stringify(expect)}`);
  }
  fs.writeFileSync(path.join(__dirname, 'node.json'), `{\n${rows.join(',\n')}\n}\n`);
})();
