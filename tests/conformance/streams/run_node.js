'use strict';
// Interprets stream programs (adapter.py) in real Node, and prints what happened.
//   node run_node.js PROGRAM.json     one program; its log, a list of lines, as JSON
//   node run_node.js --lines          programs on standard input, one a line; a log for each, likewise
// What a log must not depend on is varied by the environment:
//   JITTER=seed   computing here and there, and async consumers that begin later and take some microtasks more for each chunk
//   HEAVY=1       more of it
//   WARM=1        the program begins in a timer, when a timer of 1 ms is not due at once any more
//   SCALE=n       timers take n times as long
//   SPIN=1        timers of up to 2 ms are due when they are made
//   LATE=ms       computing after the script
const fs = require('fs');
const stream = require('stream');
const { crc32 } = require('zlib');

const LINES_MAX = 500; // of a log; from then on no operation is run
const DEPTH_MAX = 8; // of operations inside operations, as in a 'data' listener that pushes
const SHOWN_MAX = 64; // characters of a chunk; of a longer one length and checksum are shown
const { WARM, HEAVY, SPIN } = process.env;
const scale = +process.env.SCALE || 1;
const jitter = +process.env.JITTER || 0;
let seed = (jitter * 2654435761) >>> 0;
let run; // the one that goes on now

function random() {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 4294967296;
}

function busy(ms) {
  const end = process.hrtime.bigint() + BigInt(Math.round(ms * 1e6));
  while (process.hrtime.bigint() < end);
}

function pause() {
  if (jitter && random() < (HEAVY ? 0.35 : 0.12)) busy(HEAVY ? 0.5 + 2 * random() : 1);
}

const codeOf = (error) => error.code || error.message;
const outcome = (error) => (error ? `ERR ${codeOf(error)}` : 'ok');

function shown(chunk) {
  if (Buffer.isBuffer(chunk)) return 'b' + shown(chunk.toString('latin1'));
  if (typeof chunk === 'string' && chunk.length > SHOWN_MAX) return `#${chunk.length}:${crc32(chunk)}`;
  return JSON.stringify(chunk);
}

function chunkOf(described) {
  if (described === null || typeof described !== 'object') return described;
  if (Object.hasOwn(described, 'hex')) return Buffer.from(described.hex, 'hex');
  if (Object.hasOwn(described, 'fill')) return described.fill.repeat(described.size);
  return described;
}

function via(how, call) {
  pause();
  if (how === undefined || how === 'sync') return void call();
  if (how === 'tick') return void process.nextTick(call);
  if (how === 'micro') return queueMicrotask(call);
  if (how === 'immediate') return void setImmediate(call);
  setTimeout(call, how * scale);
  if (SPIN && how <= 2) busy(how + 1);
}

const classes = {
  readable: stream.Readable,
  writable: stream.Writable,
  transform: stream.Transform,
  passthrough: stream.PassThrough,
  duplex: stream.Duplex,
};

class Maker {
  constructor(interpreter, made) {
    this.interpreter = interpreter;
    this.made = made;
    this.name = made.name;
  }

  get stream() {
    return this.interpreter.streams.get(this.name);
  }

  log(text) {
    this.interpreter.log(`${this.name}.${text}`);
  }

  failure(what) {
    return new Error(`${what}-${this.name}`);
  }

  make() {
    const { made } = this;
    const options = { ...made.opts };
    if (made.src) options.read = this.source(made.src);
    if (made.sink) Object.assign(options, this.sink(made.sink));
    if (made.tf) Object.assign(options, this.transform(made.tf));
    if (made.destroy) options.destroy = this.destroy(made.destroy);
    if (made.construct) options.construct = this.construct(made.construct);
    return new classes[made.kind](options);
  }

  push(chunk) {
    return this.stream.push(chunk);
  }

  source(source) {
    let [given, calls, isOver, isAnnounced] = [0, 0, false, false];
    const finish = () => {
      if (isOver || source.end === 'open') return;
      isOver = true;
      if (source.end === 'error') this.stream.destroy(this.failure('boom'));
      else this.stream.push(null);
    };
    const step = () => {
      if (isOver) return;
      for (const item of source.items.slice(given, given + (source.per || 1))) {
        given++;
        const chunk = chunkOf(item);
        const result = this.push(chunk);
        this.log(`push(${shown(chunk)}) -> ${result}`);
      }
      if (given < source.items.length) return;
      if (source.late && !isAnnounced) isAnnounced = true;
      else finish();
    };
    return (size) => {
      calls++;
      if (source.trace) this.log(`_read(${size})`);
      if (source.throw_at === calls) throw this.failure('throw');
      via(source.via, source.late && given >= source.items.length ? finish : step);
    };
  }

