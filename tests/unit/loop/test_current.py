"""Node's functions mean the loop that runs on the calling thread, whatever else runs, and treat it as its own methods would."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import DEADLINE_S, Trace, run
from tests.unit.native.support import in_child
from treadle import AsyncLocalStorage, TreadleError, process, timers
from treadle._native.faces import Faces
from treadle.context import AsyncResource
from treadle.loop.current import get_loop

Face = Callable[..., Any]

FACES: dict[str, Face] = {
    "next_tick": process.next_tick,
    "queue_microtask": treadle.queue_microtask,
    "set_immediate": timers.set_immediate,
    "set_timeout": timers.set_timeout,
    "set_interval": timers.set_interval,
}
SIGNATURES = {
    "next_tick": "(callback, /, *args)",
    "queue_microtask": "(callback)",
    "set_immediate": "(callback, /, *args)",
    "set_timeout": "(callback, delay_ms=1, /, *args)",
    "set_interval": "(callback, delay_ms=1, /, *args)",
}
each_face = pytest.mark.parametrize("face", FACES.values(), ids=FACES)


def scheduled(loop: treadle.EventLoop) -> int:
    """How many callbacks wait in that loop."""
    found = loop.statistics()
    return sum(found[name] for name in ("ticks_queued", "microtasks_queued", "immediates_queued", "timers_refed"))


@contextmanager
def running(loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    """As asyncio sees this thread."""
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(loop)
    try:
        yield
    finally:
        asyncio._set_running_loop(before)


def assert_no_loop(face: Face) -> None:
    with pytest.raises(TreadleError) as caught:
        face(int)
    assert caught.value.code == "ERR_NO_LOOP"


# -- which loop


@each_face
def test_it_is_the_one_that_runs(loop: treadle.EventLoop, face: Face) -> None:
    with running(loop):
        assert get_loop() is loop
        face(int)
    assert scheduled(loop) == 1
    assert_no_loop(face)
    assert scheduled(loop) == 1


@each_face
def test_a_loop_that_is_not_treadles_is_none(face: Face) -> None:
    async def main() -> None:
        assert_no_loop(face)

    other = asyncio.SelectorEventLoop()
    other.run_until_complete(main())
    other.close()


@each_face
def test_it_is_the_inner_one_while_one_runs_inside_another(loop: treadle.EventLoop, face: Face) -> None:
    inner, foreign = treadle.new_event_loop(), asyncio.SelectorEventLoop()
    with running(loop):
        face(int)
        with running(inner):
            face(int)
            face(int, *([] if face is treadle.queue_microtask else [3]))
        with running(foreign):
            assert_no_loop(face)
        with running(None):
            assert_no_loop(face)
        face(int)
    assert scheduled(inner) == 2
    assert scheduled(loop) == 2
    foreign.close()
    inner.close()


@each_face
def test_each_thread_has_its_own(face: Face) -> None:
    """Both loops run at the same time: a thread that waits at the barrier is in a callback of its own."""
    barrier = threading.Barrier(2, timeout=DEADLINE_S)
    traces: dict[str, Trace] = {"a": [], "b": []}

    def program(name: str) -> None:
        handles: list[Any] = []

        def called() -> None:
            traces[name].append((get_loop(), threading.get_ident()))
            if face is timers.set_interval:
                timers.clear_interval(handles[0])

        def main() -> None:
            traces[name].append((get_loop(), threading.get_ident()))
            barrier.wait()
            handles.append(face(called))
            barrier.wait()

        treadle.run(main)

    threads = [threading.Thread(target=program, args=(name,)) for name in traces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert [len(trace) for trace in traces.values()] == [2, 2]
    assert all(first == second for first, second in traces.values())
    assert traces["a"][0] != traces["b"][0]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@each_face
def test_a_forked_child_is_in_none(loop: treadle.EventLoop, face: Face) -> None:
    def has_none() -> bool:
        try:
            face(int)
        except TreadleError as error:
            return error.code == "ERR_NO_LOOP"
        return False

    statuses: list[int] = []
    loop.call_soon(lambda: statuses.append(in_child(has_none)))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert statuses == [0]


def test_a_closed_loop_refuses(loop: treadle.EventLoop) -> None:
    loop.close()
    for face in FACES.values():
        with running(loop), pytest.raises(RuntimeError, match="closed"):
            face(int)


# -- a loop with methods of its own


class NotingLoop(treadle.EventLoop):
    """As those who trace, or count."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: Trace = []

    def next_tick(self, *args: Any) -> None:
        self.noted.append(("next_tick", *args))

    def queue_microtask(self, *args: Any) -> None:
        self.noted.append(("queue_microtask", *args))

    def set_immediate(self, *args: Any) -> Any:
        self.noted.append(("set_immediate", *args))
        return "immediate"

    def set_timeout(self, *args: Any) -> Any:
        self.noted.append(("set_timeout", *args))
        return "timeout"

    def set_interval(self, *args: Any) -> Any:
        self.noted.append(("set_interval", *args))
        return "interval"


