"""Runs a random program on a loop, the model's or the native one, and writes down what ran, when, and in which turn.

A program is data, so that it can be sent to another process and made smaller:

    {"start_ns": 0, "run": "while_alive", "takes_errors": true, "guard": true, "main": [operation, ...]}

takes_errors: a listener takes what fails; else it ends the run, and another run goes on. An operation is {"op": name, ...}; one
that schedules has the operations of its callback in "do". Operations on what was made before pick it by "n", counted from the
latest, so that they mean something in whatever is left of a program. Invariant: a program ends: after CALLBACKS_MAX callbacks,
nothing is scheduled any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

Operation = dict[str, Any]
Program = dict[str, Any]

CALLBACKS_MAX = 300
IO_MAX = 129  # each has descriptors of its own
RUNS = 3  # of a loop that was stopped, or left by an exception
END_S = 100.0  # of a run that only stop() ends

WAITING = (
    "ticks_queued", "microtasks_queued", "immediates_queued", "immediates_refed", "alarms_waiting", "timer_lists", "timers_refed",
    "guard_turns",
)  # fmt: skip


class Boom(Exception):
    """What the callbacks of a program fail with."""


class World(Protocol):
    """What differs between the two loops."""

    loop: Any

    def spin(self, ns: int) -> None:
        """Let time pass."""

    def now_ns(self) -> int:
        """The time."""

    def in_poll(self, callback: Callable[[], object]) -> None:
        """Run callback once, in the next poll phase."""

    def from_thread(self, callback: Callable[[], object]) -> object:
        """call_soon_threadsafe, called by another thread."""

    def listen(self, uncaught: Callable[[BaseException], bool], asyncios: Callable[[BaseException], None]) -> None:
        """Who hears of errors."""

    def statistics(self) -> dict[str, int]:
        """WAITING, at least."""


class Interpreter:
    """One run of one program; the lines are in `log`."""

    def __init__(self, world: World, program: Program) -> None:
        self.world, self.loop, self.program = world, world.loop, program
        self.log: list[str] = []
        self.handles: list[Any] = []  # whatever can be cleared
        self.futures: list[Any] = []
        self.tasks: list[Any] = []
        self.coroutines: list[Coroutine[Any, None, None]] = []
        self.made = 0  # callbacks, to number them
        self.ran = 0
        self.fed = 0  # callbacks of floods so far, which have no line of their own

    def main(self) -> list[str]:
        world, program = self.world, self.program
        world.listen(self.uncaught, lambda error: self.line(f"handler {error}"))
        self.loop.next_tick(lambda: self.run(program["main"]))
        for _ in range(RUNS):
            try:
                if program["run"] == "while_alive":
                    self.loop.run_while_alive()
                else:
                    self.loop.call_later(END_S, self.loop.stop)
                    self.loop.run_forever()
                self.line("end")
            except Boom as error:
                self.line(f"end by {error}")
        statistics = world.statistics()
        self.log += [f"{name} {statistics[name]}" for name in WAITING]
        for coroutine in self.coroutines:
            coroutine.close()
        return self.log

    def line(self, text: str) -> None:
        fed = f" fed {self.fed}" if self.fed else ""
        self.log.append(f"turn {self.loop.turns} at {self.world.now_ns() // 1000} us: {text}{fed}")

    def uncaught(self, error: BaseException) -> bool:
        self.line(f"uncaught {error}")
        return bool(self.program["takes_errors"])

    def run(self, operations: list[Operation]) -> None:
        for operation in operations:
            getattr(self, "do_" + operation["op"])(operation)

    def callback(self, operation: Operation) -> Callable[..., None]:
        """What an operation schedules."""
        self.made += 1
        name, calls = f"{operation['op']} {self.made}", 0

        def call(*_: object) -> None:
            nonlocal calls
            calls += 1
            self.ran += 1
            if self.ran > CALLBACKS_MAX:
                return
            self.line(name if calls == 1 else f"{name} again")
            self.run(operation["do"])

        return call

    # ---- operations that schedule

    def do_tick(self, operation: Operation) -> None:
        self.loop.next_tick(self.callback(operation))

    def do_microtask(self, operation: Operation) -> None:
        self.loop.queue_microtask(self.callback(operation))

    def do_soon(self, operation: Operation) -> None:
        self.handles.append(self.loop.call_soon(self.callback(operation)))

    def do_thread(self, operation: Operation) -> None:
        self.world.from_thread(self.callback(operation))

    def do_immediate(self, operation: Operation) -> None:
        self.handles.append(self.loop.set_immediate(self.callback(operation)))

    def do_timeout(self, operation: Operation) -> None:
        self.handles.append(self.loop.set_timeout(self.callback(operation), operation["ms"]))

    def do_interval(self, operation: Operation) -> None:
        calls = 0
        callback = self.callback(operation)

        def call() -> None:
            nonlocal calls
            calls += 1
            try:
                callback()
            finally:
                if calls == operation["times"] or self.ran > CALLBACKS_MAX:
                    interval.close()

        interval = self.loop.set_interval(call, operation["ms"])
        self.handles.append(interval)

    def do_later(self, operation: Operation) -> None:
        self.handles.append(self.loop.call_later(operation["us"] / 1e6, self.callback(operation)))

    def do_at(self, operation: Operation) -> None:
        self.handles.append(self.loop.call_at(self.loop.time() + operation["us"] / 1e6, self.callback(operation)))

    def do_io(self, operation: Operation) -> None:
        self.world.in_poll(self.callback(operation))

    def do_flood(self, operation: Operation) -> None:
        """So many callbacks, each of which schedules the next one and takes so long."""
        left = operation["count"]
        done = self.callback(operation)
        schedule = {
            "tick": self.loop.next_tick,
            "microtask": self.loop.queue_microtask,
            "soon": self.loop.call_soon,
            "immediate": self.loop.set_immediate,
        }[operation["kind"]]

        def feed() -> None:
            nonlocal left
            left -= 1
            self.fed += 1
            self.world.spin(operation["us"] * 1000)
            if left > 0:
                schedule(feed)
            else:
                done()

        schedule(feed)

    def do_many(self, operation: Operation) -> None:
        """So many callbacks at once, each of which takes so long and schedules itself again, for so many rounds."""
        count, ms = operation["count"], operation["ms"]
        if operation["kind"] == "io":
            count = min(count, IO_MAX)
        to_schedule = to_run = count * operation["rounds"]
        done = self.callback(operation)
        schedule: Callable[[Callable[[], None]], object] = {
            "timeout": lambda one: self.loop.set_timeout(one, ms),
            "later": lambda one: self.loop.call_later(ms / 1e3, one),
            "past": lambda one: self.loop.call_at(self.loop.time() - ms / 1e3, one),
            "immediate": self.loop.set_immediate,
            "soon": self.loop.call_soon,
            "microtask": self.loop.queue_microtask,
            "io": self.world.in_poll,
        }[operation["kind"]]

        def again() -> None:
            nonlocal to_schedule
            if to_schedule > 0:
                to_schedule -= 1
                schedule(one)

        def one() -> None:
            nonlocal to_run
            to_run -= 1
            self.fed += 1
            self.world.spin(operation["us"] * 1000)
            again()
            if to_run == 0:
                done()

        for _ in range(count):
            again()

    # ---- futures and tasks

    def do_future(self, operation: Operation) -> None:
        """One with a done callback."""
        future = self.loop.create_future()
        future.add_done_callback(self.callback(operation))
        self.futures.append(future)

    def do_resolve(self, operation: Operation) -> None:
        self.resolve(self.picked(self.futures, operation))

    def do_cancel_future(self, operation: Operation) -> None:
        future = self.picked(self.futures, operation)
        if future is not None:
            future.cancel()

    def do_task(self, operation: Operation) -> None:
        self.made += 1
        self.coroutines.append(self.steps(f"task {self.made}", operation["steps"]))
        self.tasks.append(self.loop.create_task(self.coroutines[-1]))

    def do_cancel_task(self, operation: Operation) -> None:
        task = self.picked(self.tasks, operation)
        if task is not None:
            task.cancel()

    async def steps(self, name: str, steps: list[Operation]) -> None:
        self.line(f"{name} begins")
        try:
            for step in steps:
                await self.awaited(step)
                self.line(f"{name} after {step['await']}")
                self.run(step["do"])
        except asyncio.CancelledError:
            self.line(f"{name} cancelled")
            raise

    async def awaited(self, step: Operation) -> None:
        if step["await"] == "yield":
            await asyncio.sleep(0)
            return
        future = self.loop.create_future()
        self.futures.append(future)

        def resolve() -> None:
            self.resolve(future)

        match step["await"]:
            case "tick":
                self.loop.next_tick(resolve)
            case "microtask":
                self.loop.queue_microtask(resolve)
            case "immediate":
                self.loop.set_immediate(resolve)
            case "timeout":
                self.loop.set_timeout(resolve, step["ms"])
            case "later":
                self.loop.call_later(step["ms"] / 1e3, resolve)
            case "io":
                self.world.in_poll(resolve)
        await future

    def resolve(self, future: Any) -> None:
        if future is not None and not future.done():
            future.set_result(None)

    # ---- operations on what was made before

    def picked(self, things: list[Any], operation: Operation) -> Any:
        return things[-1 - operation["n"] % len(things)] if things else None

    def do_clear(self, operation: Operation) -> None:
        handle = self.picked(self.handles, operation)
        if handle is not None:
            handle.close() if hasattr(handle, "close") else handle.cancel()

    def do_ref(self, operation: Operation) -> None:
        """ref(), unref() or refresh(), where there is such a thing."""
        handle = self.picked(self.handles, operation)
        if handle is not None and hasattr(handle, operation["how"]):
            getattr(handle, operation["how"])()

    # ---- the rest

    def do_spin(self, operation: Operation) -> None:
        self.world.spin(operation["us"] * 1000)

    def do_fail(self, operation: Operation) -> None:
        self.made += 1
        raise Boom(f"boom {self.made}")

    def do_stop(self, operation: Operation) -> None:
        self.loop.stop()
