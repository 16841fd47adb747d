"""What never ends lets the loop turn, what goes on for long keeps its memory, and what nobody refers to is gone."""

from __future__ import annotations

import gc
import os
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.streams.support import Sink, settle, turns
from treadle import AbortController, TreadleError
from treadle.loop import get_loop
from treadle.streams import Duplex, PassThrough, Readable, Transform, Writable, compose, duplex_pair, finished, pipeline

MILLION = 1_000_000
GROWTH_KIB_MAX = 4 * 1024  # of a million chunks: four bytes of each that stayed would be seen


def endless(**options: Any) -> Readable:
    """Pushes whenever it is asked, at once."""

    def read(size: int) -> None:
        stream.push(0)

    stream = Readable(object_mode=True, read=read, **options)
    return stream


def void(**options: Any) -> Writable:
    """Takes everything at once."""
    return Writable(object_mode=True, write=lambda chunk, encoding, callback: callback(), **options)


# ---- liveness


class Beside:
    """A timer, an immediate and a descriptor, which want to run beside a stream that never ends."""

    def __init__(self) -> None:
        self.has_run: list[str] = []
        self.all: Any = get_loop().create_future()
        self.reader, self._writer = os.pipe()
        os.write(self._writer, b"x")
        loop = get_loop()
        loop.set_timeout(self._note, 1, "timer")
        loop.set_immediate(self._note, "immediate")
        loop.add_reader(self.reader, self._on_readable)

    def _on_readable(self) -> None:
        get_loop().remove_reader(self.reader)
        os.close(self.reader)
        os.close(self._writer)
        self._note("descriptor")

    def _note(self, what: str) -> None:
        self.has_run.append(what)
        if len(self.has_run) == 3:
            self.all.set_result(None)


async def iterate(source: Readable) -> None:
    async for _ in source:
        pass


async def relay(chunks: Any) -> Any:
    async for chunk in chunks:
        yield chunk


def forever() -> Any:
    while True:
        yield 0


async def forever_async() -> Any:
    while True:
        yield 0


def read_all(source: Readable) -> None:
    source.on("readable", lambda: deque(iter(source.read, None), maxlen=0))


def read_some(source: Readable) -> None:
    source.on("readable", lambda: [source.read() for _ in range(4)])


FLOWS: dict[str, Callable[[Readable], Any]] = {
    "pipe": lambda source: source.pipe(void()),
    "two pipes": lambda source: (source.pipe(void()), source.pipe(void())),
    "data": lambda source: source.on("data", lambda chunk: None),
    "resume": lambda source: source.resume(),
    "readable": read_some,
    "through a transform": lambda source: source.pipe(PassThrough(object_mode=True)).pipe(void()),
}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
async def test_what_flows_without_an_end_lets_the_rest_run(flow: Callable[[Readable], Any]) -> None:
    source, beside = endless(), Beside()
    source.on("error", lambda error: None)
    flow(source)
    await beside.all
    source.destroy()
    await settle()


