"""treadle.process inside one interpreter: names of events, next_tick, warnings. Its exit is in test_exit.py."""

import asyncio
import contextlib
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import treadle
from treadle import process
from treadle._base.errors import TreadleError
from treadle._base.warning import TreadleWarning
from treadle.events import EventEmitter

Trace = list[object]


@pytest.fixture(autouse=True)
def nobody_listens() -> Iterator[None]:
    assert process.event_names() == []
    yield
    process.remove_all_listeners()
    process.exit_code = None


@pytest.mark.parametrize(
    ("node", "python"),
    [
        ("uncaughtException", "uncaught_exception"),
        ("beforeExit", "before_exit"),
        ("newListener", "new_listener"),
        ("removeListener", "remove_listener"),
        ("exit", "exit"),
        ("warning", "warning"),
    ],
)
@pytest.mark.parametrize("is_reversed", [False, True])
def test_an_event_has_two_names(node: str, python: str, is_reversed: bool) -> None:
    first, second = (python, node) if is_reversed else (node, python)
    trace: Trace = []
    process.on(first, trace.append)
    assert process.event_names() == [python]
    assert process.listeners(second) == process.raw_listeners(second) == [trace.append]
    assert process.listener_count(second) == process.listener_count(second, trace.append) == 1
    process.emit(second, 1)
    process.off(second, trace.append)
    assert trace[:1] == [1]
    assert process.listener_count(first) == 0


@pytest.mark.parametrize(
    "add",
    [process.on, process.add_listener, process.once, process.prepend_listener, process.prepend_once_listener],
)
@pytest.mark.parametrize("remove", [process.off, process.remove_listener])
def test_all_ways_of_adding_and_removing_know_both_names(add: Callable[..., object], remove: Callable[..., object]) -> None:
    add("uncaughtException", print)
    assert process.event_names() == ["uncaught_exception"]
    remove("uncaughtException", print)
    assert process.event_names() == []
    add("beforeExit", print)
    process.remove_all_listeners("beforeExit")
    assert process.event_names() == []


def test_a_once_listener_leaves_under_either_name() -> None:
    trace: Trace = []
    process.once("uncaughtException", trace.append)
    assert process.emit("uncaught_exception", 1)
    assert not process.emit("uncaughtException", 2)
    assert trace == [1]


def test_other_emitters_know_the_python_names_only() -> None:
    e = EventEmitter().on("newListener", print)
    assert e.event_names() == ["newListener"]


def test_an_event_may_have_any_name() -> None:
    trace: Trace = []
    process.on(("my", 1), trace.append)
    process.emit(("my", 1), "seen")
    assert trace == ["seen"]


# -- uncaught exceptions


def test_an_uncaught_exception_goes_to_the_listeners_and_the_program_goes_on() -> None:
    trace: Trace = []
    failure = ValueError("boom")

    def failing() -> None:
        process.next_tick(trace.append, "tick")
        raise failure

    process.on("uncaught_exception", lambda *args: trace.append(args))
    treadle.run(lambda: process.next_tick(failing))
    assert trace == [(failure,), "tick"]


def test_an_uncaught_exception_of_main_goes_to_the_listeners() -> None:
    trace: Trace = []

    def main() -> None:
        process.next_tick(trace.append, "tick")
        raise ValueError("boom")

    process.on("uncaught_exception", lambda error: trace.append(str(error)))
    treadle.run(main)
    assert trace == ["boom", "tick"]


def test_a_listener_added_while_the_program_runs_counts() -> None:
    trace: Trace = []

    def failing() -> None:
        raise ValueError("boom")

    def main() -> None:
        process.on("uncaughtException", trace.append)
        process.next_tick(failing)

    treadle.run(main)
    assert [str(error) for error in trace] == ["boom"]


def test_without_listener_an_exception_ends_the_program() -> None:
    def failing() -> None:
        raise ValueError("boom")

    def main() -> None:
        process.next_tick(failing)
        process.next_tick(print, "never")

    with pytest.raises(ValueError, match="boom"):
        treadle.run(main)


def test_what_a_listener_raises_ends_the_program() -> None:
    def failing() -> None:
        raise ValueError("boom")

    def listener(error: Exception) -> None:
        raise KeyError("worse")

    process.on("uncaught_exception", listener)
    with pytest.raises(KeyError, match="worse"):
        treadle.run(lambda: process.next_tick(failing))


@pytest.mark.parametrize("failure", [SystemExit, KeyboardInterrupt])
def test_the_end_of_the_program_is_no_uncaught_exception(failure: type[BaseException]) -> None:
    def failing() -> None:
        raise failure

    trace: Trace = []
    process.on("uncaught_exception", trace.append)
    with pytest.raises(failure):
        treadle.run(lambda: process.next_tick(failing))
    assert trace == []


