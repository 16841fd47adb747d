"""The starvation guard: floods of callbacks that feed themselves leave room for timers and I/O, and everything below the
limits runs as if there were no guard.

A flood here ends when its purpose is reached, or, if the guard fails, when the deadline passes. Not here: ordinary order
(test_turn.py)."""

import asyncio
import logging
import sys
import time
import tracemalloc
from collections.abc import Callable

import pytest

import treadle
from tests.unit.loop.support import DEADLINE_S, Pipe, Trace, in_io, run, spin
from treadle.loop.starvation import StarvationLog

Loop = treadle.EventLoop

GUARD_CALLBACKS = 1_000  # ticks and microtasks in one drain
GUARD_MS = 10  # ... that also took this long
GUARD_SOON = 128  # asyncio's callbacks in one drain


def start_flood(loop: Loop, kind: str, is_over: Callable[[], bool], trace: Trace) -> None:
    """Callbacks that schedule the next one of their kind; the trace gets "flood ends"."""
    end_s = time.monotonic() + DEADLINE_S

    def again(schedule: Callable[[], object]) -> None:
        if is_over():
            trace.append("flood ends")
        elif time.monotonic() > end_s:
            trace.append("flood was never interrupted")
        else:
            schedule()

    def tick() -> None:
        again(lambda: loop.next_tick(tick))

    def microtask() -> None:
        again(lambda: loop.queue_microtask(microtask))

    def soon() -> None:
        again(lambda: loop.call_soon(soon))

    def threadsafe() -> None:
        again(lambda: loop.call_soon_threadsafe(threadsafe))

    def future(_: object = None) -> None:
        again(one_more_future)

    def one_more_future() -> None:
        made = loop.create_future()
        made.add_done_callback(future)
        made.set_result(None)

    async def child() -> None: ...

    async def task() -> None:
        while not is_over() and time.monotonic() < end_s:
            await asyncio.create_task(child())
        again(lambda: None)

    starts: dict[str, Callable[[], object]] = {
        "tick": tick,
        "microtask": microtask,
        "soon": soon,
        "threadsafe": threadsafe,
        "future": future,
        "task": lambda: loop.create_task(task()),
    }
    loop.next_tick(starts[kind])


KINDS = ["tick", "microtask", "soon", "threadsafe", "future", "task"]


# -- what goes on during a flood


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("timer", ["timeout", "alarm"])
def test_timers_go_on(idle_loop: Loop, kind: str, timer: str) -> None:
    trace: Trace = []
    loop = idle_loop
    if timer == "timeout":
        loop.set_timeout(trace.append, 1, "timer")
    else:
        loop.call_later(0.001, trace.append, "timer")
    start_flood(loop, kind, lambda: "timer" in trace, trace)
    run(loop)
    assert trace == ["timer", "flood ends"]
    assert loop.statistics()["guard_turns"] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_io_goes_on(idle_loop: Loop, pipe: Pipe, kind: str) -> None:
    trace: Trace = []
    loop = idle_loop
    in_io(loop, pipe, lambda: trace.append("io"))
    start_flood(loop, kind, lambda: "io" in trace, trace)
    run(loop)
    assert trace == ["io", "flood ends"]


