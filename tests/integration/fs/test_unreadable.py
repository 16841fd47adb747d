"""A tree that is watched, with a directory in it that may not be read: by a program of another user, since root may read all.

Not here: what else watch() tells (tests/unit/fs/test_watching.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.support import DEADLINE_S, ROOT

NODE: dict[str, list[list[str]]] = json.loads(Path(__file__).with_name("unreadable.json").read_text())

PROGRAM = """
import asyncio, json, os, sys
import treadle
from treadle import fs

NOBODY = 65534
place = sys.argv[1]
seen = []

async def told(count):
    while len(seen) < count:
        await asyncio.sleep(0)
    for _ in range(20):  # and no more of them
        await asyncio.sleep(0)
    found = sorted(seen)
    seen.clear()
    return found

async def main():
    fs.watch(place).close()
    await fs.readdir(place)  # all is imported that is imported late
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    log = []
    with_all = asyncio.get_running_loop().create_future()
    watcher = fs.watch(place, lambda *change: seen.append(change), recursive=True)
    watcher.on("error", lambda error: seen.append(("error", repr(error))))
    watcher.on("ready", lambda: with_all.set_result(None))
    await with_all
    for name in ("a/first", "z/first", "first"):
        os.mkdir(f"{place}/{name}")
    log.append(await told(3))
    os.mkdir(f"{place}/a/closed", 0)
    log.append(await told(1))
    os.mkdir(f"{place}/last")
    log.append(await told(1))
    watcher.close()
    try:
        fs.watch(f"{place}/m", recursive=True)
    except OSError as error:
        log.append([type(error).__name__, os.path.relpath(error.filename, place)])
    print(json.dumps(log))

treadle.run(main)
"""


@pytest.mark.slow
def test_what_may_not_be_read_is_left_out_and_nothing_else(memory: Path) -> None:
    # As recorded (record_unreadable.js) Node gives up the walk there without a word, so that z is found only when a change makes
    # it look again; of what comes later 'error' tells, and it watches on. The directory itself it watches in vain.
    for how in ("listens", "deaf"):
        assert NODE[how].index(["rename", "z"]) < NODE[how].index(["rename", "z/first"])
        assert ["error" if how == "listens" else "uncaught", "EACCES"] in NODE[how]
    assert NODE["itself"] == []

    is_root = os.geteuid() == 0
    if is_root and memory.parent != Path("/dev/shm"):
        pytest.skip("what is above is root's alone")
    memory.chmod(0o777)
    for name, mode in (("a", 0o777), ("m", 0o700 if is_root else 0), ("z", 0o777)):
        (memory / name).mkdir()
        (memory / name).chmod(mode)
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, memory], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    first, closed, last, itself = json.loads(ended.stdout)
    assert first == [["rename", "a/first"], ["rename", "first"], ["rename", "z/first"]]
    assert (closed, last) == ([["rename", "a/closed"]], [["rename", "last"]])
    assert itself == ["PermissionError", "m"]
    for name in ("m", "a/closed"):
        (memory / name).chmod(0o700)
