"""Random programs of streams on the module that is named, under a frozen clock: one as JSON on a line of standard input, its log
on one of standard output. Started by on_streams.py only, which preloads frozen_clock.c."""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import json
import logging
import sys
from typing import Any

import treadle
from tests.conformance.streams.adapter import Interpreter

START_NS = 1_000_000_000

frozen = ctypes.CDLL(None)
frozen.frozen_clock_start.argtypes = [ctypes.c_int64]


def run(streams: Any, program: dict[str, Any]) -> list[str]:
    interpreter = Interpreter(streams, program)
    loop = treadle.new_event_loop()
    loop.starvation_hook = None

    def uncaught(error: BaseException) -> bool:
        interpreter.uncaught(error)
        return True

    loop.uncaught_hook = uncaught
    frozen.frozen_clock_start(START_NS)
    try:
        loop.set_immediate(interpreter.begin)
        loop.run_while_alive()
        log = list(interpreter.end())
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        log = [*interpreter.lines, f"ended by {type(error).__name__}: {error}"]
    finally:
        frozen.frozen_clock_end()
    leave_tasks(loop)
    loop.close()
    return log


def leave_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Those that wait for what never comes; what they do about it is in no log."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks))


def main() -> None:
    logging.getLogger("asyncio").disabled = True
    streams = importlib.import_module(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(run(streams, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
