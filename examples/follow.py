"""What is added to a log, as `tail -F` shows it: also to the one that takes its place when it is rotated.

Run it: treadle run examples/follow.py some.log
"""

import sys
from os.path import basename, dirname

import treadle
from treadle import fs


async def main() -> None:
    path = sys.argv[1]
    position, ino = 0, 0

    async def show() -> None:
        nonlocal position, ino
        try:
            status = await fs.stat(path)
        except FileNotFoundError:
            return  # it is between two names
        if status.ino != ino or status.size < position:
            position, ino = 0, status.ino
        if status.size > position:
            stream = fs.create_read_stream(path, start=position, end=status.size - 1)
            async for chunk in stream:
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
            position += stream.bytes_read

    async with fs.watch(dirname(path) or ".") as changes:
        iteration = aiter(changes)  # from now on nothing is missed
        await show()
        async for change in iteration:
            if change.filename == basename(path):
                await show()


if __name__ == "__main__":
    treadle.run(main)
