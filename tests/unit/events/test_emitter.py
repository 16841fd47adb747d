"""EventEmitter beyond Node's recorded traces: what Python adds, and where it means to differ."""

import gc
import subprocess
import sys
import weakref

import pytest

import treadle
from treadle import process
from treadle._base.errors import TreadleError
from treadle.events import ERROR_MONITOR, EventEmitter, MaxListenersExceededWarning


class Recorder:
    def __init__(self) -> None:
        self.trace: list[object] = []

    def see(self, *args: object) -> None:
        self.trace.append(args)


def test_a_bound_method_is_found_again() -> None:
    # Each access to recorder.see makes a new object; they are equal.
    recorder, other = Recorder(), Recorder()
    e = EventEmitter().on("x", recorder.see).once("x", recorder.see).on("x", other.see)
    e.off("x", recorder.see).off("x", recorder.see)
    e.emit("x", 1)
    assert (recorder.trace, other.trace) == ([], [(1,)])


def test_an_event_is_any_hashable() -> None:
    recorder = Recorder()
    e = EventEmitter()
    names = [("a", 1), 7, None, frozenset()]
    for name in names:
        e.on(name, recorder.see)
        e.emit(name, name)
    assert recorder.trace == [(name,) for name in names]
    assert e.event_names() == names


def test_emitting_on_an_emitter_that_nobody_listens_to_makes_nothing() -> None:
    e = EventEmitter()
    assert not e.emit("x")
    assert e.listeners("x") == e.raw_listeners("x") == e.event_names() == []
    assert e.off("x", print) is e
    assert e._events is None


def test_methods_return_the_emitter() -> None:
    e = EventEmitter()
    assert e.on("x", print).once("x", print).prepend_listener("x", print).prepend_once_listener("x", print) is e
    assert e.off("x", print).remove_all_listeners().set_max_listeners(3) is e


def test_aliases_are_the_same_methods() -> None:
    assert EventEmitter.add_listener is EventEmitter.on
    assert EventEmitter.remove_listener is EventEmitter.off


def test_a_subclass_may_have_a_dict_or_slots() -> None:
    class WithDict(EventEmitter):
        pass

    class WithSlots(EventEmitter):
        __slots__ = ("name",)

    assert not hasattr(EventEmitter(), "__dict__")
    assert not hasattr(WithSlots(), "__dict__")
    WithDict().name = 1  # type: ignore[attr-defined]
    e = WithSlots()
    assert weakref.ref(e)() is e


def test_once_goes_through_an_overridden_on() -> None:
    added: list[object] = []

    class Noting(EventEmitter):
        def on(self, event, listener, /):  # type: ignore[no-untyped-def]
            added.append(event)
            return super().on(event, listener)

    Noting().once("x", print)
    assert added == ["x"]


def test_remove_listener_always_names_the_original() -> None:
    # COMPAT(node): Node passes its wrapper where a list held it.
    recorder = Recorder()
    e = EventEmitter()
    e.on("remove_listener", recorder.see)
    for _ in range(2):
        e.once("x", print)
    e.once("y", repr).once("y", str).remove_all_listeners("y")
    e.off("x", e.raw_listeners("x")[0])
    e.emit("x")
    assert recorder.trace == [("y", str), ("y", repr), ("x", print), ("x", print)]


def test_an_unhandled_error_that_is_no_exception_says_what_it_was() -> None:
    with pytest.raises(TreadleError) as caught:
        EventEmitter().emit("error", {"a": 1}, "more")
    assert caught.value.code == "ERR_UNHANDLED_ERROR"
    assert caught.value.data == {"context": {"a": 1}}


def test_an_unhandled_error_may_be_any_exception() -> None:
    with pytest.raises(KeyboardInterrupt):
        EventEmitter().emit("error", KeyboardInterrupt())


def test_the_error_monitor_shows_its_name() -> None:
    assert repr(ERROR_MONITOR) == "events.ERROR_MONITOR"


def test_a_class_may_have_a_limit_of_its_own() -> None:
    class Quiet(EventEmitter):
        default_max_listeners = 0

    e = Quiet()
    for _ in range(EventEmitter.default_max_listeners + 1):  # type: ignore[call-overload]
        e.on("x", print)
    assert e.get_max_listeners() == 0


def test_the_default_limit_holds_for_emitters_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    e = EventEmitter().on("x", print)
    monkeypatch.setattr(EventEmitter, "default_max_listeners", 1)
    with pytest.warns(MaxListenersExceededWarning) as caught:
        e.on("x", print)
    warning = caught[0].message
    assert isinstance(warning, MaxListenersExceededWarning)
    assert (warning.emitter, warning.event, warning.count) == (e, "x", 2)


def test_an_emitter_is_freed_with_its_listeners() -> None:
    recorder = Recorder()
    e = EventEmitter().on("x", recorder.see).on("x", recorder.see)
    gone = weakref.ref(e)
    del e
    assert gone() is None


def test_events_need_neither_a_loop_nor_asyncio() -> None:
    code = "import sys, treadle.events; print(sorted({'asyncio', 'treadle._native.loop'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- coroutine listeners


def test_a_coroutine_listener_runs_as_a_task() -> None:
    trace: list[object] = []

    async def listener(value: int) -> None:
        trace.append(value)

    async def main() -> None:
        e = EventEmitter().on("x", listener).on("x", lambda value: trace.append(-value))
        assert e.emit("x", 1)
        trace.append("emitted")

    treadle.run(main())
    assert trace == ([1, -1, "emitted"] if sys.version_info >= (3, 12) else [-1, "emitted", 1])


def test_a_coroutine_listener_needs_a_loop() -> None:
    async def listener() -> None:
        pass

    coroutine = listener()
    with pytest.raises(TreadleError) as caught:
        EventEmitter().on("x", lambda: coroutine).emit("x")
    coroutine.close()
    assert caught.value.code == "ERR_NO_LOOP"


def test_a_failing_coroutine_listener_is_an_unhandled_rejection() -> None:
    reported: list[object] = []
    failure = ValueError("boom")

    async def listener() -> None:
        raise failure

    async def main() -> None:
        import asyncio

        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        EventEmitter().on("x", listener).on("error", lambda error: reported.append("error event")).emit("x")
        await asyncio.sleep(0)
        gc.collect()

    treadle.run(main())
    assert reported == [failure]


def test_a_captured_rejection_without_error_listener_ends_the_program() -> None:
    failure = ValueError("boom")
    seen: list[BaseException] = []

    async def listener() -> None:
        raise failure

    def main() -> None:
        EventEmitter(capture_rejections=True).on("x", listener).emit("x")

    process.on("uncaught_exception", seen.append)
    try:
        treadle.run(main)
    finally:
        process.off("uncaught_exception", seen.append)
    assert seen == [failure]


def test_a_failing_error_listener_is_not_captured_again() -> None:
    calls: list[object] = []
    reported: list[object] = []

    async def failing(error: object) -> None:
        calls.append(error)
        raise ValueError("again")

    async def main() -> None:
        import asyncio

        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(str(context["exception"])))
        e = EventEmitter(capture_rejections=True).on("error", failing)
        e.emit("error", "first")  # by hand: captured, and emitted once more
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect()

    treadle.run(main())
    assert [str(call) for call in calls] == ["first", "again"]
    assert reported == ["again"]
