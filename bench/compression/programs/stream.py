"""A file in memory through a Transform, chunk by chunk, to a Writable that counts. The twin of stream.js.

    stream.py PEER FIGURE FILE LEVEL PASSES     one JSON line a pass: {"cpu_ns", "wall_ns", "passed"}

FIGURE is gzip or gunzip (then FILE is a gzip file). PEER bare: the library that treadle takes, called by a loop, below no stream.
cpu_ns and wall_ns are of each KiB of what is not compressed; passed is the length of what came out.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

CHUNK_BYTES = 64 * 1024


def chunks_of(data: bytes) -> list[bytes]:
    """The file, cut beforehand: cutting is not measured."""
    return [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]


async def by_streams(figure: str, chunks: list[bytes], level: int) -> int:
    """The pipeline."""
    from treadle import zlib
    from treadle.streams import Readable, Writable, pipeline

    left = iter(chunks)
    passed = 0

    def read(_: int) -> None:
        source.push(next(left, None))

    def write(chunk: bytes, encoding: str, callback: Any) -> None:
        nonlocal passed
        passed += len(chunk)
        callback()

    source = Readable(read=read)
    stage = zlib.create_gzip(level=level) if figure == "gzip" else zlib.create_gunzip()
    await pipeline(source, stage, Writable(write=write))
    return passed


async def by_a_loop(figure: str, chunks: list[bytes], level: int) -> int:
    """The library alone."""
    from treadle.zlib import _engines

    gzip_bits = 31
    if figure == "gunzip":
        reader = _engines.decompressing().decompressobj(gzip_bits)
        return sum(len(reader.decompress(chunk)) for chunk in chunks)
    library, own_level = _engines.compressing(level, is_plain=True)
    writer = library.compressobj(own_level, 8, gzip_bits, _engines.ISAL_MEM_LEVEL_MAX)
    return sum(len(writer.compress(chunk)) for chunk in chunks) + len(writer.flush())


def main() -> None:
    """Measure."""
    import treadle

    peer, figure, file, level, passes = sys.argv[1:]
    data = Path(file).read_bytes()
    chunks = chunks_of(data)

    async def all_passes() -> None:
        for _ in range(int(passes)):
            cpu_ns, wall_ns = time.process_time_ns(), time.monotonic_ns()
            passed = await (by_a_loop if peer == "bare" else by_streams)(figure, chunks, int(level))
            cpu_ns, wall_ns = time.process_time_ns() - cpu_ns, time.monotonic_ns() - wall_ns
            kib = (passed if figure == "gunzip" else len(data)) / 1024
            print(json.dumps({"cpu_ns": cpu_ns / kib, "wall_ns": wall_ns / kib, "passed": passed}), flush=True)

    treadle.run(all_passes)


if __name__ == "__main__":
    main()
