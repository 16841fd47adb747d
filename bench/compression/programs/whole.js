// A file in one call, at a level. The twin of whole.py.
'use strict';
const fs = require('fs');
const zlib = require('zlib');

const data = fs.readFileSync(process.argv[2]), level = +process.argv[3], passes = +process.argv[4];
const gzip = require('util').promisify(zlib.gzip);

(async () => {
  const times = [];
  let passed = 0;
  for (let i = 0; i < passes; i++) {
    const begun = process.cpuUsage();
    passed = (await gzip(data, { level })).length;
    const used = process.cpuUsage(begun);
    times.push((used.user + used.system) * 1000);
  }
  console.log(JSON.stringify({ cpu_ns: Math.min(...times) / (data.length / 1024), passed }));
})();
