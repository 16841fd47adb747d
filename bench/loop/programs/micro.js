// What one operation of Node's event loop costs: the twin of micro.py, figure by figure, with the same output.
//
//   node micro.js FIGURE[,FIGURE...]
//
// Where Node has no such thing, the nearest: setImmediate for call_soon, a promise that process.nextTick resolves for the
// wake-up of a future, an awaited setImmediate for asyncio.sleep(0).
'use strict';

const BATCH_US = 40000;
const REPEATS = 5;
const FIRST_COUNT = 1000;
const FLOOD = 1000;
const PENDING = 100000;
const DELAYS = 1000;

const nothing = () => {};

const chainOf = (again) => (count) => new Promise((resolve) => {
  let left = count;
  const step = () => {
    if (--left) again(step);
    else resolve();
  };
  again(step);
});

const flood = (count) => new Promise((resolve) => {
  let floods = count / FLOOD;
  let left = 0;
  const step = () => {
    if (--left === 0) next();
  };
  const next = () => {
    if (floods-- === 0) return resolve();
    left = FLOOD;
    for (let i = 0; i < FLOOD; i++) setImmediate(step);
  };
  next();
});

const timeouts = async (measure, delayMs) => {
  const pending = Array.from({ length: PENDING }, (_, i) => setTimeout(nothing, delayMs(i)));
  const delays = Array.from({ length: DELAYS }, (_, i) => delayMs(i * 13));
  await measure(async (count) => {
    for (let done = 0; done < count; done += DELAYS) {
      for (const delay of delays) clearTimeout(setTimeout(nothing, delay));
      await new Promise(setImmediate);
    }
  });
  pending.forEach(clearTimeout);
};

const refreshes = async (measure) => {
  const pending = Array.from({ length: PENDING }, () => setTimeout(nothing, 500000));
  await measure(async (count) => {
    for (let done = 0; done < count; done += DELAYS) {
      for (let i = 0; i < DELAYS; i++) pending[i].refresh();
      await new Promise(setImmediate);
    }
  });
  pending.forEach(clearTimeout);
};

const figures = {
  callback: (measure) => measure(flood),
  turn: (measure) => measure(chainOf(setImmediate)),
  next_tick: (measure) => measure(chainOf(process.nextTick)),
  microtask: (measure) => measure(chainOf(queueMicrotask)),
  wake_up: (measure) => measure(async (count) => {
    for (let i = 0; i < count; i++) await new Promise((resolve) => process.nextTick(resolve));
  }),
  sleep0: (measure) => measure(async (count) => {
    for (let i = 0; i < count; i++) await new Promise(setImmediate);
  }),
  set_timeout: (measure) => timeouts(measure, () => 500000),
  set_timeout_spread: (measure) => timeouts(measure, (i) => 100000 + ((i * 7919) % 900000)),
  refresh: refreshes,
  timer_fire: (measure) => measure((count) => new Promise((resolve) => {
    let left = count;
    const step = () => {
      if (--left === 0) resolve();
    };
    for (let i = 0; i < count; i++) setTimeout(step, 1);
  })),
};

const spentUs = async (batch, count) => {
  const begun = process.cpuUsage();
  await batch(count);
  const { user, system } = process.cpuUsage(begun);
  return user + system;
};

const lowestNs = async (figure) => {
  let lowest = 0;
  await figure(async (batch) => {
    let count = FIRST_COUNT;
    let spent;
    while ((spent = await spentUs(batch, count)) < BATCH_US) count *= 2;
    for (let i = 1; i < REPEATS; i++) spent = Math.min(spent, await spentUs(batch, count));
    lowest = spent * 1000 / count;
  });
  return lowest;
};

(async () => {
  for (const figure of process.argv[2].split(',')) {
    console.log(JSON.stringify({ figure, ns: await lowestNs(figures[figure]) }));
  }
})();
