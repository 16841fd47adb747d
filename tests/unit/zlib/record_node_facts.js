// Records what Node's zlib does with some 120 inputs, options and orders of calls, as node_facts.json: `node record_node_facts.js` with the
// version named there. Each fact carries its input as bytes; test_node_facts.py hands the same to treadle, and compares.
'use strict';
const fs = require('fs');
const path = require('path');
const zlib = require('zlib');

const TEXT = 'the quick brown fox jumps over the lazy dog, '.repeat(40);
const ABC = zlib.gzipSync('abc'), DEF = zlib.gzipSync('def'), DEFLATED = zlib.deflateSync('abc'), RAW = zlib.deflateRawSync('abc');
const BROTLI = zlib.brotliCompressSync('abc'), ZSTD = zlib.zstdCompressSync('abc');
const GZIPPED = zlib.gzipSync(TEXT), WORDS = Buffer.from('the quick brown fox jumps over the lazy dog');
const NONE = Buffer.alloc(0), ZEROS = Buffer.alloc(10), GARBAGE = Buffer.from('certainly nothing that was ever compressed');
const all = (...parts) => Buffer.concat(parts);
const half = (data) => data.subarray(0, data.length >> 1);
const but = (data, at, value) => { const copy = Buffer.from(data); copy[at < 0 ? copy.length + at : at] ^= value; return copy; };
const { Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_PARTIAL_FLUSH, Z_FINISH, BROTLI_OPERATION_FLUSH, ZSTD_e_flush } = zlib.constants;

