"""A program that was started without stdin, stdout or stderr."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.native.support import DEADLINE_S

PROGRAM = """
import os, treadle
from treadle import process

async def main():
    chunks = [chunk async for chunk in process.stdin]
    process.stdout.write("out")
    process.stderr.write("err")
    with open(FACTS, "w") as facts:
        facts.write(repr((chunks, [os.readlink(f"/proc/self/fd/{fd}") for fd in (0, 1, 2)])))

treadle.run(main)
"""


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_what_is_missing_is_dev_null(closed: tuple[int, ...], tmp_path: Path) -> None:
    facts = tmp_path / "facts"
    program = PROGRAM.replace("FACTS", repr(str(facts)))
    redirections = " ".join(f"{fd}{'<' if fd == 0 else '>'}&-" for fd in closed)
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {redirections}', sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"" if 1 in closed else b"out", b"" if 2 in closed else b"err")
    chunks, descriptors = eval(facts.read_text())
    assert chunks == []
    assert all(descriptors[fd] == os.devnull for fd in closed)


def test_a_loop_that_asyncio_runs_holds_them_too(tmp_path: Path) -> None:
    facts = tmp_path / "facts"
    program = f"""
import asyncio, os, treadle

async def main():
    with open({str(facts)!r}, "w") as facts:
        facts.write(os.readlink("/proc/self/fd/0"))

with asyncio.Runner(loop_factory=treadle.new_event_loop) as runner:
    runner.run(main())
"""
    subprocess.run(["sh", "-c", 'exec "$0" -c "$1" <&-', sys.executable, program], check=True, timeout=DEADLINE_S)
    assert facts.read_text() == os.devnull
