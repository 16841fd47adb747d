"""Streams that are piped in a circle: no Python runs there, and Ctrl-C ends it all the same."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.unit.native.support import DEADLINE_S

PROGRAM = """
import treadle
from treadle.streams import PassThrough

async def main():
    first, second = PassThrough(), PassThrough()
    CIRCLE
    print("begun", flush=True)
    first.write(b"x")

treadle.run(main)
"""


@pytest.mark.parametrize("circle", ["first.pipe(first)", "first.pipe(second).pipe(first)"])
def test_ctrl_c_ends_a_circle_of_native_stages(circle: str) -> None:
    command = [sys.executable, "-c", PROGRAM.replace("CIRCLE", circle)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        try:
            assert program.stdout.readline() == b"begun\n"
            for _ in range(int(DEADLINE_S * 10)):  # the first may come before the circle turns, the second ends it at once
                program.send_signal(signal.SIGINT)
                try:
                    code = program.wait(0.1)
                    break
                except subprocess.TimeoutExpired:
                    continue
            else:
                pytest.fail("Ctrl-C did not end it")
        finally:
            program.kill()
    assert code in (-signal.SIGINT, 128 + signal.SIGINT)