// name: [function, input, options]
const whole = {
  gzip_text: ['gzip', TEXT], deflate_text: ['deflate', TEXT], deflate_raw_text: ['deflateRaw', TEXT],
  brotli_text: ['brotliCompress', TEXT], zstd_text: ['zstdCompress', TEXT],
  gunzip: ['gunzip', ABC], inflate: ['inflate', DEFLATED], inflate_raw: ['inflateRaw', RAW], unzip_of_gzip: ['unzip', ABC],
  unzip_of_deflate: ['unzip', DEFLATED], brotli_decompress: ['brotliDecompress', BROTLI], zstd_decompress: ['zstdDecompress', ZSTD],

  gzip_nothing: ['gzip', NONE], deflate_raw_nothing: ['deflateRaw', NONE], gunzip_nothing: ['gunzip', NONE], inflate_nothing: ['inflate', NONE],
  inflate_raw_nothing: ['inflateRaw', NONE], unzip_nothing: ['unzip', NONE], brotli_decompress_nothing: ['brotliDecompress', NONE],
  zstd_decompress_nothing: ['zstdDecompress', NONE],

  gunzip_half: ['gunzip', half(GZIPPED)], gunzip_header: ['gunzip', GZIPPED.subarray(0, 5)], gunzip_without_check: ['gunzip', GZIPPED.subarray(0, -8)],
  gunzip_without_last: ['gunzip', GZIPPED.subarray(0, -1)], inflate_half: ['inflate', half(zlib.deflateSync(TEXT))],
  inflate_raw_half: ['inflateRaw', half(zlib.deflateRawSync(TEXT))], unzip_half: ['unzip', half(GZIPPED)], unzip_first_byte: ['unzip', ABC.subarray(0, 1)],
  brotli_half: ['brotliDecompress', half(zlib.brotliCompressSync(TEXT))], zstd_half: ['zstdDecompress', half(zlib.zstdCompressSync(TEXT))],
  gunzip_half_let_pass: ['gunzip', half(GZIPPED), { finishFlush: Z_SYNC_FLUSH }],
  inflate_half_let_pass: ['inflate', half(zlib.deflateSync(TEXT)), { finishFlush: Z_SYNC_FLUSH }],
  brotli_half_let_pass: ['brotliDecompress', half(zlib.brotliCompressSync(TEXT)), { finishFlush: BROTLI_OPERATION_FLUSH }],

  gunzip_garbage: ['gunzip', GARBAGE], inflate_garbage: ['inflate', GARBAGE], inflate_raw_garbage: ['inflateRaw', Buffer.alloc(20, 0xff)],
  unzip_garbage: ['unzip', GARBAGE], brotli_garbage: ['brotliDecompress', Buffer.alloc(20, 0xff)], zstd_garbage: ['zstdDecompress', GARBAGE],
  gunzip_of_deflate: ['gunzip', DEFLATED], inflate_of_gzip: ['inflate', ABC], gunzip_wrong_method: ['gunzip', but(ABC, 2, 1)],
  gunzip_wrong_check: ['gunzip', but(ABC, -8, 1)], gunzip_wrong_length: ['gunzip', but(ABC, -4, 1)], inflate_wrong_check: ['inflate', but(DEFLATED, -1, 1)],
  gunzip_wrong_body: ['gunzip', but(GZIPPED, 40, 255)], unzip_of_almost_gzip: ['unzip', Buffer.from([0x1f, 0, 1, 2, 3, 4])],
  inflate_small_window: ['inflate', zlib.deflateSync(TEXT), { windowBits: 9 }],

  two_members: ['gunzip', all(ABC, DEF)], two_members_unzipped: ['unzip', all(ABC, DEF)], members_and_zeros: ['gunzip', all(ABC, DEF, ZEROS)],
  zeros_between_members: ['gunzip', all(ABC, ZEROS, DEF)], member_and_garbage: ['gunzip', all(ABC, GARBAGE)],
  member_and_a_byte: ['gunzip', all(ABC, Buffer.from('x'))], member_and_magic: ['gunzip', all(ABC, Buffer.from([0x1f, 0x8b, 0xff, 0xff]))],
  member_and_half_a_member: ['gunzip', all(ABC, half(DEF))], member_and_first_byte: ['gunzip', all(ABC, DEF.subarray(0, 1))],
  empty_members: ['gunzip', all(zlib.gzipSync(''), ABC, zlib.gzipSync(''))], deflated_twice: ['inflate', all(DEFLATED, DEFLATED)],
  deflated_and_garbage: ['inflate', all(DEFLATED, GARBAGE)], raw_and_garbage: ['inflateRaw', all(RAW, GARBAGE)],
  brotli_and_garbage: ['brotliDecompress', all(BROTLI, GARBAGE)], zstd_frames: ['zstdDecompress', all(ZSTD, ZSTD)],
  zstd_and_garbage: ['zstdDecompress', all(ZSTD, GARBAGE)],

  length_allowed: ['gunzip', GZIPPED, { maxOutputLength: TEXT.length }], length_exceeded: ['gunzip', GZIPPED, { maxOutputLength: TEXT.length - 1 }],
  compressed_length_exceeded: ['gzip', TEXT, { maxOutputLength: 10 }], brotli_length_exceeded: ['brotliDecompress', BROTLI, { maxOutputLength: 2 }],
  zstd_length_exceeded: ['zstdDecompress', ZSTD, { maxOutputLength: 2 }],

  dictionary: ['inflate', zlib.deflateSync(TEXT, { dictionary: WORDS }), { dictionary: WORDS }],
  dictionary_missing: ['inflate', zlib.deflateSync(TEXT, { dictionary: WORDS })],
  dictionary_wrong: ['inflate', zlib.deflateSync(TEXT, { dictionary: WORDS }), { dictionary: Buffer.from('other words') }],
  dictionary_raw: ['inflateRaw', zlib.deflateRawSync(TEXT, { dictionary: WORDS }), { dictionary: WORDS }],
  dictionary_raw_missing: ['inflateRaw', zlib.deflateRawSync(TEXT, { dictionary: WORDS })],
  dictionary_unneeded: ['inflate', DEFLATED, { dictionary: WORDS }],
};

