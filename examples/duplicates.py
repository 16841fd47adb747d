"""Files with the same content, below a directory: read only where another has the same size, 32 at a time.

Run it: treadle run examples/duplicates.py some/directory
"""

import asyncio
import hashlib
import sys
from collections import defaultdict

import treadle
from treadle import fs

AT_ONCE = asyncio.Semaphore(32)  # more would wait in the pool's queue with their memory


async def size_of(path: str) -> int:
    async with AT_ONCE:
        return (await fs.lstat(path)).size


async def digest_of(path: str) -> bytes:
    async with AT_ONCE, await fs.open(path) as file:
        digest, buffer = hashlib.sha256(), bytearray(256 * 1024)
        while count := await file.read(buffer):
            digest.update(memoryview(buffer)[:count])
        return digest.digest()


async def main() -> None:
    entries = await fs.readdir(sys.argv[1] if len(sys.argv) > 1 else ".", recursive=True, with_file_types=True)
    paths = [f"{entry.parent_path}/{entry.name}" for entry in entries if entry.is_file()]
    of_size: defaultdict[int, list[str]] = defaultdict(list)
    for path, size in zip(paths, await asyncio.gather(*map(size_of, paths)), strict=True):
        of_size[size].append(path)
    alike = [path for group in of_size.values() if len(group) > 1 for path in group]
    same: defaultdict[bytes, list[str]] = defaultdict(list)
    for path, digest in zip(alike, await asyncio.gather(*map(digest_of, alike)), strict=True):
        same[digest].append(path)
    for group in same.values():
        if len(group) > 1:
            print(*sorted(group), sep="\n", end="\n\n")


if __name__ == "__main__":
    treadle.run(main)