  sink(sink) {
    let calls = 0;
    const take = (callback) => {
      const call = ++calls;
      if (sink.throw_at === call) throw this.failure('throw');
      via(sink.via, () => callback(sink.fail_at === call ? this.failure('boom') : null));
    };
    const hooks = {
      write: (chunk, encoding, callback) => {
        this.log(`_write ${shown(chunk)}`);
        take(callback);
      },
    };
    if (sink.writev) {
      hooks.writev = (chunks, callback) => {
        this.log(`_writev ${chunks.map((one) => shown(one.chunk)).join(' ')}`);
        take(callback);
      };
    }
    if (sink.final) {
      hooks.final = (callback) => {
        this.log('_final');
        if (sink.final.throws) throw this.failure('throwfinal');
        via(sink.final.via, () => callback(sink.final.fail ? this.failure('final') : null));
      };
    }
    return hooks;
  }

  transform(transform) {
    let calls = 0;
    const push = (chunk) => this.log(`push -> ${this.push(chunk)}`);
    const give = (call, chunk, callback) => {
      if (transform.fail_at === call) return callback(this.failure('boom'));
      const isEnd = transform.fn === 'endearly' && call === 2;
      if (isEnd) this.stream.push(null);
      for (let i = { double: 1, triple: 3 }[transform.fn] || 0; i > 0; i--) push(chunk);
      if (isEnd || transform.fn === 'drop' || transform.fn === 'triple') callback();
      else callback(null, chunk);
    };
    const hooks = {
      transform: (chunk, encoding, callback) => {
        const call = ++calls;
        this.log(`_transform ${shown(chunk)}`);
        if (transform.throw_at === call) throw this.failure('throw');
        via(transform.via, () => give(call, chunk, callback));
      },
    };
    if (transform.flush) {
      hooks.flush = (callback) => {
        const { flush } = transform;
        this.log('_flush');
        if (flush.throws) throw this.failure('throwflush');
        via(flush.via, () => {
          if (flush.fail) return callback(this.failure('flush'));
          for (const item of flush.items || []) push(chunkOf(item));
          callback();
        });
      };
    }
    return hooks;
  }

  destroy(how) {
    return (error, callback) => {
      this.log(`_destroy ${outcome(error)}`);
      if (how.throws) throw this.failure('throwdestroy');
      via(how.via, () => callback(how.fail ? this.failure('destroy') : error));
    };
  }

  construct(how) {
    return (callback) => {
      this.log('_construct');
      if (how.throws) throw this.failure('throwconstruct');
      via(how.via, () => callback(how.fail ? this.failure('construct') : null));
    };
  }
}

const readSide = [['len', 'readableLength'], ['flow', 'readableFlowing'], ['ended', 'readableEnded']];
const writeSide = [
  ['wlen', 'writableLength'],
  ['need', 'writableNeedDrain'],
  ['wended', 'writableEnded'],
  ['wfinished', 'writableFinished'],
  ['corked', 'writableCorked'],
];
const both = [['destroyed', 'destroyed'], ['closed', 'closed']];
const readFacts = ['readable', 'readableAborted', 'readableDidRead', 'readableHighWaterMark', 'readableEncoding'];
const writeFacts = ['writable', 'writableAborted', 'writableHighWaterMark'];

class Interpreter {
  constructor(program) {
    this.program = program;
    this.lines = [];
    this.streams = new Map();
    this.kinds = new Map();
    this.listeners = new Map(); // those of `listen`, by stream and event
    this.watches = [];
    this.depth = 0;
  }

  begin() {
    for (const made of this.program.streams) {
      this.kinds.set(made.name, made.kind);
      const one = new Maker(this, made).make();
      one.setMaxListeners(0);
      this.streams.set(made.name, one);
      for (const event of made.listen) this.listen(one, made.name, event, 'on');
    }
    this.run(this.program.script);
  }