// name: [class, options]; made, and no more
const made = {
  level_too_high: ['Gzip', { level: 10 }], level_too_low: ['Gzip', { level: -2 }], level_no_number: ['Gzip', { level: 'best' }], level_default: ['Gzip', { level: -1 }],
  window_too_small: ['Gzip', { windowBits: 7 }], window_too_large: ['Gzip', { windowBits: 16 }], window_zero: ['Deflate', { windowBits: 0 }],
  window_zero_inflate: ['Inflate', { windowBits: 0 }], window_8: ['Deflate', { windowBits: 8 }], mem_level_too_low: ['Gzip', { memLevel: 0 }],
  mem_level_too_high: ['Gzip', { memLevel: 10 }], strategy_unknown: ['Gzip', { strategy: 5 }], flush_unknown: ['Gzip', { flush: 9 }],
  finish_flush_unknown: ['Gunzip', { finishFlush: -1 }], chunk_too_small: ['Gzip', { chunkSize: 63 }], limit_zero: ['Gunzip', { maxOutputLength: 0 }],
  dictionary_no_bytes: ['Inflate', { dictionary: 7 }], brotli_parameter_unknown: ['BrotliCompress', { params: { 99: 1 } }],
  zstd_parameter_unknown: ['ZstdCompress', { params: { 9999: 1 } }], gzip_dictionary: ['Gzip', { dictionary: WORDS }],
};

// name: [class, options, steps]; write and flush wait until they are called back, end until 'close'
const streams = {
  ended_at_once: ['Gzip', {}, [['end']]], gunzip_ended_at_once: ['Gunzip', {}, [['end']]], brotli_ended_at_once: ['BrotliDecompress', {}, [['end']]],
  written_and_ended: ['Gzip', {}, [['write', TEXT], ['end', 'abc']]], read_and_ended: ['Gunzip', {}, [['write', GZIPPED], ['end']]],
  flushed: ['Gzip', {}, [['write', 'abc'], ['flush'], ['write', 'def'], ['flush', Z_SYNC_FLUSH], ['write', 'ghi'], ['end']]],
  flushed_partly: ['Deflate', {}, [['write', 'abc'], ['flush', Z_PARTIAL_FLUSH], ['end']]],
  flushed_each_time: ['Deflate', { flush: Z_SYNC_FLUSH }, [['write', 'abc'], ['write', 'def'], ['end']]],
  flushed_before_written: ['DeflateRaw', {}, [['flush', Z_FULL_FLUSH], ['write', 'abc'], ['end']]],
  flushed_when_finished: ['Deflate', {}, [['end', 'abc'], ['flush']]], flushed_when_destroyed: ['Deflate', {}, [['destroy'], ['flush']]],
  brotli_flushed: ['BrotliCompress', {}, [['write', 'abc'], ['flush'], ['write', 'def'], ['end']]],
  zstd_flushed: ['ZstdCompress', {}, [['write', 'abc'], ['flush'], ['write', 'def'], ['end']]],
  flushed_with_finish: ['Deflate', {}, [['write', 'abc'], ['flush', Z_FINISH], ['end']]],
  written_behind_finish: ['Deflate', {}, [['write', 'abc'], ['flush', Z_FINISH], ['write', 'def'], ['end']]],
  gzip_dictionary_written: ['Gzip', { dictionary: WORDS }, [['write', 'abc'], ['end']]],
  gunzip_flushed: ['Gunzip', {}, [['write', half(GZIPPED)], ['flush'], ['end', GZIPPED.subarray(GZIPPED.length >> 1)]]],
  stream_length_exceeded: ['Gunzip', { maxOutputLength: 100 }, [['write', GZIPPED], ['end']]],
  truncated: ['Gunzip', {}, [['write', half(GZIPPED)], ['end']]], corrupt: ['Gunzip', {}, [['write', GARBAGE], ['write', 'more']]],
  members_apart: ['Gunzip', {}, [['write', ABC], ['write', DEF], ['end']]], split_header: ['Gunzip', {}, [['write', all(ABC, DEF.subarray(0, 3))], ['write', DEF.subarray(3)], ['end']]],
  zeros_apart: ['Gunzip', {}, [['write', ABC], ['write', ZEROS], ['write', DEF], ['end']]], garbage_apart: ['Gunzip', {}, [['write', ABC], ['write', GARBAGE], ['end']]],
  inflate_garbage_apart: ['Inflate', {}, [['write', DEFLATED], ['write', GARBAGE], ['end']]],
  inflate_garbage_behind: ['Inflate', {}, [['write', all(DEFLATED, GARBAGE)], ['write', GARBAGE], ['end']]],
  brotli_garbage_apart: ['BrotliDecompress', {}, [['write', BROTLI], ['write', GARBAGE], ['end']]],
  zstd_frames_apart: ['ZstdDecompress', {}, [['write', ZSTD], ['write', ZSTD], ['end']]],
  unzip_byte_by_byte: ['Unzip', {}, [...ABC].map((byte) => ['write', Buffer.from([byte])]).concat([['end']])],
  destroyed: ['Gzip', {}, [['write', TEXT], ['destroy']]], closed: ['Gunzip', {}, [['write', half(GZIPPED)], ['close']]],
  written_after_end: ['Gzip', {}, [['end', 'abc'], ['write', 'def']]],
  reset: ['Gunzip', {}, [['write', half(GZIPPED)], ['reset'], ['write', ABC], ['end']]],
};