def test_the_methods_of_a_subclass_are_called() -> None:
    loop = NotingLoop()
    with running(loop):
        returned = [
            process.next_tick(print, 1, 2),
            treadle.queue_microtask(print),
            timers.set_immediate(print, 1),
            timers.set_timeout(print, 5, 1),
            timers.set_interval(print),
        ]
    assert returned == [None, None, "immediate", "timeout", "interval"]
    assert loop.noted == [
        ("next_tick", print, 1, 2),
        ("queue_microtask", print),
        ("set_immediate", print, 1),
        ("set_timeout", print, 5, 1),
        ("set_interval", print, 1),
    ]
    assert scheduled(loop) == 0
    loop.close()


@pytest.mark.parametrize("name", FACES)
def test_one_method_of_its_own_is_enough(name: str) -> None:
    noted: Trace = []
    made = type("Made", (treadle.EventLoop,), {name: lambda _, *args: noted.append(args[0])})
    loop = made()
    with running(loop):
        for face in FACES.values():
            face(int)
    assert noted == [int]
    assert scheduled(loop) == len(FACES) - 1
    loop.close()


@pytest.mark.parametrize("name", FACES)
def test_a_method_that_was_replaced_on_the_loop_is_called(loop: treadle.EventLoop, name: str) -> None:
    noted: Trace = []
    with running(loop):
        setattr(loop, name, lambda *args: noted.append(args[0]))
        FACES[name](int)
        delattr(loop, name)
        FACES[name](int)
    assert noted == [int]
    assert scheduled(loop) == 1


# -- arguments


@each_face
@pytest.mark.parametrize("wrong", [None, "print", 5])
def test_what_cannot_be_called_is_refused_before_a_loop_is_asked_for(face: Face, wrong: object) -> None:
    with pytest.raises(TypeError) as caught:
        face(wrong)
    assert isinstance(caught.value, TreadleError)
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"
    assert caught.value.data == {"name": "callback", "expected": "callable", "received": type(wrong).__name__}


@each_face
def test_how_it_is_called_is_checked(loop: treadle.EventLoop, face: Face) -> None:
    with running(loop):
        for args, kwargs in (((), {}), ((int,), {"other": 1})):
            with pytest.raises(TypeError):
                face(*args, **kwargs)
        if face is treadle.queue_microtask:
            face(callback=int)
            with pytest.raises(TypeError):
                face(int, 1)
        else:
            with pytest.raises(TypeError):
                face(callback=int)
    assert scheduled(loop) == (1 if face is treadle.queue_microtask else 0)


@pytest.mark.parametrize("face", [timers.set_timeout, timers.set_interval])
def test_a_delay_is_any_number(loop: treadle.EventLoop, face: Face) -> None:
    from decimal import Decimal
    from fractions import Fraction

    with running(loop):
        for delay_ms in (True, 2, 2.9, Decimal("2.5"), Fraction(5, 2)):
            assert face(int, delay_ms) is not None
        with pytest.raises(OverflowError):
            face(int, 10**400)
    assert scheduled(loop) == 5