def test_the_code_of_a_failed_listener_is_not_the_next_programs() -> None:
    def listener(*_: object) -> None:
        raise KeyError("worse")

    for event in ("uncaught_exception", "exit"):
        process.on(event, listener)
    with pytest.raises(KeyError, match="worse"):
        treadle.run(lambda: process.next_tick(int, "x"))
    assert process.exit_code == 7
    process.remove_all_listeners()
    codes: Trace = []
    process.once("exit", codes.append)
    treadle.run(lambda: None)
    assert codes == [0]
    assert process.exit_code is None


def test_the_code_of_a_failed_exit_listener_is_not_the_next_programs(capsys: pytest.CaptureFixture[str]) -> None:
    def listener(_: int) -> None:
        raise KeyError("worse")

    process.once("exit", listener)
    treadle.run(lambda: None)
    assert process.exit_code == 1
    assert "worse" in capsys.readouterr().err
    treadle.run(lambda: None)
    assert process.exit_code is None


def test_a_code_that_was_set_stays_set() -> None:
    process.exit_code = 3
    codes: Trace = []
    process.on("exit", codes.append)
    treadle.run(lambda: None)
    treadle.run(lambda: None)
    assert codes == [3, 3]


# -- exit on another thread


@pytest.mark.parametrize("is_caught", [False, True])
def test_a_program_of_another_thread_ends_without_the_processs_exit(is_caught: bool) -> None:
    trace: Trace = []
    process.on("exit", trace.append)

    def main() -> None:
        treadle.timers.set_timeout(trace.append, 20_000, "never")
        with contextlib.suppress(SystemExit) if is_caught else contextlib.nullcontext():
            process.exit(5)

    def program() -> None:
        try:
            treadle.run(main)
        except SystemExit as error:
            trace.append(("ended", error.code))

    thread = threading.Thread(target=program)
    thread.start()
    thread.join(10)
    assert trace == [("ended", 5)]
    assert process.exit_code is None


def test_a_caught_exit_without_a_loop_leaves_the_next_program_its_own() -> None:
    codes: Trace = []
    process.on("exit", codes.append)
    with contextlib.suppress(SystemExit):
        process.exit(5)
    process.exit_code = None
    treadle.run(lambda: None)
    assert codes == [5, 0]


# -- before_exit


def test_before_exit_comes_again_as_long_as_it_schedules_something() -> None:
    trace: Trace = []

    def before_exit(code: int) -> None:
        trace.append(("before_exit", code))
        if len(trace) < 4:
            treadle.timers.set_timeout(trace.append, 1, "timer")

    process.on("before_exit", before_exit)
    process.on("exit", lambda code: trace.append(("exit", code)))
    treadle.run(lambda: None)
    assert trace == [
        ("before_exit", 0),
        "timer",
        ("before_exit", 0),
        "timer",
        ("before_exit", 0),
        ("exit", 0),
    ]


def test_ticks_and_microtasks_of_before_exit_do_not_bring_it_again() -> None:
    trace: Trace = []

    def before_exit(_: int) -> None:
        trace.append("before_exit")
        process.next_tick(trace.append, "tick")
        treadle.queue_microtask(lambda: trace.append("microtask"))

    process.on("before_exit", before_exit)
    treadle.run(lambda: None)
    assert trace == ["before_exit", "tick", "microtask"]


def test_what_before_exit_raises_can_be_handled() -> None:
    trace: Trace = []

    def before_exit(_: int) -> None:
        raise ValueError("boom")

    process.on("before_exit", before_exit)
    process.on("uncaught_exception", lambda error: trace.append(str(error)))
    treadle.run(lambda: None)
    assert trace == ["boom"]


def test_what_before_exit_raises_ends_the_program() -> None:
    def before_exit(_: int) -> None:
        raise ValueError("boom")

    process.on("before_exit", before_exit)
    with pytest.raises(ValueError, match="boom"):
        treadle.run(lambda: None)


def test_what_an_exit_listener_schedules_never_runs(capsys: pytest.CaptureFixture[str]) -> None:
    trace: Trace = []

    def listener(_: int) -> None:
        trace.append("exit")
        process.next_tick(trace.append, "tick")
        treadle.queue_microtask(lambda: trace.append("microtask"))  # Node runs it, at a natural end
        treadle.timers.set_immediate(trace.append, "immediate")
        treadle.timers.set_timeout(trace.append, 0, "timer")

    process.on("exit", listener)
    treadle.run(lambda: None)
    assert trace == ["exit"]
    assert capsys.readouterr().err == ""
    assert process.exit_code is None


async def exit_listener(trace: Trace) -> None:
    trace.append("begins")
    try:
        await asyncio.sleep(0)
        trace.append("never")
    finally:
        trace.append("closed")


@pytest.mark.parametrize("main", [int, lambda: process.next_tick(process.exit), process.exit], ids=["end", "tick", "main"])
def test_a_coroutine_that_listens_for_exit_runs_up_to_its_first_suspension(main: Callable[[], object]) -> None:
    trace: Trace = []
    process.on("exit", lambda _: exit_listener(trace))
    with contextlib.suppress(SystemExit):
        treadle.run(main)
    assert trace == ["begins", "closed"]


