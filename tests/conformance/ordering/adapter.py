"""Programs whose order of callbacks real Node has recorded, interpreted on treadle.

node.jsonl: one program a line, {"id", "goal", "body", "features", "expect"}; `expect` is the log of Node 20 and 24, the same in
sixteen runs. The operations are listed in Interpreter.RUN. Not here: how fresh programs are made and recorded (fresh.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any, ClassVar

import treadle
from treadle import fs, process, timers

Operation = dict[str, Any]


class Rejected(Exception):
    """What an awaited, rejected promise raises."""


class Turn:
    """What the coroutines below await: suspended until arm(resume) has called resume."""

    def __init__(self, arm: Callable[[Callable[..., None]], object], *, is_rejected: bool = False) -> None:
        self.arm, self.is_rejected = arm, is_rejected

    def __await__(self) -> Generator[Turn, None, None]:
        yield self
        if self.is_rejected:
            raise Rejected


class Interpreter:
    """Runs one program; its log is in `log`."""

    def __init__(self, program: dict[str, Any]) -> None:
        self.program = program
        self.log: list[str] = []
        self.handles: dict[str, Any] = {}

    def main(self) -> list[str]:
        def swallow(error: Exception) -> None:
            self.log.append(f"uncaught {error}")

        if "throw" in self.program["features"]:
            process.on("uncaught_exception", swallow)
        try:
            treadle.run(lambda: self.run(self.program["body"]))
        finally:
            process.off("uncaught_exception", swallow)
        return self.log

    def run(self, operations: list[Operation]) -> None:
        for operation in operations:
            self.RUN[operation["op"]](self, operation)

    def callback(self, operation: Operation) -> Callable[..., None]:
        def call(*_: object) -> None:
            self.log.append(operation["m"])
            self.run(operation["do"])

        return call

    def busy(self, operation: Operation) -> None:
        end_s = time.perf_counter() + operation["ms"] / 1000
        while time.perf_counter() < end_s:
            pass

    def timeout(self, operation: Operation) -> None:
        self.handles[operation["id"]] = timers.set_timeout(self.callback(operation), operation["ms"])

    def immediate(self, operation: Operation) -> None:
        self.handles[operation["id"]] = timers.set_immediate(self.callback(operation))

    def interval(self, operation: Operation) -> None:
        count = 0

        def call() -> None:
            nonlocal count
            count += 1
            self.log.append(f"{operation['m']}#{count}")
            self.run(operation["do"])
            if count >= operation["times"]:
                timers.clear_interval(handle)

        handle = self.handles[operation["id"]] = timers.set_interval(call, operation["ms"])

    def then(self, operation: Operation, number: int = 1) -> None:
        def link() -> None:
            self.log.append(f"{operation['m']}.{number}")
            if number == operation["at"]:
                self.run(operation["do"])
            if number < operation["depth"]:
                self.then(operation, number + 1)

        treadle.queue_microtask(link)

    def clear(self, operation: Operation) -> None:
        if operation["id"] in self.handles:
            self.handles[operation["id"]].close()

    def reference(self, operation: Operation) -> None:
        if operation["id"] in self.handles:
            getattr(self.handles[operation["id"]], operation["op"])()

    def caught(self, operation: Operation) -> None:
        try:
            self.run(operation["do"])
            raise RuntimeError(operation["m"])
        except RuntimeError as error:
            self.log.append(f"caught {error}")

    def throw(self, operation: Operation) -> None:
        raise RuntimeError(operation["m"])

    # An async function starts at once and runs to its first await; each await of a settled promise costs one microtask.

    def spawn(self, operation: Operation) -> Callable[[Callable[..., None]], None]:
        coroutine = self.steps(operation)
        waiters: list[Callable[..., None]] = []
        is_done = False

        def step(*_: object) -> None:
            nonlocal is_done
            try:
                turn = coroutine.send(None)
            except StopIteration:
                is_done = True
                for waiter in waiters:
                    treadle.queue_microtask(waiter)
            else:
                turn.arm(step)

        def when_done(resume: Callable[..., None]) -> None:
            if is_done:
                treadle.queue_microtask(resume)
            else:
                waiters.append(resume)

        step()
        return when_done

    async def steps(self, operation: Operation) -> None:
        self.log.append(f"{operation['m']}:0")
        self.run(operation.get("do") or [])
        for number, step in enumerate(operation["steps"], 1):
            mark = ":"
            try:
                await self.awaited(step)
            except Rejected:
                mark = "!"
            self.log.append(f"{operation['m']}{mark}{number}")
            self.run(step.get("do") or [])

    def awaited(self, step: Operation) -> Turn:
        def after(schedule: Callable[[Callable[..., None]], object]) -> Turn:
            # A promise resolved in a callback: the continuation is a microtask of that callback.
            return Turn(lambda resume: schedule(lambda *_: treadle.queue_microtask(resume)))

        match step["aw"]:
            case "resolved":
                return Turn(treadle.queue_microtask)
            case "reject":
                return Turn(treadle.queue_microtask, is_rejected=True)
            case "tick":
                return after(process.next_tick)
            case "micro":
                return after(treadle.queue_microtask)
            case "immediate":
                return after(timers.set_immediate)
            case "timeout":
                return after(lambda resume: timers.set_timeout(resume, step["ms"]))
            case "fs":
                return after(lambda resume: fs.read_file(__file__, resume))
            case "async":
                return Turn(self.spawn(step["fn"]))
        raise ValueError(step["aw"])

    RUN: ClassVar[dict[str, Callable[[Interpreter, Operation], object]]] = {
        "log": lambda self, operation: self.log.append(operation["m"]),
        "busy": busy,
        "timeout": timeout,
        "interval": interval,
        "immediate": immediate,
        "tick": lambda self, operation: process.next_tick(self.callback(operation)),
        "micro": lambda self, operation: treadle.queue_microtask(self.callback(operation)),
        "then": then,
        "async": spawn,
        "fs": lambda self, operation: fs.read_file(__file__, self.callback(operation)),
        "clear": clear,
        "ref": reference,
        "unref": reference,
        "try": caught,
        "throw": throw,
    }