RUNS: dict[str, Callable[[Any], Any]] = {
    "a pipeline": lambda signal: pipeline(endless(), void(), signal=signal),
    "with a transform": lambda signal: pipeline(endless(), PassThrough(object_mode=True), void(), signal=signal),
    "with a generator": lambda signal: pipeline(endless(), relay, void(), signal=signal),
    "into a function": lambda signal: pipeline(endless(), iterate, signal=signal),
    "of a generator": lambda signal: pipeline(forever, void(), signal=signal),
    "of a generator, into a function": lambda signal: pipeline(forever, iterate, signal=signal),
    "of an async generator": lambda signal: pipeline(forever_async, void(), signal=signal),
    "of an iterable": lambda signal: pipeline(Readable.from_(forever()), void(), signal=signal),
    "of an async iterable": lambda signal: pipeline(Readable.from_(forever_async()), void(), signal=signal),
    "composed": lambda signal: pipeline(endless(), compose(PassThrough(object_mode=True), relay), void(), signal=signal),
    "for_each": lambda signal: endless().for_each(lambda chunk: None, signal=signal),
    "map": lambda signal: endless().map(lambda chunk: chunk).for_each(lambda chunk: None, signal=signal),
    "filter": lambda signal: endless().filter(lambda chunk: False).for_each(lambda chunk: None, signal=signal),
    "drop": lambda signal: endless().drop(MILLION * MILLION).to_list(signal=signal),
    "reduce": lambda signal: endless().reduce(lambda total, chunk: 0, signal=signal),
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
async def test_what_runs_without_an_end_can_be_aborted_by_a_timer(run: Callable[[Any], Any]) -> None:
    controller, beside = AbortController(), Beside()
    beside.all.add_done_callback(lambda _: controller.abort())
    with pytest.raises(TreadleError) as caught:
        await run(controller.signal)
    assert caught.value.code == "ABORT_ERR"
    await settle()
    assert sorted(beside.has_run) == ["descriptor", "immediate", "timer"]


# ---- memory


def resident_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


class Counted:
    """A source of a million chunks, which notes the memory after a tenth of them and at the end."""

    def __init__(self) -> None:
        self.count = 0
        self.notes: list[int] = []
        self.stream = Readable(object_mode=True, read=self._read)

    def _read(self, size: int) -> None:
        for item in self.items(16):
            self.stream.push(item)

    def items(self, count: int = MILLION) -> Any:
        for _ in range(min(count, MILLION - self.count)):
            self.count += 1
            if self.count == MILLION // 10 or self.count == MILLION:
                self.notes.append(resident_kib())
            yield self.count
        if self.count == MILLION and count < MILLION:
            yield None

    async def items_async(self) -> Any:
        for item in self.items():
            yield item


def hear_all(source: Readable) -> Any:
    source.on("data", lambda chunk: None)
    return finished(source)


def read_each(source: Readable) -> Any:
    read_all(source)
    return finished(source)


def pipe_all(source: Readable) -> Any:
    return finished(source.pipe(void()))


LONG: dict[str, Callable[[Counted], Any]] = {
    "data": lambda counted: hear_all(counted.stream),
    "readable": lambda counted: read_each(counted.stream),
    "async for": lambda counted: iterate(counted.stream),
    "pipe": lambda counted: pipe_all(counted.stream),
    "pipeline": lambda counted: pipeline(counted.stream, PassThrough(object_mode=True), void()),
    "generator": lambda counted: pipeline(counted.stream, relay, void()),
    "from_": lambda counted: iterate(Readable.from_(counted.items())),
    "from_ async": lambda counted: iterate(Readable.from_(counted.items_async(), high_water_mark=64)),
}


@pytest.mark.slow
@pytest.mark.parametrize("run", LONG.values(), ids=LONG)
async def test_a_million_chunks_leave_nothing(run: Callable[[Counted], Any]) -> None:
    counted = Counted()
    await run(counted)
    after_a_tenth, at_the_end = counted.notes
    assert at_the_end - after_a_tenth < GROWTH_KIB_MAX


async def test_writes_that_wait_are_bounded_by_who_heeds_the_mark() -> None:
    sink, most = Sink(object_mode=True, is_open=False), 0
    for number in range(1000):
        fits = sink.write(number)
        most = max(most, sink.writable_length)
        if not fits:
            while sink.is_busy:
                sink.take()
            await sink.ready()
    assert most == 16
    sink.destroy()


# ---- who lets go


IDLE: dict[str, Callable[[], Any]] = {
    "Readable": Readable,
    "Readable of a hook": lambda: Readable(read=len),
    "Writable": Writable,
    "Writable of a hook": lambda: Writable(write=print),
    "Duplex": Duplex,
    "Transform": Transform,
    "PassThrough": PassThrough,
    "of an iterable": lambda: Readable.from_([1, 2]),
}
IN_A_CYCLE = {"of an iterable"}  # the source of its items is its hooks


@pytest.mark.parametrize("kind", IDLE)
async def test_an_idle_stream_that_is_dropped_is_gone(kind: str) -> None:
    gc.collect()
    gc.disable()
    try:
        stream = IDLE[kind]()
        gone = weakref.ref(stream)
        del stream
        assert gone() is None or kind in IN_A_CYCLE
    finally:
        gc.enable()
    gc.collect()
    assert gone() is None


async def use_readable() -> Any:
    stream = Readable(read=lambda size: None)
    stream.push(b"x")
    stream.on("data", print).pause()
    await turns()
    return stream


async def use_writable() -> Any:
    stream = Writable(write=lambda chunk, encoding, callback: callback())
    stream.write(b"x")
    await turns()
    return stream


async def use_pipe() -> Any:
    stream = Readable(read=lambda size: None)
    stream.pipe(PassThrough())
    stream.push(b"x")
    await turns()
    return stream


async def use_pair() -> Any:
    left, right = duplex_pair()
    left.write(b"x")
    await turns()
    right.read()
    await turns()
    return left


async def use_iterator() -> Any:
    stream = Readable(object_mode=True, read=lambda size: None)
    stream.push(1)
    stream.push(2)
    await anext(aiter(stream.iterator(destroy_on_return=False)))
    await turns()
    return stream


async def use_pipeline() -> Any:
    stream = Readable(read=lambda size: None)
    pipeline(stream, PassThrough(), Writable(write=lambda chunk, encoding, callback: callback()), callback=print)
    stream.push(b"x")
    await turns()
    return stream


async def use_finished() -> Any:
    stream = Readable(read=lambda size: None)
    finished(stream, callback=print)
    await turns()
    return stream


USED = {
    "readable": use_readable, "writable": use_writable, "pipe": use_pipe, "pair": use_pair, "iterator": use_iterator,
    "pipeline": use_pipeline, "finished": use_finished,
}  # fmt: skip


@pytest.mark.parametrize("use", USED.values(), ids=USED)
async def test_a_used_stream_that_is_dropped_unclosed_is_collected(use: Callable[[], Any]) -> None:
    stream = await use()
    gone = weakref.ref(stream)
    del stream
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("kind", ["readable", "writable", "transform", "from_"])
async def test_a_closed_stream_is_gone_without_the_collector(kind: str) -> None:
    def make() -> Any:
        if kind == "readable":
            return Readable(object_mode=True, read=lambda size: None)
        if kind == "writable":
            return Writable(write=lambda chunk, encoding, callback: callback())
        if kind == "transform":
            return PassThrough()
        return Readable.from_([1, 2])

    gc.collect()
    gc.disable()
    try:
        stream = make()
        if isinstance(stream, Writable):
            stream.write(b"x")
        if isinstance(stream, Readable):
            stream.read()
        await turns()
        stream.destroy()
        await settle()
        gone = weakref.ref(stream)
        del stream
        assert gone() is None or kind == "from_"
    finally:
        gc.enable()
    gc.collect()
    assert gone() is None
