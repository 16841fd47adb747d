"""Random programs on the native loop, under a frozen clock: one as JSON on a line of standard input, its log on one of standard
output. Started by on_native.py only, which preloads frozen_clock.c."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import treadle
from tests.model.driver.interpreter import Interpreter, Program

frozen = ctypes.CDLL(None)
frozen.frozen_clock_start.argtypes = frozen.frozen_clock_spin.argtypes = [ctypes.c_int64]
frozen.frozen_clock_now_ns.restype = ctypes.c_int64


class NativeWorld:
    """See interpreter.World."""

    def __init__(self, program: Program) -> None:
        self.loop = treadle.new_event_loop()
        self.loop.starvation_guard = program["guard"]
        self.loop.starvation_hook = None
        self.fds: list[int] = []

    def spin(self, ns: int) -> None:
        frozen.frozen_clock_spin(ns)

    def now_ns(self) -> int:
        return int(frozen.frozen_clock_now_ns())

    def in_poll(self, callback: Callable[[], object]) -> None:
        reader, writer = os.pipe()
        os.write(writer, b"x")
        self.fds += reader, writer

        def on_readable() -> None:
            self.loop.remove_reader(reader)
            callback()

        self.loop.add_reader(reader, on_readable)

    def from_thread(self, callback: Callable[[], object]) -> None:
        thread = threading.Thread(target=self.loop.call_soon_threadsafe, args=(callback,))
        thread.start()
        thread.join()

    def listen(self, uncaught: Callable[[BaseException], bool], asyncios: Callable[[BaseException], None]) -> None:
        def handler(_: object, context: dict[str, Any]) -> None:
            if context["message"].startswith("Exception in callback"):  # not of a task whose failure nobody asked for
                asyncios(context["exception"])

        self.loop.uncaught_hook = uncaught
        self.loop.set_exception_handler(handler)

    def statistics(self) -> dict[str, int]:
        return dict(self.loop.statistics())

    def close(self) -> None:
        self.loop.close()
        for fd in self.fds:
            os.close(fd)


def run(program: Program) -> list[str]:
    world = NativeWorld(program)
    frozen.frozen_clock_start(program["start_ns"])
    try:
        return Interpreter(world, program).main()
    finally:
        frozen.frozen_clock_end()
        world.close()


def main() -> None:
    logging.getLogger("asyncio").disabled = True  # a program may end with tasks that still wait
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
