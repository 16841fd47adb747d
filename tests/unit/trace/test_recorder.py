"""What a traced loop records of each kind of callback, and how much of it is kept."""

import asyncio
import contextlib
import functools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from treadle import fs, process, queue_microtask, timers
from treadle.loop import program
from treadle.loop.current import get_loop
from treadle.trace import Kind, Phase, Record, Recorder, TracedEventLoop
from treadle.trace.reasons import why

HERE = __file__


def traced(main: Callable[[], object], recorder: Recorder | None = None) -> list[Record]:
    recorder = recorder or Recorder()
    program.run_script(main, TracedEventLoop(recorder))
    return list(recorder.records)


def named(records: list[Record], name: str) -> list[Record]:
    return [record for record in records if record.name.rpartition(".")[2] == name]


def one(records: list[Record], name: str) -> Record:
    (record,) = named(records, name)
    return record


def line_of(function: Any) -> tuple[str, int]:
    return HERE, function.__code__.co_firstlineno


def here(offset: int = 0) -> tuple[str, int]:
    return HERE, sys._getframe(1).f_lineno + offset


def test_every_kind_is_told_with_its_phase_and_its_origin() -> None:
    places: dict[str, tuple[str, int]] = {}

    def tick() -> None: ...
    def microtask() -> None: ...
    def soon() -> None: ...
    def timeout() -> None: ...
    def alarm() -> None: ...
    def immediate() -> None: ...
    def completion(error: object, data: object) -> None: ...
    def readable() -> None:
        get_loop().remove_reader(reader)

    def main() -> None:
        places["tick"] = here(1)
        process.next_tick(tick)
        places["microtask"] = here(1)
        queue_microtask(microtask)
        places["soon"] = here(1)
        get_loop().call_soon(soon)
        places["timeout"] = here(1)
        timers.set_timeout(timeout, 0)
        places["alarm"] = here(1)
        get_loop().call_later(0.002, alarm)
        places["immediate"] = here(1)
        timers.set_immediate(immediate)
        places["completion"] = here(1)
        fs.read_file(HERE, completion)
        places["readable"] = here(1)
        get_loop().add_reader(reader, readable)

    reader, writer = os.pipe()
    os.write(writer, b"x")
    try:
        records = traced(main)
    finally:
        os.close(reader)
        os.close(writer)

    seen = {}
    for function in (tick, microtask, soon, timeout, alarm, immediate, completion, readable):
        record = one(records, function.__name__)
        assert record.origin is not None
        assert record.origin.place == places[function.__name__]
        assert (record.origin.turn, record.origin.phase) == (0, Phase.OUTSIDE)
        assert record.place == line_of(function)
        seen[function.__name__] = record.kind, record.phase, record.origin.how, record.origin.delay_ms
    assert seen == {
        "tick": (Kind.TICK, Phase.OUTSIDE, "next_tick", None),
        "microtask": (Kind.MICROTASK, Phase.OUTSIDE, "queue_microtask", None),
        "soon": (Kind.SOON, Phase.OUTSIDE, "call_soon", None),
        "timeout": (Kind.TIMER, Phase.TIMERS, "set_timeout", 0),
        "alarm": (Kind.ALARM, Phase.TIMERS, "call_later", 2.0),
        "immediate": (Kind.IMMEDIATE, Phase.CHECK, "set_immediate", None),
        "completion": (Kind.COMPLETION, Phase.POLL, "read_file", None),
        "readable": (Kind.READY, Phase.POLL, "add_reader", None),
    }


def test_a_task_says_where_it_goes_on() -> None:
    async def task() -> None:
        places.append(here(1))
        await asyncio.sleep(0)
        places.append(here(1))
        await asyncio.sleep(0.001)

    def main() -> None:
        get_loop().create_task(task())

    places = [line_of(task)]
    steps = named(traced(main), "task")
    assert [(step.label, step.phase) for step in steps] == [
        ("task", Phase.OUTSIDE), ("yield", Phase.CHECK), ("task on", Phase.TIMERS)
    ]  # fmt: skip
    assert [step.place for step in steps] == places


