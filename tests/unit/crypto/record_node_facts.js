// Runs the calls of calls.json in Node and records what they give, as node_facts.json: `node record_node_facts.js` with the version
// named there. test_node_facts.py runs the same calls. A call is a list of steps: the first makes an object or a result, the others call
// its methods: ["keep", method, ...] goes on with the object, ["both", ...] is update() and final(), ["is"] is true.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const TAKES_CALLBACK = new Set(['pbkdf2', 'scrypt', 'hkdf', 'argon2']);

const here = (name) => path.join(__dirname, name);
const argument = (value) => (value && typeof value === 'object' && typeof value.bytes === 'string' ? Buffer.from(value.bytes, 'hex') : value);

function result(value) {
  if (value instanceof ArrayBuffer) value = Buffer.from(value);
  if (Buffer.isBuffer(value)) return { bytes: value.toString('hex') };
  return value !== null && typeof value === 'object' ? 'object' : value;
}

function failure(error) {
  return { error: error.code || error.message };
}

function step(thing, [method, ...given]) {
  const values = given.map(argument).map((value) => (value === null ? undefined : value));
  if (method === 'keep') {
    step(thing, given);
    return thing;
  }
  if (method === 'is') return true;
  if (method === 'both') return thing.update(...values) + thing.final(values[2]);
  return thing[method](...values);
}

function run([[first, ...given], ...steps]) {
  const values = given.map((value) => (value && value.message !== undefined ? value : argument(value)));
  return new Promise((resolve) => {
    try {
      if (TAKES_CALLBACK.has(first)) {
        crypto[first](...values, (error, value) => resolve(error ? failure(error) : result(value)));
      } else {
        resolve(result(steps.reduce(step, crypto[first](...values))));
      }
    } catch (error) {
      resolve(failure(error));
    }
  });
}

async function main() {
  process.removeAllListeners('warning');
  const calls = JSON.parse(fs.readFileSync(here('calls.json'), 'utf8'));
  const facts = {};
  for (const [name, call] of Object.entries(calls)) facts[name] = await run(call);
  const lines = Object.entries(facts).map(([name, fact]) => `    ${JSON.stringify(name)}: ${JSON.stringify(fact)}`);
  const text = `{\n  "node": "${process.version}",\n  "openssl": "${process.versions.openssl}",\n  "facts": {\n${lines.join(',\n')}\n  }\n}\n`;
  fs.writeFileSync(here('node_facts.json'), text);
}

main();
