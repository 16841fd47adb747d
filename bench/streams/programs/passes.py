"""One case, several passes in one process: what each pass costs per chunk. The twin of passes.js.

    CASE.py PEER CHUNKS PASSES [NAME=VALUE ...]          one JSON line a pass: {"ns", "passed"}
    CASE.py PEER CHUNKS PASSES [NAME=VALUE ...] --count  for harness.callgrind: a pass once warm, between "ready" and "done"

ns is CPU time of the process, user and system, per chunk that the source makes. passed: what the end of the chain counted, which
the caller compares with what must arrive.

ORDER: a pass begins in a callback of the loop; with awaited=1 behind an await, that is, among microtasks in Node.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

WARM_PASSES = 2

Pass = Callable[..., Coroutine[Any, Any, int]]  # (chunks, **parameters) -> what arrived


def main(peers: Mapping[str, Pass]) -> None:
    """Measure the pass of one peer. Those that begin with "treadle" run in its loop, the others in asyncio's."""
    peer, chunks, passes, *rest = sys.argv[1:]
    is_counted = rest[-1:] == ["--count"]
    parameters = {name: int(value) for name, _, value in (word.partition("=") for word in rest if word != "--count")}
    work = _counted if is_counted else _timed
    _loop_of(peer).run_until_complete(work(peers[peer], int(chunks), int(passes), parameters))


async def _timed(one_pass: Pass, chunks: int, passes: int, parameters: dict[str, int]) -> None:
    is_awaited = parameters.pop("awaited", 0)
    for _ in range(passes):
        begun = time.process_time_ns()
        passed = await (one_pass(chunks, **parameters) if is_awaited else asyncio.ensure_future(one_pass(chunks, **parameters)))
        spent = time.process_time_ns() - begun
        print(json.dumps({"ns": spent / chunks, "passed": passed}), flush=True)


async def _counted(one_pass: Pass, chunks: int, _passes: int, parameters: dict[str, int]) -> None:
    parameters.pop("awaited", 0)
    for _ in range(WARM_PASSES):
        await one_pass(chunks, **parameters)
    print("ready", flush=True)
    sys.stdin.readline()
    await one_pass(chunks, **parameters)
    print("done", flush=True)
    sys.stdin.readline()


def _loop_of(peer: str) -> asyncio.AbstractEventLoop:
    if not peer.startswith("treadle"):
        return asyncio.new_event_loop()
    import treadle

    if peer == "treadle":
        importlib.import_module("treadle.streams")  # imported before the first pass is timed, as Node's are
    return treadle.new_event_loop()
