"""treadle.zlib beside Node's zlib."""
