"""What one operation of a Python event loop costs: the same text for every loop. Its twin in Node is micro.js.

    micro.py LOOP FIGURE[,FIGURE...]                 one JSON line a figure: {"figure", "ns"} or {"figure", "error"}
    micro.py LOOP FIGURE --count N                   for harness.callgrind: N operations once warm, between "ready" and "done"

LOOP is asyncio, uvloop, rloop, treadle (the methods of its loop) or treadle-faces (its modules in Node's manner).
ns is CPU time of the process, user and system: the lowest of REPEATS batches, each of BATCH_NS or more.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

BATCH_NS = 40_000_000
REPEATS = 5
FIRST_COUNT = 1_000
WARM_BATCHES = 2
FLOOD = 1_000  # callbacks that wait at once
TASKS = 100
PENDING = 100_000
PURGE_EVERY = 1_000  # asyncio drops cancelled timers once per turn: let it turn
FAR_S = 500.0

Batch = Callable[[int], Awaitable[object]]
Measure = Callable[[Batch], Awaitable[None]]
Figure = Callable[["Calls", Measure], Awaitable[None]]


@dataclass
class Calls:
    """The loop, and the calls of Node's kind: None where this loop has none."""

    loop: asyncio.AbstractEventLoop
    next_turn: Callable[..., object]
    next_tick: Callable[..., object] | None = None
    queue_microtask: Callable[..., object] | None = None
    set_timeout: Callable[..., object] | None = None
    clear_timeout: Callable[..., object] | None = None


def calls_of(name: str) -> Calls:
    """A new loop, and how work is handed to it."""
    if name == "asyncio":
        loop = asyncio.new_event_loop()
        return Calls(loop, loop.call_soon)
    module = importlib.import_module(name.partition("-")[0])
    loop = module.new_event_loop()
    if name == "treadle":
        from treadle.timers import clear_timeout

        return Calls(loop, loop.set_immediate, loop.next_tick, loop.queue_microtask, loop.set_timeout, clear_timeout)
    if name == "treadle-faces":
        from treadle import process, queue_microtask, timers

        return Calls(loop, timers.set_immediate, process.next_tick, queue_microtask, timers.set_timeout, timers.clear_timeout)
    return Calls(loop, loop.call_soon)


def chain_of(calls: Calls, again: Callable[..., object] | None) -> Batch:
    """A callback that hands itself to `again`, count times."""
    if again is None:
        raise NotImplementedError

    async def batch(count: int) -> None:
        done = calls.loop.create_future()
        left = count

        def step() -> None:
            nonlocal left
            left -= 1
            if left:
                again(step)
            else:
                done.set_result(None)

        again(step)
        await done

    return batch


async def callback(calls: Calls, measure: Measure) -> None:
    """call_soon and the call, 1,000 waiting at once."""

    async def batch(count: int) -> None:
        done = calls.loop.create_future()
        call_soon = calls.loop.call_soon
        floods = count // FLOOD
        left = 0

        def step() -> None:
            nonlocal left
            left -= 1
            if not left:
                flood()

        def flood() -> None:
            nonlocal floods, left
            if not floods:
                done.set_result(None)
                return
            floods -= 1
            left = FLOOD
            for _ in range(FLOOD):
                call_soon(step)

        flood()
        await done

    await measure(batch)


async def chain(calls: Calls, measure: Measure) -> None:
    """A callback that hands itself to call_soon: a turn of asyncio and uvloop, but not of treadle."""
    await measure(chain_of(calls, calls.loop.call_soon))


async def turn(calls: Calls, measure: Measure) -> None:
    """A whole turn of the loop, poll included: set_immediate where there is one, else call_soon."""
    await measure(chain_of(calls, calls.next_turn))


async def next_tick(calls: Calls, measure: Measure) -> None:
    """A tick that queues the next."""
    await measure(chain_of(calls, calls.next_tick))


async def microtask(calls: Calls, measure: Measure) -> None:
    """A microtask that queues the next."""
    await measure(chain_of(calls, calls.queue_microtask))


async def wake_up(calls: Calls, measure: Measure) -> None:
    """A task awaits a future that the next callback completes."""

    async def batch(count: int) -> None:
        loop = calls.loop
        for _ in range(count):
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future

    await measure(batch)