def test_a_coroutine_for_exit_fails_as_a_function_does(capsys: pytest.CaptureFixture[str]) -> None:
    async def fail(_: int) -> None:
        raise ValueError("boom")

    process.on("exit", fail)
    treadle.run(lambda: None)
    assert "ValueError: boom" in capsys.readouterr().err
    assert process.exit_code == 1


# -- warnings


SHOWN: list[tuple[tuple[Any, ...], str | None, str]] = [
    (("text",), None, "text"),
    (("text", "DepWarn"), None, "DepWarn: text"),
    (("text", "DepWarn", "DEP01"), "more", "[DEP01] DepWarn: text\nmore"),
    (("text", "Warning", "DEP01"), None, "[DEP01] Warning: text"),
    ((UserWarning("text"),), None, "text"),
]


@pytest.mark.parametrize(("args", "detail", "shown"), SHOWN)
def test_a_warning_shows_its_fields(args: tuple[Any, ...], detail: str | None, shown: str) -> None:
    with pytest.warns((TreadleWarning, UserWarning)) as caught:
        process.emit_warning(*args, detail=detail)
    assert str(caught[0].message) == shown
    assert caught[0].filename == __file__


@pytest.mark.parametrize("wrong", [3, ValueError("x"), None, UserWarning])
def test_what_is_no_warning_is_refused(wrong: Any) -> None:
    with pytest.raises(TreadleError) as caught:
        process.emit_warning(wrong)
    assert (caught.value.code, caught.value.data["name"]) == ("ERR_INVALID_ARG_TYPE", "warning")


def test_a_warning_is_emitted_in_the_next_tick() -> None:
    trace: Trace = []

    def main() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            process.emit_warning("text", "TestWarning", "C1", detail="more")
        process.next_tick(trace.append, "tick")
        trace.append("sync")

    def listener(warning: TreadleWarning) -> None:
        trace.append((str(warning), warning.name, warning.code, warning.detail))

    process.on("warning", listener)
    treadle.run(main)
    assert trace == ["sync", ("text", "TestWarning", "C1", "more"), "tick"]


def test_a_warning_without_a_loop_is_emitted_at_once() -> None:
    trace: Trace = []
    warning = UserWarning("mine")
    process.on("warning", trace.append)
    with pytest.warns(UserWarning, match="mine") as caught:
        process.emit_warning(warning)
    assert caught[0].filename == __file__
    assert trace == [warning]


def test_too_many_listeners_are_a_warning_event() -> None:
    trace: Trace = []
    process.on("warning", trace.append)
    e = EventEmitter().set_max_listeners(1).on("x", print)
    with pytest.warns(TreadleWarning) as caught:
        e.on("x", print)
    assert trace == [caught[0].message]


# -- facts


def test_facts() -> None:
    assert process.pid == os.getpid()
    assert process.argv == [sys.executable, *sys.argv]


@pytest.mark.parametrize("code", ["abc", 1.5, True, "7"])
def test_an_exit_code_must_be_an_int(code: object) -> None:
    with pytest.raises(TypeError) as caught:
        process.exit_code = code  # type: ignore[assignment]
    assert isinstance(caught.value, TreadleError)
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"
    with pytest.raises(TypeError):
        process.exit(code)  # type: ignore[arg-type]
    assert process.exit_code is None


def test_next_tick_is_not_the_modules_own_loop() -> None:
    loops: Trace = []
    for _ in range(2):
        treadle.run(lambda: process.next_tick(lambda: loops.append(treadle.loop.get_loop())))
    assert loops[0] is not loops[1]


@pytest.mark.parametrize(("name", "hint"), [("exitCode", "exit_code"), ("memoryUsage", "memory_usage"), ("colour", None)])
def test_a_name_that_is_none_is_not_set_in_vain(name: str, hint: str | None) -> None:
    with pytest.raises(AttributeError) as raised:
        setattr(process, name, 5)
    assert raised.value.name == name
    assert (f"it is {hint} here" in str(raised.value)) == (hint is not None)
    assert not hasattr(process, name)


def test_a_function_may_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "cwd", lambda: "/nowhere")
    assert process.cwd() == "/nowhere"


def test_listeners_are_asked_of_what_fails_behind_a_main_that_failed() -> None:
    """Once of main's own exception, and of each that follows while the program winds up."""
    monitored: Trace = []
    heard: Trace = []
    errors = [ValueError("main"), ValueError("behind it")]

    def fail(error: Exception) -> None:
        raise error

    def main() -> None:
        asyncio.get_running_loop().call_soon(process.next_tick, fail, errors[1])
        fail(errors[0])

    process.on("uncaught_exception_monitor", monitored.append)
    process.on("exit", lambda _: process.on("uncaught_exception", heard.append))
    with pytest.raises(ValueError, match="main"):
        treadle.run(main)
    assert (monitored, heard) == (errors, errors[1:])