@pytest.mark.parametrize("kind", KINDS)
def test_immediates_and_yields_go_on(idle_loop: Loop, kind: str) -> None:
    trace: Trace = []
    loop = idle_loop

    async def yielding() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        trace.append("yielded")

    loop.create_task(yielding())
    start_flood(loop, kind, lambda: "yielded" in trace, trace)
    run(loop)
    assert trace == ["yielded", "flood ends"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_conversation_over_sockets_goes_on(idle_loop: Loop, kind: str) -> None:
    """Many callbacks, one after another, each of them behind a turn of the flooded loop."""
    trace: Trace = []
    loop = idle_loop

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async def talk() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for n in range(5):
            writer.write(b"%d\n" % n)
            trace.append(await reader.readline())
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        trace.append("said")

    loop.create_task(talk())
    start_flood(loop, kind, lambda: "said" in trace, trace)
    run(loop)
    assert trace == [*(b"%d\n" % n for n in range(5)), "said", "flood ends"]


def test_microtasks_go_on_while_ticks_flood(idle_loop: Loop) -> None:
    """In Node they would wait for ever."""
    trace: Trace = []
    loop = idle_loop
    loop.queue_microtask(lambda: trace.append("microtask"))
    start_flood(loop, "tick", lambda: "microtask" in trace or loop.statistics()["guard_turns"] > 1_000, trace)
    loop.set_immediate(int)  # a callback of the forced turn, which gets its pass of microtasks
    run(loop)
    assert trace == ["microtask", "flood ends"]


@pytest.mark.parametrize("count", [1, GUARD_SOON - 1, GUARD_SOON, GUARD_SOON + 1, 3 * GUARD_SOON])
def test_asyncios_callbacks_never_touch_the_order_of_node(idle_loop: Loop, count: int) -> None:
    """However many of them stand there: ticks and queue_microtask run to the end before the next callback does."""
    trace: Trace = []
    loop = idle_loop

    def note(name: str) -> Callable[[], None]:
        return lambda: trace.append(name)

    def first() -> None:
        trace.append("A")
        loop.next_tick(lambda: (trace.append("tick"), loop.next_tick(trace.append, "nested tick")))
        loop.queue_microtask(lambda: (trace.append("microtask"), loop.queue_microtask(note("nested microtask"))))

    loop.set_immediate(first)
    loop.set_immediate(trace.append, "B")
    for _ in range(count):
        loop.call_soon(int)
    loop.queue_microtask(note("behind them"))
    loop.call_soon(trace.append, "last")
    run(loop)
    trace.remove("last")  # it may be anywhere: asyncio promises the next iteration
    assert trace == ["behind them", "A", "tick", "nested tick", "microtask", "nested microtask", "B"]


def test_a_reader_keeps_nodes_order_during_a_flood_of_call_soon(idle_loop: Loop, pipe: Pipe) -> None:
    trace: Trace = []
    loop = idle_loop

    def flood(left: int) -> None:
        if left:
            loop.call_soon(flood, left - 1)
        else:
            trace.append("flood ends")

    def on_io() -> None:
        trace.append("io")
        loop.next_tick(loop.next_tick, trace.append, "nested tick")

    in_io(loop, pipe, on_io)
    loop.set_immediate(trace.append, "immediate")
    loop.call_soon(flood, 2 * GUARD_SOON - 20)
    run(loop)
    assert trace == ["io", "nested tick", "immediate", "flood ends"]


def test_a_callback_is_followed_by_one_bounded_pass_during_a_flood_of_ticks(idle_loop: Loop) -> None:
    """What that queues waits for the next one."""
    trace: Trace = []
    loop = idle_loop

    def flood(left: int) -> None:
        if left == 2 * GUARD_CALLBACKS:
            spin(2 * GUARD_MS)
        if left:
            loop.next_tick(flood, left - 1)
        else:
            trace.append("flood ends")

    def first() -> None:
        trace.append("A")
        loop.next_tick(loop.next_tick, trace.append, "nested tick")

    loop.set_immediate(first)
    loop.set_immediate(trace.append, "B")
    loop.next_tick(flood, 2 * GUARD_CALLBACKS + 100)
    run(loop)
    assert trace == ["A", "B", "nested tick", "flood ends"]


def test_a_flood_of_ticks_within_one_of_call_soon_is_bounded_too(idle_loop: Loop, pipe: Pipe) -> None:
    trace: Trace = []
    loop = idle_loop
    end_s = time.monotonic() + DEADLINE_S

    def ticks() -> None:
        if "io" not in trace and time.monotonic() < end_s:
            loop.next_tick(ticks)

    def soon() -> None:
        if "io" not in trace and time.monotonic() < end_s:
            loop.call_soon(soon)

    loop.call_soon(soon)
    loop.set_immediate(ticks)
    loop.set_immediate(lambda: in_io(loop, pipe, lambda: trace.append("io")))
    run(loop)
    assert trace == ["io"]
    assert time.monotonic() < end_s


def test_microtasks_that_overtook_are_not_left_behind(idle_loop: Loop) -> None:
    """The places that they leave in the queue hold neither the program nor a stop."""
    loop = idle_loop
    ran: list[int] = []
    for number in range(3 * GUARD_SOON):
        loop.call_soon(ran.append, number)
        loop.queue_microtask(int)
    loop.call_soon(lambda: loop.call_soon(loop.stop))
    run(loop)
    assert ran == list(range(3 * GUARD_SOON))
    assert loop.statistics()["microtasks_queued"] == 0


def test_microtasks_that_overtake_leave_nothing_behind(idle_loop: Loop) -> None:
    """However many of asyncio's wait beside them, and for however long: what is held does not grow."""
    loop = idle_loop
    held_bytes: list[int] = []
    turns = 60

    def soon() -> None:
        if len(held_bytes) < turns:
            loop.call_soon(soon)

    def chain(left: int) -> None:
        if left:
            loop.queue_microtask(lambda: chain(left - 1))

    def every_turn() -> None:
        held_bytes.append(tracemalloc.get_traced_memory()[0])
        if len(held_bytes) < turns:
            chain(GUARD_CALLBACKS)
            loop.set_immediate(every_turn)

    for _ in range(10_000):
        loop.call_soon(soon)
    every_turn()
    tracemalloc.start()
    try:
        run(loop)
    finally:
        tracemalloc.stop()
    after_first_turns = held_bytes[turns // 4 :]
    assert max(after_first_turns) - after_first_turns[0] < 128 * 1024  # a place for each would be 350 KiB


def test_floods_keep_their_order_among_themselves(idle_loop: Loop) -> None:
    trace: Trace = []
    loop = idle_loop

    def feed(name: str, n: int) -> None:
        trace.append(f"{name}{n}")
        if n < 500:
            loop.call_soon(feed, name, n + 1)

    def every_turn() -> None:
        if f"b{500}" not in trace:
            loop.set_immediate(every_turn)

    loop.call_soon(feed, "a", 0)
    loop.call_soon(feed, "b", 0)
    every_turn()
    run(loop)
    assert trace == [f"{name}{n}" for n in range(501) for name in "ab"]
    assert loop.statistics()["guard_turns"] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_loop_can_be_stopped_during_a_flood(loop: Loop, kind: str) -> None:
    trace: Trace = []

    def stop() -> None:
        trace.append("stop")
        loop.stop()

    loop.set_timeout(stop, 1)
    start_flood(loop, kind, lambda: False, trace)
    run(loop)
    assert trace == ["stop"]


# -- when it steps in


class Counted:
    """A flood of so many callbacks, started by a callback of the timers phase."""

    def __init__(self, loop: Loop, kind: str, callbacks: int, slow: int = 0) -> None:
        self.ran = 0
        self._callbacks = callbacks
        self._slow = slow  # the number of the callback that takes longer than the guard allows
        self._schedule = {"soon": loop.call_soon, "tick": loop.next_tick, "microtask": loop.queue_microtask}[kind]
        loop.set_timeout(self._feed, 1)
        spin(2)

    def _feed(self) -> None:
        if self.ran == self._slow:
            spin(2 * GUARD_MS)
        self._schedule(self._count)

    def _count(self) -> None:
        self.ran += 1
        if self.ran < self._callbacks:
            self._feed()


def test_asyncios_callbacks_after_128_in_one_drain(idle_loop: Loop, pipe: Pipe) -> None:
    seen: list[int] = []
    flood = Counted(idle_loop, "soon", 1_000)
    in_io(idle_loop, pipe, lambda: seen.append(flood.ran))
    run(idle_loop)
    assert seen == [GUARD_SOON]
    assert flood.ran == 1_000


@pytest.mark.parametrize("kind", ["tick", "microtask"])
def test_ticks_and_microtasks_after_1000_in_one_drain_that_took_10_ms(idle_loop: Loop, pipe: Pipe, kind: str) -> None:
    seen: list[int] = []
    flood = Counted(idle_loop, kind, 5_000, slow=100)
    in_io(idle_loop, pipe, lambda: seen.append(flood.ran))
    run(idle_loop)
    assert GUARD_CALLBACKS <= seen[0] < GUARD_CALLBACKS + 64  # the clock is looked at after each 64
    assert flood.ran == 5_000


@pytest.mark.parametrize("start", ["before the run", "timers"])
def test_timers_do_not_wait_for_a_second_drain(idle_loop: Loop, start: str) -> None:
    """Whichever phase the flood begins in, one whole turn runs once the drain was cut."""
    seen: list[int] = []
    loop = idle_loop
    ran = 0

    def feed() -> None:
        nonlocal ran
        ran += 1
        if ran < 1_000:
            loop.call_soon(feed)

    def begin() -> None:
        loop.call_soon(feed)
        loop.set_timeout(lambda: seen.append(ran), 1)
        spin(2)

    if start == "timers":
        loop.set_timeout(begin, 1)
    else:
        begin()
    run(loop)
    assert seen == [GUARD_SOON]


@pytest.mark.parametrize(
    ("kind", "callbacks"), [("tick", GUARD_CALLBACKS - 1), ("microtask", GUARD_CALLBACKS - 1), ("soon", GUARD_SOON - 1)]
)
def test_fewer_callbacks_are_never_interrupted_however_long_they_take(idle_loop: Loop, kind: str, callbacks: int) -> None:
    """A slow callback is a stall, not starvation."""
    trace: Trace = []
    loop = idle_loop
    ran = 0

    def is_over() -> bool:
        nonlocal ran
        ran += 1
        if ran % 100 == 0:
            spin(GUARD_MS)
        return ran == callbacks

    loop.set_timeout(trace.append, 1, "timer")
    spin(2)
    start_flood(loop, kind, is_over, trace)
    run(loop)
    assert trace == ["flood ends", "timer"]
    assert loop.statistics()["guard_turns"] == 0


@pytest.mark.parametrize("kind", ["tick", "microtask"])
def test_quick_callbacks_are_never_interrupted_however_many(idle_loop: Loop, kind: str) -> None:
    """2,000 of them take less than 1 ms; a round that the machine held up says nothing, and is repeated."""
    loop = idle_loop
    for _ in range(100):
        trace: Trace = []
        ran = 0

        def is_over() -> bool:
            nonlocal ran
            ran += 1
            return ran == 2_000

        before = loop.statistics()["guard_turns"]
        loop.set_timeout(trace.append, 1, "timer")
        spin(2)
        start_flood(loop, kind, is_over, trace)
        started_s = time.perf_counter()
        run(loop)
        if time.perf_counter() - started_s < GUARD_MS / 1000:
            assert trace == ["flood ends", "timer"]
            assert loop.statistics()["guard_turns"] == before
            return
    pytest.skip("2,000 callbacks took more than 10 ms in each of 100 rounds")


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_guard_nothing_interrupts(idle_loop: Loop, kind: str) -> None:
    """Then Node's rule alone holds."""
    trace: Trace = []
    loop = idle_loop
    loop.starvation_guard = False
    ran = 0
    end_s = 0.0

    def is_over() -> bool:
        nonlocal ran, end_s
        ran += 1
        end_s = end_s or time.perf_counter() + 3 * GUARD_MS / 1000
        return ran > 3 * GUARD_CALLBACKS and time.perf_counter() > end_s

    loop.set_timeout(trace.append, 1, "timer")
    loop.set_immediate(trace.append, "immediate")
    start_flood(loop, kind, is_over, trace)
    run(loop)
    assert trace == ["flood ends", "timer", "immediate"]
    assert loop.statistics()["guard_turns"] == 0


def test_forced_turns_are_counted(idle_loop: Loop) -> None:
    length = 3 * GUARD_SOON + 20  # a few of them run in the bounded drains of the forced turns
    flood = Counted(idle_loop, "soon", length)
    turns = idle_loop.turns
    run(idle_loop)
    assert flood.ran == length
    assert idle_loop.statistics()["guard_turns"] == 3
    assert idle_loop.turns - turns >= 3


# -- who is named


def sources(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Who was named, in the log of treadle.loop."""
    named = []
    for record in caplog.records:
        assert (record.name, record.levelno) == ("treadle.loop", logging.WARNING)
        assert isinstance(record.args, tuple)
        what, flood_ms, source, _cure = record.args
        assert what == "microtasks"
        assert isinstance(flood_ms, int)
        assert flood_ms >= 100
        named.append(str(source))
    return named


def flood_for(loop: Loop, feed: Callable[[], object], is_over: Callable[[], bool]) -> None:
    """feed() again and again, as a callback of call_soon, until is_over()."""
    end_s = time.monotonic() + DEADLINE_S

    def stop_when_over() -> None:
        if is_over() or time.monotonic() > end_s:
            loop.stop()
        else:
            loop.set_immediate(stop_when_over)

    loop.set_immediate(stop_when_over)
    feed()
    run(loop)


@pytest.mark.slow
def test_the_feeder_is_named_once(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    def feed_the_first() -> None:
        loop.call_soon(feed_the_first)

    def feed_the_second() -> None:
        loop.queue_microtask(feed_the_second)

    flood_for(loop, feed_the_first, lambda: len(caplog.records) > 0)
    (first,) = sources(caplog)
    assert "feed_the_first" in first
    assert f"{__file__}:{feed_the_first.__code__.co_firstlineno}" in first

    end_s = time.monotonic() + 0.3
    flood_for(loop, lambda: None, lambda: time.monotonic() > end_s)  # the same flood goes on
    assert sources(caplog) == [first]
    loop.close()


@pytest.mark.slow
def test_a_log_that_fails_ends_nothing(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as what a finalizer raises, once."""
    told: list[str] = []

    class Broken(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise BaseException(record.args[0])  # type: ignore[index]

    def feed() -> None:
        loop.next_tick(feed)

    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(str(unraisable.exc_value)))
    logger, broken = logging.getLogger("treadle.loop"), Broken()
    logger.addFilter(broken)
    try:
        flood_for(loop, feed, lambda: bool(told))
        end_s = time.monotonic() + 0.3
        flood_for(loop, lambda: None, lambda: time.monotonic() > end_s)  # the same flood goes on
    finally:
        logger.removeFilter(broken)
    assert told == ["microtasks"]
    loop.close()


@pytest.mark.slow
def test_every_feeder_is_named(caplog: pytest.LogCaptureFixture) -> None:
    loop = treadle.new_event_loop()
    is_first = True

    def feed_the_first() -> None:
        if is_first:
            loop.call_soon(feed_the_first)

    def feed_the_second() -> None:
        loop.queue_microtask(feed_the_second)

    flood_for(loop, feed_the_first, lambda: len(caplog.records) > 0)
    is_first = False
    loop.set_immediate(loop.call_soon, int)  # a turn in which nothing floods
    run(loop)
    flood_for(loop, lambda: loop.set_immediate(feed_the_second), lambda: len(caplog.records) > 1)
    loop.close()
    first, second = sources(caplog)
    assert "feed_the_first" in first
    assert "feed_the_second" in second


@pytest.mark.slow
def test_of_a_task_the_coroutine_is_named(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    async def ping_pong(mine: asyncio.Queue[int], other: asyncio.Queue[int]) -> None:
        while True:
            other.put_nowait(await mine.get())

    async def start() -> None:
        queues: list[asyncio.Queue[int]] = [asyncio.Queue(), asyncio.Queue()]
        queues[0].put_nowait(1)
        await asyncio.gather(ping_pong(*queues), ping_pong(*reversed(queues)))

    task = loop.create_task(start())
    flood_for(loop, lambda: None, lambda: len(caplog.records) > 0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    (source,) = sources(caplog)
    assert "ping_pong" in source
    assert f"{__file__}:{ping_pong.__code__.co_firstlineno}" in source


@pytest.mark.parametrize("callbacks", [GUARD_SOON, GUARD_SOON + 50])
def test_bursts_with_rests_between_them_are_no_flood(loop: Loop, caplog: pytest.LogCaptureFixture, callbacks: int) -> None:
    def burst(behind: Callable[[], object]) -> None:
        for _ in range(callbacks):
            loop.call_soon(int)
        loop.set_immediate(behind)  # in the forced turn: a bounded drain, which runs the rest

    def rest_and_burst() -> None:
        assert loop.statistics()["microtasks_queued"] == 0
        spin(120)
        burst(int)

    loop.set_timeout(burst, 1, lambda: loop.set_timeout(rest_and_burst, 1))
    run(loop)
    assert sources(caplog) == []


def test_no_more_than_1000_sources_are_remembered(caplog: pytest.LogCaptureFixture) -> None:
    """Later floods are counted, not logged: callbacks made on the fly must not fill the memory, or the log."""
    log = StarvationLog()

    def made(number: int) -> Callable[[], None]:
        def function() -> None: ...

        function.__qualname__ = f"made_{number}"
        return function

    for number in [*range(1_100), *range(1_100)]:
        source = log.report("microtasks", [(made(number), None)], 200_000_000)
        assert source is not None
        assert source.startswith(f"made_{number} (")
    assert len(caplog.records) == 1_000


def test_of_treadles_own_only_if_there_is_no_other(idle_loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    log = StarvationLog()
    ours, users = (idle_loop.next_tick, (int,)), (spin, (1,))
    for suspects in [(None, None), ours, users], [users, ours]:
        source = log.report("microtasks", suspects, 200_000_000)
        assert source is not None
        assert source.startswith("spin (")
    source = log.report("microtasks", [ours, (None, None)], 200_000_000)
    assert source is not None
    assert "next_tick" in source
    assert len(caplog.records) == 2


# -- what deserves no warning, and what no harm comes from


def a_second_of(loop: Loop, start: Callable[[], object]) -> None:
    """So long, and a bit."""
    end_s = time.monotonic() + 1.2
    flood_for(loop, start, lambda: time.monotonic() > end_s)


@pytest.mark.slow
def test_ordinary_programs_of_asyncio_are_counted_but_not_logged(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """Tasks that wake one another are what such a program consists of, for less than a second."""

    async def pass_on(mine: asyncio.Queue[int], other: asyncio.Queue[int], end_s: float) -> None:
        while time.monotonic() < end_s:
            other.put_nowait(await mine.get())
        other.put_nowait(0)

    async def main() -> None:
        queues: list[asyncio.Queue[int]] = [asyncio.Queue(), asyncio.Queue()]
        queues[0].put_nowait(1)
        end_s = time.monotonic() + 0.3
        await asyncio.gather(pass_on(*queues, end_s), pass_on(*reversed(queues), end_s))

    loop.run_until_complete(main())
    assert loop.statistics()["floods"] > 0
    assert sources(caplog) == []


class Hostile:
    """A callback whose every attribute is a trap."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop

    def __call__(self) -> None:
        self.loop.call_soon(self)

    def __repr__(self) -> str:
        raise RuntimeError("__repr__ was called")

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"{name} was asked for")


@pytest.mark.slow
def test_naming_a_feeder_runs_none_of_its_code(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    a_second_of(loop, Hostile(loop))
    (source,) = sources(caplog)
    assert source.startswith("Hostile (")
    loop.close()