async def sleep0(_calls: Calls, measure: Measure) -> None:
    """A task lets the loop run once: asyncio.sleep(0)."""

    async def batch(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    await measure(batch)


async def task(calls: Calls, measure: Measure) -> None:
    """A task is made, runs and is awaited, 100 at a time."""

    async def nothing() -> None:
        pass

    async def batch(count: int) -> None:
        for _ in range(count // TASKS):
            await asyncio.gather(*(calls.loop.create_task(nothing()) for _ in range(TASKS)))

    await measure(batch)


async def queue(calls: Calls, measure: Measure) -> None:
    """A message there and one back between two tasks, over two asyncio queues."""
    there: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()

    async def answer() -> None:
        while True:
            back.put_nowait(await there.get())

    async def batch(count: int) -> None:
        for message in range(count):
            there.put_nowait(message)
            await back.get()

    answering = calls.loop.create_task(answer())
    await measure(batch)
    answering.cancel()


async def timer(calls: Calls, measure: Measure) -> None:
    """call_later and cancel beside 100,000 timers, each of its own duration."""
    await _call_later(calls, measure, lambda i: 100 + i * 7919 % 900_000 / 1000)


async def timer_one(calls: Calls, measure: Measure) -> None:
    """The same, all of one duration."""
    await _call_later(calls, measure, lambda _i: FAR_S)


async def _call_later(calls: Calls, measure: Measure, delay_s: Callable[[int], float]) -> None:
    call_later = calls.loop.call_later
    pending = [call_later(delay_s(i), _nothing) for i in range(PENDING)]
    delays = [delay_s(i * 13) for i in range(PURGE_EVERY)]

    async def batch(count: int) -> None:
        for _ in range(count // PURGE_EVERY):
            for delay in delays:
                call_later(delay, _nothing).cancel()
            await asyncio.sleep(0)

    await measure(batch)
    for handle in pending:
        handle.cancel()


async def set_timeout(calls: Calls, measure: Measure) -> None:
    """set_timeout and clear_timeout beside 100,000 timers, all of one duration, as the timeouts of connections are."""
    await _set_timeout(calls, measure, lambda _i: int(FAR_S * 1000))


async def set_timeout_spread(calls: Calls, measure: Measure) -> None:
    """The same, each of its own duration."""
    await _set_timeout(calls, measure, lambda i: 100_000 + i * 7919 % 900_000)


async def _set_timeout(calls: Calls, measure: Measure, delay_ms: Callable[[int], int]) -> None:
    add, clear = calls.set_timeout, calls.clear_timeout
    if add is None or clear is None:
        raise NotImplementedError
    pending = [add(_nothing, delay_ms(i)) for i in range(PENDING)]
    delays = [delay_ms(i * 13) for i in range(PURGE_EVERY)]

    async def batch(count: int) -> None:
        for _ in range(count // PURGE_EVERY):
            for delay in delays:
                clear(add(_nothing, delay))
            await asyncio.sleep(0)

    await measure(batch)
    for handle in pending:
        clear(handle)


async def refresh(calls: Calls, measure: Measure) -> None:
    """refresh of a timeout that waits beside 100,000 of its duration, as a connection does with each message."""
    add, clear = calls.set_timeout, calls.clear_timeout
    if add is None or clear is None:
        raise NotImplementedError
    pending: list[Any] = [add(_nothing, int(FAR_S * 1000)) for _ in range(PENDING)]

    async def batch(count: int) -> None:
        for _ in range(count // PURGE_EVERY):
            for timeout in pending[:PURGE_EVERY]:
                timeout.refresh()
            await asyncio.sleep(0)

    await measure(batch)
    for timeout in pending:
        clear(timeout)


async def timer_fire(calls: Calls, measure: Measure) -> None:
    """call_later of 1 ms and its call, all of a batch waiting at once."""

    async def batch(count: int) -> None:
        done = calls.loop.create_future()
        left = count

        def step() -> None:
            nonlocal left
            left -= 1
            if not left:
                done.set_result(None)

        for _ in range(count):
            calls.loop.call_later(0.001, step)
        await done

    await measure(batch)


def _nothing() -> None:
    pass


FIGURES: dict[str, Figure] = {
    figure.__name__: figure
    for figure in (
        *(callback, chain, turn, next_tick, microtask, wake_up, sleep0, task, queue),
        *(timer, timer_one, timer_fire, set_timeout, set_timeout_spread, refresh),
    )
}


async def lowest_ns(calls: Calls, figure: Figure) -> float:
    """Grow the batch until it is long enough, then take the lowest of several."""
    lowest = 0.0

    async def measure(batch: Batch) -> None:
        nonlocal lowest
        count = FIRST_COUNT
        while (spent := await _spent_ns(batch, count)) < BATCH_NS:
            count *= 2
        lowest = min([spent, *[await _spent_ns(batch, count) for _ in range(REPEATS - 1)]]) / count

    await figure(calls, measure)
    return lowest


async def _spent_ns(batch: Batch, count: int) -> int:
    begun = time.process_time_ns()
    await batch(count)
    return time.process_time_ns() - begun


async def counted(calls: Calls, figure: Figure, count: int) -> None:
    """Warm up, then wait for a line before the operations that count and before the end."""

    async def measure(batch: Batch) -> None:
        await batch(WARM_BATCHES * count)  # a log of starvation, once per source, comes here
        print("ready", flush=True)
        sys.stdin.readline()
        await batch(count)
        print("done", flush=True)
        sys.stdin.readline()

    await figure(calls, measure)


def main() -> None:
    """See the top of this file."""
    name, figures, *rest = sys.argv[1:]
    calls = calls_of(name)
    if rest:
        calls.loop.run_until_complete(counted(calls, FIGURES[figures], int(rest[1])))
        return
    for figure in figures.split(","):
        try:
            found: dict[str, object] = {"ns": calls.loop.run_until_complete(lowest_ns(calls, FIGURES[figure]))}
        except Exception as error:
            found = {"error": repr(error)}
        print(json.dumps({"figure": figure, **found}), flush=True)


if __name__ == "__main__":
    main()