def test_a_task_goes_on_in_the_innermost_coroutine_of_the_users() -> None:
    async def inner() -> None:
        places.append(here(1))
        await asyncio.sleep(0.001)  # asyncio's own coroutine is inside this one

    async def middle() -> None:
        await inner()

    async def outer() -> None:
        await middle()
        places.append(here(1))
        await asyncio.sleep(0)

    def main() -> None:
        get_loop().create_task(outer())

    places = [line_of(outer)]
    assert [step.place for step in named(traced(main), "outer")] == places


def test_it_is_told_when_a_task_goes_on_since_it_was_cancelled() -> None:
    async def task() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(0.001)

    def main() -> None:
        made = get_loop().create_task(task())
        timers.set_timeout(made.cancel, 1)

    steps = named(traced(main), "task")
    assert [step.label for step in steps] == ["task", "task on", "task on"]
    assert [why(step).startswith("it was cancelled") for step in steps] == [False, True, False]


def test_signals_name_their_listeners() -> None:
    def of_process(*_: object) -> None:
        get_loop().add_signal_handler(signal.SIGUSR2, of_asyncio)
        os.kill(os.getpid(), signal.SIGUSR2)

    def of_asyncio() -> None:
        get_loop().remove_signal_handler(signal.SIGUSR2)
        timer.close()

    timer: timers.Timeout

    def main() -> None:
        nonlocal timer
        timer = timers.set_timeout(int, 60_000)
        process.once("SIGUSR1", of_process)
        os.kill(os.getpid(), signal.SIGUSR1)

    records = traced(main)
    (heard,) = [record for record in records if record.name.startswith("SIGUSR1: ")]
    assert heard.name.endswith(".of_process")
    assert (heard.label, heard.place, heard.is_internal) == ("tick", line_of(of_process), False)
    heard = one(records, "of_asyncio")
    assert (heard.label, heard.place) == ("call_soon", line_of(of_asyncio))


def test_transports_call_their_protocols() -> None:
    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            transport.close()

        def connection_lost(self, error: object) -> None: ...

    def main() -> None:
        get_loop().create_task(connect())

    async def connect() -> None:
        left, right = socket.socketpair()
        await get_loop().create_connection(Protocol, sock=left)
        right.close()

    records = traced(main)
    assert one(records, "connection_made").place == line_of(Protocol.connection_made)
    assert one(records, "connection_lost").place == line_of(Protocol.connection_lost)
    assert [record.is_internal for record in named(records, "hand_over")] == [True]


def test_what_runs_inside_another_record_knows_it() -> None:
    def when_read(error: object, data: object) -> None:
        process.next_tick(tick)

    def tick() -> None: ...

    records = traced(lambda: fs.read_file(HERE, when_read))
    event = next(record for record in records if record.kind is Kind.EVENT)
    read, ticked = one(records, "when_read"), one(records, "tick")
    assert (event.depth, read.depth, read.parent, ticked.parent) == (0, 1, event.number, event.number)
    assert ticked.origin is not None
    assert ticked.origin.by == read.number
    assert event.start_ns <= read.start_ns
    assert read.start_ns + read.duration_ns <= ticked.start_ns
    assert ticked.start_ns + ticked.duration_ns <= event.start_ns + event.duration_ns


def test_a_timer_is_never_recorded_before_it_is_due() -> None:
    def late() -> None: ...

    record = one(traced(lambda: timers.set_timeout(late, 3)), "late")
    assert record.due_ns is not None
    assert record.start_ns >= record.due_ns


def test_an_interval_keeps_its_origin() -> None:
    def beat() -> None:
        beats.append(1)
        if len(beats) == 3:
            timer.close()

    def main() -> None:
        nonlocal timer
        timer = timers.set_interval(beat, 1)

    beats: list[int] = []
    timer: timers.Timeout
    records = named(traced(main), "beat")
    assert [record.label for record in records] == ["interval"] * 3
    assert all(record.origin is not None and record.origin.how == "set_interval" for record in records)


def test_another_thread_is_told() -> None:
    def woken() -> None: ...

    async def main() -> None:
        thread = threading.Thread(target=get_loop().call_soon_threadsafe, args=(woken,))
        thread.start()
        thread.join()

    record = one(traced(lambda: treadle.run(main)), "woken")
    assert record.origin is not None
    assert record.origin.is_other_thread
    assert record.origin.by is None