  end() {
    for (const name of this.streams.keys()) this.lines.push(`final ${name}: ${this.sample(name)}`);
    return this.lines;
  }

  log(text) {
    if (this.lines.length < LINES_MAX) this.lines.push(text);
  }

  facts(name, ofReading, ofWriting, ofBoth) {
    const kind = this.kinds.get(name);
    return [...(kind === 'writable' ? [] : ofReading), ...(kind === 'readable' ? [] : ofWriting), ...ofBoth];
  }

  sample(name) {
    const one = this.streams.get(name);
    return this.facts(name, readSide, writeSide, both).map(([label, fact]) => `${label}=${one[fact]}`).join(' ');
  }

  listen(one, name, event, how) {
    const listener = (...values) => {
      let said = '';
      if (event === 'error') said = ` ${outcome(values[0])}`;
      else if (event === 'data') said = ` ${shown(values[0])}`;
      else if (event === 'pipe' || event === 'unpipe') {
        said = ` ${[...this.streams].find((entry) => entry[1] === values[0])[0]}`;
      }
      this.log(`${name} ${event}${said}`);
    };
    const key = `${name} ${event}`;
    this.listeners.set(key, [...(this.listeners.get(key) || []), listener]);
    one[how](event, listener);
  }

  run(operations) {
    if (this.depth === DEPTH_MAX) return;
    this.depth++;
    for (const operation of operations) {
      if (this.lines.length >= LINES_MAX) break;
      pause();
      try {
        does[operation.op].call(this, operation, operation.s, this.streams.get(operation.s));
      } catch (error) {
        this.log(`${operation.op} throws ${codeOf(error)}`);
      }
    }
    this.depth--;
  }

  callback(told) {
    return (error) => this.log(`${told} ${outcome(error)}`);
  }

  async iterate(operation, name, one) {
    let taken = 0;
    try {
      for await (const chunk of one) {
        this.log(`${name} iter ${shown(chunk)}`);
        taken++;
        if (operation.break_after === taken) {
          this.log(`${name} iter break`);
          break;
        }
        if (operation.throw_after === taken) throw new Error(`iter-${name}`);
        if (jitter) for (let i = Math.floor(4 * random()); i > 0; i--) await null;
        if (operation.via !== undefined) await new Promise((resolve) => via(operation.via, resolve));
      }
      this.log(`${name} iter done`);
    } catch (error) {
      this.log(`${name} iter ${outcome(error)}`);
    }
  }
}

