"""A signal while the application starts: it is cancelled, and the process ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.support import DEADLINE_S

pytestmark = pytest.mark.slow

APP = """
import asyncio

async def app(scope, receive, send):
    await receive()
    print("begun", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned up", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_up_is_cancelled(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "app.py").write_text(APP)
    command = [sys.executable, "-m", "treadle", "serve", "app:app", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            process.send_signal(number)
            out, err = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
    assert (process.returncode, out) == (0, "cleaned up\n")
    assert "has not started yet" in err and err.rstrip().endswith("ended")