@pytest.mark.parametrize("name", FACES)
def test_it_looks_like_a_function(name: str) -> None:
    face = FACES[name]
    assert face.__name__ == name
    assert inspect.isroutine(face)
    assert str(inspect.signature(face)) == SIGNATURES[name]
    documentation = inspect.getdoc(face)
    assert documentation is not None
    assert "ERR_NO_LOOP" in documentation


# -- what it schedules


@pytest.mark.parametrize("name", FACES)
def test_it_runs_in_the_context_of_the_call(idle_loop: treadle.EventLoop, name: str) -> None:
    storage: AsyncLocalStorage[str] = AsyncLocalStorage()
    seen: list[str | None] = []
    handles: list[Any] = []

    def look() -> None:
        seen.append(storage.get_store())
        storage.enter_with("changed by the callback")
        if name == "set_interval":
            timers.clear_interval(handles[0])

    with running(idle_loop):
        resource = storage.run("at the resource", AsyncResource, "test")
        storage.run("given", lambda: handles.append(FACES[name](look)))
        run_in(idle_loop)
        handles.clear()
        resource.run_in_async_scope(lambda: handles.append(FACES[name](look)))
        run_in(idle_loop)
    assert seen == ["given", "at the resource"]
    assert storage.get_store() is None


def run_in(loop: treadle.EventLoop) -> None:
    with running(None):
        run(loop)


def test_handles_are_those_of_the_loops_methods(idle_loop: treadle.EventLoop) -> None:
    with running(idle_loop):
        immediate, timeout, interval = timers.set_immediate(int), timers.set_timeout(int), timers.set_interval(int)
    assert type(immediate) is timers.Immediate
    assert type(timeout) is type(interval) is timers.Timeout
    assert repr(immediate) == "<Immediate int()>"
    assert repr(timeout) == "<Timeout timeout 1 ms waiting>"
    assert repr(interval) == "<Timeout interval 1 ms waiting>"
    for handle in (immediate, timeout, interval):
        assert handle.has_ref()
        assert not handle.unref().has_ref()
        assert handle.ref().has_ref()
    timers.clear_timeout(immediate)
    timers.clear_immediate(timeout)
    assert scheduled(idle_loop) == 3, "each clears its own kind alone"
    timers.clear_immediate(immediate)
    timers.clear_interval(timeout)
    timers.clear_timeout(interval)
    assert immediate.cancelled()
    assert "closed" in repr(timeout)
    idle_loop.set_immediate(int)  # a cleared one leaves the queue in the next check phase
    run(idle_loop)


@pytest.mark.parametrize("name", FACES)
def test_nothing_of_a_callback_is_kept(idle_loop: treadle.EventLoop, name: str) -> None:
    argument = object()
    handles: list[Any] = []

    def callback(*_: object) -> None:
        if name == "set_interval":
            timers.clear_interval(handles.pop())

    def references() -> list[int]:
        return [sys.getrefcount(item) for item in (callback, argument, idle_loop, FACES[name].__self__)]  # type: ignore[attr-defined]

    args = {"queue_microtask": ()}.get(name, (1, argument) if name.startswith("set_t") or name == "set_interval" else (argument,))
    before: list[int] = []
    for _ in range(20):
        with running(idle_loop):
            handles.append(FACES[name](callback, *args))
        assert_no_loop(FACES[name])
        run(idle_loop)
        handles.clear()
        before = before or references()
    assert references() == before


# -- how the running loop is asked for


def test_the_running_loop_may_be_asked_for_in_python(loop: treadle.EventLoop) -> None:
    def no_loop() -> BaseException:
        return LookupError("none")

    answers: list[object] = [loop, None, 5]
    faces = Faces(lambda: answers.pop(0), no_loop, lambda *_: None, lambda *_: None, lambda _: None)
    assert faces.get_loop() is loop
    for _ in range(2):
        with pytest.raises(LookupError, match="none"):
            faces.get_loop()
    with pytest.raises(IndexError):
        faces.next_tick(int)
    assert scheduled(loop) == 0
