"""Runs a case of cases.json here, and tells what came of it, as run_node.js does.

A job that is to be aborted before it is through waits behind a thread that hangs, so that it is not by chance what comes first.
Not here: what Node says (node.json), the comparison (test_fs_signals.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.fs.support import Door, after_one_turn, is_active, narrow_pool, run, turns_until
from treadle import fs
from treadle.events import AbortController
from treadle.timers import set_immediate

LARGE = 8 * 1024 * 1024  # two turns of a job
REASONS: dict[str, Any] = {"error": Exception("given"), "text": "text", "null": None}


def outcome_of(error: Any, result: Any = None) -> list[Any]:
    if error is None:
        return ["ok", len(result) if isinstance(result, bytes) else None]
    code = getattr(error, "code", type(error).__name__)
    return [code, cause_of(error.data["reason"]) if code == "ABORT_ERR" else None]


def cause_of(reason: Any) -> str:
    if isinstance(reason, str):
        return reason
    return next((name for name, known in REASONS.items() if reason is known), "default")


class Case:
    """One of a call of a file's."""

    def __init__(self, given: dict[str, Any], place: Path) -> None:
        self.given = given
        self.place = place
        self.file = place / "file"
        self.reads = given["call"] in ("read_file", "stat")
        self.size = LARGE if given["size"] == "large" else 3
        self.before = self.size if self.reads else 10
        self.controller = AbortController()

    def abort(self) -> None:
        reason = self.given["reason"]
        self.controller.abort(*([] if reason == "default" else [REASONS[reason]]))

    def content(self) -> str:
        size = self.file.stat().st_size
        whole = (self.before if self.given["call"] == "append_file" else 0) + self.size
        return "untouched" if size == self.before else {0: "empty", whole: "all"}.get(size, "part")

    def begin(self, handle: fs.FileHandle | None) -> asyncio.Future[list[Any]]:
        """Call it: a future of the outcome, and when that was told."""
        outcome: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        is_inside = True

        def end(error: Any, result: Any = None) -> None:
            outcome.set_result([outcome_of(error, result), "inside the call" if is_inside else "later"])

        arguments = [] if self.reads else [b"a" * self.size]
        function: Any = getattr(fs, self.given["call"])
        if handle is not None:
            function = getattr(handle, self.given["call"])
        else:
            arguments.insert(0, self.file)
        if self.given["form"] == "callback":
            function(*arguments, end, signal=self.controller.signal)
        else:
            future = function(*arguments, signal=self.controller.signal)
            future.add_done_callback(lambda done: end(done.exception(), None if done.exception() else done.result()))
        if self.given["when"] == "at once":
            self.abort()
        is_inside = False
        return outcome

    async def run(self) -> list[Any]:
        when = self.given["when"]
        self.file.write_bytes(b"b" * self.before)
        flags = "r" if self.reads else "a" if self.given["call"] == "append_file" else "r+"
        handle = await fs.open(self.file, flags) if self.given["via"] == "handle" else None
        if when == "before":
            self.abort()
        if when == "in an immediate":
            is_aborted = asyncio.Event()
            async with after_one_turn(lambda: self.begin(handle), self.place) as outcome:
                set_immediate(lambda: (self.abort(), is_aborted.set()))
                await is_aborted.wait()
                if self.reads:
                    await outcome  # though the only thread is busy; of what is written a thread has to close the file
            log = await outcome
        elif when in ("at once", "in a tick", "in a microtask"):
            async with a_thread_that_hangs(self.place):
                outcome = self.begin(handle)
                if when == "in a tick":
                    asyncio.get_running_loop().next_tick(self.abort)  # type: ignore[attr-defined]
                elif when == "in a microtask":
                    asyncio.get_running_loop().queue_microtask(self.abort)  # type: ignore[attr-defined]
                log = await outcome
        else:
            log = await self.begin(handle)
            if when == "when it is through":
                self.abort()
        log = [*log, self.content()]
        if handle is not None:
            log.append("the handle is open" if handle.fd >= 0 else "the handle is closed")
            await handle.close()
        return log


@contextlib.asynccontextmanager
async def a_thread_that_hangs(place: Path) -> Any:
    """The only one there is."""
    narrow_pool()
    door = Door(place / "door")
    opening = fs.open(door.path)
    await turns_until(lambda: is_active(1))
    yield
    await door.let_through()
    await (await opening).close()


async def run_watch(given: dict[str, Any], place: Path) -> list[Any]:
    log: list[Any] = []
    controller = AbortController()

    def abort() -> None:
        controller.abort(*([] if given["reason"] == "default" else [REASONS[given["reason"]]]))

    if given["when"] == "before":
        abort()
    watcher = fs.watch(place, signal=controller.signal, recursive=given["recursive"])
    closed = asyncio.get_running_loop().create_future()
    if given["form"] == "callback":
        note: Callable[[str, Any], object] = lambda event, argument: log.append([event, argument])  # noqa: E731
        watcher.on("change", lambda event_type, _: note("change", event_type))
        watcher.on("error", lambda error: note("error", error.code))
        watcher.on("close", lambda: (note("close", None), closed.set_result(None)))
        if given["when"] == "at once":
            abort()
        log.append("returned")
        await closed
        return log
    changes = aiter(watcher)
    first = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)  # an async generator of Node's begins with the call
    if given["when"] == "at once":
        abort()
    for step in (first, asyncio.ensure_future(anext(changes))):
        try:
            log.append(await step)
        except StopAsyncIteration:
            log.append("done")
        except Exception as error:
            log.append(outcome_of(error))
    return log


def outcome_of_case(given: dict[str, Any], place: Path) -> list[Any]:
    """What run_node.js logs of it."""
    return run(lambda: run_watch(given, place) if given["call"] == "watch" else Case(given, place).run())