const does = {
  log(operation) {
    this.log(operation.m);
  },
  sample(operation, name) {
    this.log(`${name}: ${this.sample(name)}`);
  },
  facts(operation, name, one) {
    const valueOf = (fact) => (fact in one ? one[fact] : Reflect.get(stream.Writable.prototype, fact, one)); // not all are Duplex's
    const facts = this.facts(name, readFacts, writeFacts, []).map((fact) => `${valueOf(fact)}`);
    this.log(`${name}: ${facts.join(' ')} ${outcome(one.errored)}`);
  },
  after(operation) {
    via(operation.via, () => this.run(operation.do));
  },
  listen(operation, name, one) {
    this.listen(one, name, operation.ev, operation.how || 'on');
  },
  off(operation, name, one) {
    const listener = (this.listeners.get(`${name} ${operation.ev}`) || []).pop();
    if (listener) one.off(operation.ev, listener);
  },
  on(operation, name, one) {
    let calls = 0;
    one.on(operation.ev, () => {
      calls++;
      if (operation.nth === undefined || operation.nth === calls) this.run(operation.do);
    });
  },
  push(operation, name, one) {
    const chunk = chunkOf(operation.chunk);
    this.log(`${name}.push(${shown(chunk)}) -> ${one.push(chunk)}`);
  },
  unshift(operation, name, one) {
    const chunk = chunkOf(operation.chunk);
    one.unshift(chunk);
    this.log(`${name}.unshift(${shown(chunk)})`);
  },
  read(operation, name, one) {
    const size = operation.n === undefined ? [] : [operation.n];
    for (;;) {
      const chunk = one.read(...size);
      this.log(`${name}.read(${size}) -> ${shown(chunk)}`);
      if (chunk === null || !operation.all || this.lines.length >= LINES_MAX) return;
    }
  },
  pause(operation, name, one) {
    one.pause();
    this.log(`${name}.pause()`);
  },
  resume(operation, name, one) {
    one.resume();
    this.log(`${name}.resume()`);
  },
  is_paused(operation, name, one) {
    this.log(`${name}.is_paused -> ${one.isPaused()}`);
  },
  set_encoding(operation, name, one) {
    one.setEncoding(operation.enc);
  },
  pipe(operation, name, one) {
    one.pipe(this.streams.get(operation.to), { end: !operation.noend });
    this.log(`${name}.pipe(${operation.to})`);
  },
  unpipe(operation, name, one) {
    one.unpipe(...(operation.to ? [this.streams.get(operation.to)] : []));
    this.log(`${name}.unpipe()`);
  },
  write(operation, name, one) {
    const chunk = chunkOf(operation.chunk);
    const callback = operation.cb ? this.callback(`${name}.write-cb ${shown(chunk)}`) : undefined;
    this.log(`${name}.write(${shown(chunk)}) -> ${one.write(chunk, callback)}`);
  },
  feed(operation, name, one) {
    const items = operation.items.map(chunkOf);
    const goOn = () => {
      while (items.length) {
        const chunk = items.shift();
        const isBelow = one.write(chunk);
        this.log(`${name}.write(${shown(chunk)}) -> ${isBelow}`);
        if (!isBelow && items.length) return void one.once('drain', goOn);
      }
      if (!operation.end) return;
      one.end();
      this.log(`${name}.end()`);
    };
    goOn();
  },
  end(operation, name, one) {
    const chunk = operation.chunk === undefined ? null : chunkOf(operation.chunk);
    one.end(chunk, null, operation.cb ? this.callback(`${name}.end-cb`) : undefined);
    this.log(`${name}.end()`);
  },
  cork(operation, name, one) {
    one.cork();
  },
  uncork(operation, name, one) {
    one.uncork();
  },
  destroy(operation, name, one) {
    one.destroy(operation.err ? new Error(operation.err) : undefined);
    this.log(`${name}.destroy()`);
  },
  pipeline(operation) {
    const stages = operation.stages.map((stage) => this.streams.get(stage));
    stream.pipeline(...stages, this.callback('pipeline'));
  },
  finished(operation, name, one) {
    this.watches.push(stream.finished(one, operation.opts || {}, this.callback(`finished(${name})`)));
  },
  forget() {
    this.watches.pop()?.();
  },
  iterate(operation, name, one) {
    if (isServing || (jitter && random() < 0.6)) queueMicrotask(() => this.iterate(operation, name, one));
    else this.iterate(operation, name, one);
  },
};

// A log is complete when nothing is left to do: then the next line is read, which holds up everything as nothing waits.

const isServing = process.argv[2] === '--lines';
const clock = isServing && process.env.LD_PRELOAD ? 0x7fff0000 : null; // see tests/model/driver/frozen_clock.c
let unread = '';

function nextLine() {
  const room = Buffer.alloc(1 << 16);
  while (!unread.includes('\n')) {
    const count = fs.readSync(0, room);
    if (count === 0) return null;
    unread += room.toString('utf8', 0, count); // programs are ASCII
  }
  const end = unread.indexOf('\n');
  const line = unread.slice(0, end);
  unread = unread.slice(end + 1);
  return line;
}

function serve() {
  if (run) fs.writeSync(1, JSON.stringify(run.end()) + '\n');
  const line = nextLine();
  if (line === null) return;
  run = new Interpreter(JSON.parse(line));
  if (clock !== null) fs.ftruncateSync(clock, 0);
  setTimeout(() => setImmediate(() => run.begin()), 15); // of a later turn, when Node is warm
}

process.on('uncaughtException', (error) => run.log(`uncaught ${codeOf(error)}`));
process.on('unhandledRejection', (error) => run.log(`unhandled ${codeOf(error)}`));
if (isServing) {
  process.on('beforeExit', serve);
} else {
  process.on('exit', () => fs.writeSync(1, JSON.stringify(run.end())));
  run = new Interpreter(JSON.parse(fs.readFileSync(process.argv[2], 'utf8')));
  if (WARM) setTimeout(() => run.begin(), 15);
  else run.begin();
  if (process.env.LATE) busy(+process.env.LATE);
}
