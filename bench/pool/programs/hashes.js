// Eight keys made of a password at once, and whether the loop goes on meanwhile. The twin of hashes.py.
'use strict';
const crypto = require('crypto');
const { promisify } = require('util');

const pbkdf2 = promisify(crypto.pbkdf2);
const [keys, iterations, passes] = process.argv.slice(3).map(Number);

(async () => {
  for (let i = 0; i < passes; i++) {
    let latest = 0n, isOver = false;
    const look = () => {
      const due = process.hrtime.bigint() + 1_000_000n;
      setTimeout(() => {
        const late = process.hrtime.bigint() - due;
        if (late > latest) latest = late;
        if (!isOver) look();
      }, 1);
    };
    look();
    const begun = process.hrtime.bigint();
    const made = await Promise.all(Array.from({ length: keys }, (_, n) => pbkdf2('password', `salt ${n}`, iterations, 32, 'sha256')));
    const wall_ns = Number(process.hrtime.bigint() - begun);
    isOver = true;
    console.log(JSON.stringify({ wall_ns, lag_ns: Number(latest), passed: made.reduce((sum, key) => sum + key[31], 0) }));
  }
})();