def test_names_of_what_is_no_plain_function() -> None:
    class Called:
        def __call__(self) -> None: ...

    class Hostile:
        def __call__(self) -> None: ...

        @property
        def __code__(self) -> object:
            raise RuntimeError("not for you")

        __self__ = __code__

    def function() -> None: ...

    def main() -> None:
        process.next_tick(functools.partial(function))
        process.next_tick(Called())
        process.next_tick(Hostile())
        process.next_tick(len, "")

    names = [record.name.rpartition(".")[2] for record in traced(main) if record.kind is Kind.TICK]
    assert names[1:5] == ["function", "Called", "Hostile", "len"]


def test_a_failing_callback_ends_its_record() -> None:
    def fail() -> None:
        raise ValueError("expected")

    def after() -> None: ...

    def main() -> None:
        timers.set_immediate(fail)
        timers.set_timeout(after, 1)

    recorder = Recorder()
    with pytest.raises(ValueError, match="expected"):
        program.run_script(main, TracedEventLoop(recorder))
    assert one(list(recorder.records), "fail").duration_ns > 0


def test_the_last_records_are_kept_and_the_others_counted() -> None:
    left = 50

    def again() -> None:
        nonlocal left
        left -= 1
        if left:
            timers.set_immediate(again)

    recorder = Recorder(records_max=10)
    records = traced(again, recorder)
    assert len(records) == 10
    assert [record.number for record in records] == list(range(recorder.dropped + 1, recorder.dropped + 11))


def test_one_endless_turn_is_bounded_too() -> None:
    left = 5_000

    def again() -> None:
        nonlocal left
        left -= 1
        if left:
            process.next_tick(again)

    def main() -> None:
        get_loop().starvation_guard = False
        again()

    assert len(traced(main, Recorder(records_max=10))) == 10


def test_it_stops_after_so_many_turns_and_the_program_goes_on() -> None:
    turns: list[int] = []

    def again() -> None:
        turns.append(get_loop().turns)
        if len(turns) < 10:
            timers.set_immediate(again)

    records = traced(lambda: timers.set_immediate(again), Recorder(turns_max=3))
    assert len(turns) == 10
    assert max(record.turn for record in records) == 3


def test_only_slow_turns_are_kept_when_asked() -> None:
    def last() -> None: ...

    def behind() -> None:  # what had to wait meanwhile runs in this turn
        timers.set_immediate(last)

    def slow() -> None:
        end_ns = get_loop().time() + 0.02
        while get_loop().time() < end_ns:
            pass
        timers.set_immediate(behind)

    records = traced(lambda: timers.set_immediate(slow), Recorder(slow_ms=20))
    assert [record.name.rpartition(".")[2] for record in records if record.turn > 0] == ["slow", "behind"]


def test_no_more_than_the_bound_of_origins_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of cancelled handles, too, which never run: the latest ones are known, and none is once the run is over."""
    monkeypatch.setattr("treadle.trace.recorder.ORIGINS_MAX", 100)
    recorder = Recorder()
    loop = TracedEventLoop(recorder)
    handles: list[Any] = []

    def main() -> None:
        for _ in range(1_000):
            handles.append(get_loop().call_later(60, print))
            handles[-1].cancel()
        assert list(recorder._origins) == [id(handle) for handle in handles[-100:]]

    program.run_script(main, loop)
    assert not recorder._origins


def test_wrong_callbacks_are_refused_as_ever() -> None:
    def main() -> None:
        loop = get_loop()
        for schedule in (loop.next_tick, loop.queue_microtask, loop.set_immediate, loop.call_soon):
            with pytest.raises(TypeError):
                schedule(None)  # type: ignore[arg-type]

    traced(main)


def test_debug_mode_and_tracing_stand_each_other() -> None:
    def soon() -> None: ...

    def main() -> None:
        get_loop().set_debug(True)
        get_loop().call_soon(soon)
        get_loop().call_later(0.001, late)

    def late() -> None:
        get_loop().set_debug(False)
        get_loop().call_soon(soon)

    assert len(named(traced(main), "soon")) == 2


def test_a_line_of_treadle_is_no_users_line() -> None:
    """timers.promises schedules in treadle's code: the user's line is the one that called it."""

    async def main() -> None:
        places.append(here(1))
        await timers.promises.sleep(1)

    places: list[tuple[str, int]] = []
    records = traced(lambda: treadle.run(main))
    timer = next(record for record in records if record.kind is Kind.TIMER)
    assert timer.origin is not None
    assert timer.origin.place == places[0]
