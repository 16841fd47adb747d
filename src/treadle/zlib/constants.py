"""The numbers of the formats, under Node's names. Source: https://nodejs.org/api/zlib.html#constants; zlib.h, brotli, zstd.

Not here: which of them an installed library takes (_deflate.py, _brotli.py, _zstd.py).
"""

from typing import Final

# How much of what was written a flush gets out, of gzip and deflate.
Z_NO_FLUSH: Final = 0
Z_PARTIAL_FLUSH: Final = 1
Z_SYNC_FLUSH: Final = 2
Z_FULL_FLUSH: Final = 3
Z_FINISH: Final = 4
Z_BLOCK: Final = 5

Z_NO_COMPRESSION: Final = 0
Z_BEST_SPEED: Final = 1
Z_BEST_COMPRESSION: Final = 9
Z_DEFAULT_COMPRESSION: Final = -1  # 6
Z_MIN_LEVEL: Final = -1
Z_MAX_LEVEL: Final = 9
Z_DEFAULT_LEVEL: Final = -1

Z_DEFAULT_STRATEGY: Final = 0
Z_FILTERED: Final = 1
Z_HUFFMAN_ONLY: Final = 2
Z_RLE: Final = 3
Z_FIXED: Final = 4

Z_MIN_WINDOWBITS: Final = 8
Z_MAX_WINDOWBITS: Final = 15
Z_DEFAULT_WINDOWBITS: Final = 15
Z_MIN_MEMLEVEL: Final = 1
Z_MAX_MEMLEVEL: Final = 9
Z_DEFAULT_MEMLEVEL: Final = 8
Z_MIN_CHUNK: Final = 64  # bytes
Z_DEFAULT_CHUNK: Final = 64 * 1024  # bytes; Node's is 16 KiB: a job is worth 64

# Likewise of brotli.
BROTLI_OPERATION_PROCESS: Final = 0
BROTLI_OPERATION_FLUSH: Final = 1
BROTLI_OPERATION_FINISH: Final = 2

BROTLI_PARAM_MODE: Final = 0
BROTLI_PARAM_QUALITY: Final = 1
BROTLI_PARAM_LGWIN: Final = 2
BROTLI_PARAM_LGBLOCK: Final = 3
BROTLI_PARAM_SIZE_HINT: Final = 5

BROTLI_MODE_GENERIC: Final = 0
BROTLI_MODE_TEXT: Final = 1
BROTLI_MODE_FONT: Final = 2
BROTLI_MIN_QUALITY: Final = 0
BROTLI_MAX_QUALITY: Final = 11
BROTLI_DEFAULT_QUALITY: Final = 11
BROTLI_MIN_WINDOW_BITS: Final = 10
BROTLI_MAX_WINDOW_BITS: Final = 24
BROTLI_DEFAULT_WINDOW: Final = 22
BROTLI_MIN_INPUT_BLOCK_BITS: Final = 16
BROTLI_MAX_INPUT_BLOCK_BITS: Final = 24

# Likewise of zstd.
ZSTD_e_continue: Final = 0
ZSTD_e_flush: Final = 1
ZSTD_e_end: Final = 2

ZSTD_CLEVEL_DEFAULT: Final = 3
ZSTD_c_compressionLevel: Final = 100
ZSTD_c_windowLog: Final = 101
ZSTD_c_hashLog: Final = 102
ZSTD_c_chainLog: Final = 103
ZSTD_c_searchLog: Final = 104
ZSTD_c_minMatch: Final = 105
ZSTD_c_targetLength: Final = 106
ZSTD_c_strategy: Final = 107
ZSTD_c_enableLongDistanceMatching: Final = 160
ZSTD_c_ldmHashLog: Final = 161
ZSTD_c_ldmMinMatch: Final = 162
ZSTD_c_ldmBucketSizeLog: Final = 163
ZSTD_c_ldmHashRateLog: Final = 164
ZSTD_c_contentSizeFlag: Final = 200
ZSTD_c_checksumFlag: Final = 201
ZSTD_c_dictIDFlag: Final = 202
ZSTD_c_nbWorkers: Final = 400
ZSTD_c_jobSize: Final = 401
ZSTD_c_overlapLog: Final = 402
ZSTD_d_windowLogMax: Final = 100