const show = (error) => error && [error.code, error.message];
const pass = async (turns) => { for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate); };
const PLAIN = { Gzip: 'gunzip', Deflate: 'inflate', DeflateRaw: 'inflateRaw', BrotliCompress: 'brotliDecompress', ZstdCompress: 'zstdDecompress' };
const PART = { Gzip: Z_SYNC_FLUSH, Deflate: Z_SYNC_FLUSH, DeflateRaw: Z_SYNC_FLUSH, BrotliCompress: BROTLI_OPERATION_FLUSH, ZstdCompress: ZSTD_e_flush };

function plain(name, data) {      // what can be read of what a stream has put out
  return (name in PLAIN ? zlib[PLAIN[name] + 'Sync'](data, { finishFlush: PART[name] }) : data).toString('latin1');
}

function recordWhole([name, input, options = {}]) {
  return new Promise((done) => zlib[name](input, options, (error, data) => {
    const compresses = /^(gzip|deflate|.*Compress)/.test(name);
    done({ error: show(error), text: error ? null : (compresses ? zlib[name.replace(/^gzip/, 'gunzip').replace(/^deflate/, 'inflate').replace('Compress', 'Decompress') + 'Sync'](data) : data).toString('latin1') });
  }));
}

function recordMade([name, options]) {
  try { new zlib[name](options); return { error: null }; } catch (error) { return { error: [error.code] }; }
}

async function recordStream([name, options, steps]) {
  const stream = new zlib[name](options), events = [], parts = [], seen = [];
  for (const event of ['finish', 'end', 'close']) stream.on(event, () => events.push(event));
  stream.on('error', (error) => events.push(`error ${error.code}`));
  stream.on('data', (data) => parts.push(data));
  for (const [step, argument] of steps) {
    const told = new Promise((done) => {
      const tell = (error) => { events.push(error ? `${step} ${error.code}` : step); done(); };
      if (step === 'write') stream.write(argument, tell);
      else if (step === 'flush') { if (argument === undefined) stream.flush(tell); else stream.flush(argument, tell); }
      else if (step === 'end') { stream.once('close', done); stream.end(argument); }
      else if (step === 'close') stream.close(tell);
      else { stream[step](); done(); }
    });
    await Promise.race([told, new Promise((done) => setTimeout(done, 300))]);
    await pass(5);
    seen.push(plain(name, Buffer.concat(parts)));
  }
  return { events, seen, bytesWritten: stream.bytesWritten };
}

const bytes = (value) => (value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value);
const shown = (options) => Object.fromEntries(Object.entries(options).map(([name, value]) => [name, bytes(value)]));

(async () => {
  const facts = [];
  for (const [name, [call, input, options = {}]] of Object.entries(whole)) facts.push({ name, whole: call, input: bytes(input), options: shown(options), ...await recordWhole([call, input, options]) });
  for (const [name, [call, options]] of Object.entries(made)) facts.push({ name, made: call, options: shown(options), ...recordMade([call, options]) });
  for (const [name, [call, options, steps]] of Object.entries(streams)) facts.push({ name, stream: call, options: shown(options), steps: steps.map((step) => step.map(bytes)), ...await recordStream([call, options, steps]) });
  const rows = facts.map((fact) => '  ' + JSON.stringify(fact));
  fs.writeFileSync(path.join(__dirname, 'node_facts.json'), `{"node": "${process.version}", "facts": [\n${rows.join(',\n')}\n]}\n`);
  console.log(`${facts.length} facts`);
})();
