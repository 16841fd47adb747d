"""kill -9 amid write_file_atomic, 200 times: old content or new content, never a mixture, and one temporary file a kill at most.

A process that has imported everything forks a writer for each kill, so that 200 of them take seconds. Not here: a loss of power,
which no test without a machine to switch off can show.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 200
DEADLINE_S = 240
DELAY_S_MAX = 0.004  # from the first write of a writer to its end: some writes of each

RUN = "run the writers"


@pytest.mark.slow
def test_killed_amid_writes(tmp_path: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, __file__, RUN, str(tmp_path)], timeout=DEADLINE_S, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr[-2000:]
    kills, replaced, left = map(int, outcome.stdout.split())
    assert kills == KILLS
    assert replaced > KILLS // 2  # else it was killed before anything was written
    assert left == len(list(tmp_path.iterdir())) - 1


def content_of(version: int) -> bytes:
    # Of its own size, some in one system call and some in three.
    return version.to_bytes(8, "big") * (20_000 + version % 3 * 70_000)


def write_for_ever(path: str, version: int, told: int) -> None:
    import treadle
    from treadle import fs

    async def main() -> None:
        number = version
        while True:
            number += 1
            await fs.write_file_atomic(path, content_of(number))
            os.write(told, number.to_bytes(8, "big"))  # atomic: pipe(7)

    treadle.run(main)


def run_writers(place: str) -> None:
    import treadle.fs  # noqa: F401  # before the forks

    path, chance = os.path.join(place, "file"), random.Random(5)
    version = replaced = left = 0
    Path(path).write_bytes(content_of(version))
    for _ in range(KILLS):
        from_writer, told = os.pipe()
        writer = os.fork()
        if writer == 0:
            os.close(from_writer)
            write_for_ever(path, version, told)
            os._exit(1)
        os.close(told)
        first = os.read(from_writer, 8)  # it has begun
        time.sleep(chance.random() * DELAY_S_MAX)  # what is tested: any moment will do
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        reported = first
        while more := os.read(from_writer, 8):
            reported = more
        os.close(from_writer)
        least = int.from_bytes(reported, "big")
        content = Path(path).read_bytes()
        found = int.from_bytes(content[:8], "big")
        if content != content_of(found):
            raise AssertionError(f"a mixture of {len(content)} bytes that begins as version {found}")
        if not least <= found <= least + 1:
            raise AssertionError(f"version {found} is there, and {least} was reported as written")
        leftover = len(os.listdir(place)) - 1 - left
        if leftover not in (0, 1):
            raise AssertionError(f"{leftover} temporary files of one kill")
        left += leftover
        replaced += found > version
        version = found
    print(KILLS, replaced, left)


if __name__ == "__main__" and sys.argv[1:2] == [RUN]:
    run_writers(sys.argv[2])
