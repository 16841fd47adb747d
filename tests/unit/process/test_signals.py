"""Signals inside one interpreter: what is taken when, and given back; other loops, no loop, threads. What programs do with them,
beside Node, is in test_signal_facts.py."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import treadle
from treadle import TreadleError, process
from treadle.loop import get_loop
from treadle.timers import set_timeout

Trace = list[Any]
NAME, NUMBER = "SIGUSR1", signal.SIGUSR1


@pytest.fixture(autouse=True)
def nobody_listens() -> Iterator[None]:
    watched = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD)}
    yield
    process.remove_all_listeners()
    assert {number: signal.getsignal(number) for number in watched} == watched


def send(number: int = NUMBER) -> None:
    signal.raise_signal(number)


def until_heard(trace: Trace) -> None:
    """Run a program until the trace has something."""

    def look() -> None:
        if trace:
            interval.close()

    def main() -> None:
        nonlocal interval
        interval = treadle.timers.set_interval(look, 1)
        send()

    interval: Any = None
    treadle.run(main)


# -- taken and given back


def test_it_is_taken_with_the_first_listener_and_given_back_with_the_last() -> None:
    before = signal.getsignal(signal.SIGINT)
    process.on("SIGINT", print)
    taken = signal.getsignal(signal.SIGINT)
    process.on("SIGINT", repr)
    process.off("SIGINT", print)
    assert before is not taken
    assert signal.getsignal(signal.SIGINT) == taken
    process.off("SIGINT", repr)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("add", [process.on, process.once, process.prepend_listener, process.prepend_once_listener])
def test_every_way_of_adding_takes_it(add: Any) -> None:
    add(NAME, print)
    assert signal.getsignal(NUMBER) != signal.SIG_DFL
    process.off(NAME, print)
    assert signal.getsignal(NUMBER) == signal.SIG_DFL


def test_a_handler_that_somebody_sets_meanwhile_stays() -> None:
    def handler(*_: object) -> None: ...

    process.on(NAME, print)
    signal.signal(NUMBER, handler)
    process.off(NAME, print)
    assert signal.getsignal(NUMBER) is handler
    signal.signal(NUMBER, signal.SIG_DFL)


def test_a_listener_that_cannot_be_added_takes_nothing() -> None:
    with pytest.raises(TypeError):
        process.on(NAME, 5)  # type: ignore[arg-type]

    def refuse(*_: object) -> None:
        raise ValueError("refused")

    process.on("new_listener", refuse)
    with pytest.raises(ValueError, match="refused"):
        process.on(NAME, print)
    assert signal.getsignal(NUMBER) == signal.SIG_DFL


def test_an_alias_is_the_signal() -> None:
    process.on("SIGCLD", print)
    assert process.event_names() == ["SIGCHLD"]
    process.off("SIGCHLD", print)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
def test_what_the_system_keeps_is_refused(name: str) -> None:
    with pytest.raises(OSError, match=name) as caught:
        process.on(name, print)
    assert caught.value.errno == errno.EINVAL
    assert process.listener_count(name) == 0


def test_another_thread_cannot_listen() -> None:
    errors: list[BaseException] = []

    def listen() -> None:
        try:
            process.on(NAME, print)
        except TreadleError as error:
            errors.append(error)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join(10)
    assert [error.code for error in errors if isinstance(error, TreadleError)] == ["ERR_INVALID_STATE"]
    assert process.listener_count(NAME) == 0


def test_another_thread_cannot_give_it_back() -> None:
    errors: list[str] = []

    def leave() -> None:
        try:
            process.off(NAME, print)
        except TreadleError as error:
            errors.append(error.code)

    process.on(NAME, print)
    thread = threading.Thread(target=leave)
    thread.start()
    thread.join(10)
    assert errors == ["ERR_INVALID_STATE"]
    assert process.listener_count(NAME) == 0
    process.off("exit", print)  # any call on the main thread sees to it
    assert signal.getsignal(NUMBER) == signal.SIG_DFL


def test_any_other_name_is_an_event_as_any_other() -> None:
    trace: Trace = []
    process.on("SIGNOPE", trace.append)
    process.emit("SIGNOPE", 1)
    assert trace == [1]


# -- where it is heard


def test_a_listener_of_before_the_program_hears_it_there() -> None:
    trace: Trace = []
    process.on(NAME, lambda *args: trace.append((args, get_loop().is_running())))
    until_heard(trace)
    assert trace == [((NAME, NUMBER), True)]


def test_it_ends_a_poll_that_waits() -> None:
    trace: Trace = []

    def main() -> None:
        process.on(NAME, lambda *_: (trace.append("signal"), process.remove_all_listeners(NAME), guard.close()))
        guard = set_timeout(trace.append, 20_000, "too late")
        timer = threading.Timer(0.02, signal.pthread_kill, (threading.main_thread().ident, NUMBER))
        timer.start()
        threads.append(timer)

    threads: list[threading.Timer] = []
    treadle.run(main)
    threads[0].join(10)
    assert trace == ["signal"]


def test_beside_a_handler_of_the_loop_both_hear_it() -> None:
    trace: Trace = []

    def main() -> None:
        process.on(NAME, lambda *_: trace.append("listener"))
        get_loop().add_signal_handler(NUMBER, trace.append, "handler")
        send()
        set_timeout(int, 5)

    treadle.run(main)
    assert sorted(trace) == ["handler", "listener"]


def _add_and_remove(_: treadle.EventLoop) -> None:
    loop = get_loop()
    loop.add_signal_handler(signal.SIGUSR2, int)
    assert loop.remove_signal_handler(signal.SIGUSR2)


def _fail_to_add(_: treadle.EventLoop) -> None:
    with pytest.raises(RuntimeError):
        get_loop().add_signal_handler(signal.SIGKILL, int)


def _close_another(other: asyncio.AbstractEventLoop) -> None:
    other.add_signal_handler(signal.SIGUSR2, int)
    other.close()


def _add_and_remove_this_one(_: treadle.EventLoop) -> None:
    loop = get_loop()
    loop.add_signal_handler(NUMBER, int)
    assert loop.remove_signal_handler(NUMBER)


def _close_another_that_had_this_one(other: asyncio.AbstractEventLoop) -> None:
    other.add_signal_handler(NUMBER, int)
    other.close()


@pytest.mark.parametrize("how", ["in a callback", "in a poll"])
@pytest.mark.parametrize("other", [asyncio.SelectorEventLoop, treadle.EventLoop])
@pytest.mark.parametrize(
    "disturb", [_add_and_remove, _fail_to_add, _close_another, _add_and_remove_this_one, _close_another_that_had_this_one]
)
def test_the_end_of_a_loops_handlers_keeps_none_from_hearing(disturb: Any, other: Any, how: str) -> None:
    """asyncio switches the wake-up descriptor off with a loop's last handler, and gives the signal its default again."""
    if disturb is _close_another_that_had_this_one and other is asyncio.SelectorEventLoop:
        pytest.skip("that loop is asyncio's own, and tells nobody")
    trace: Trace = []

    async def main() -> None:
        inner = other()
        process.on(NAME, lambda *args: (trace.append(args), heard.set()))
        disturb(inner)
        inner.close()
        for _ in range(2):  # also the one after the first
            heard = asyncio.Event()
            if how == "in a callback":
                send()
            else:
                threading.Timer(0.01, signal.pthread_kill, (threading.main_thread().ident, NUMBER)).start()
            await asyncio.wait_for(heard.wait(), 10)
            await asyncio.sleep(0)

    treadle.run(main)
    assert trace == [(NAME, NUMBER)] * 2


def test_a_listener_of_before_a_loops_handler_gives_back_what_the_loop_left() -> None:
    def main() -> None:
        loop = get_loop()
        loop.add_signal_handler(NUMBER, int)
        process.on(NAME, print)
        loop.remove_signal_handler(NUMBER)
        process.off(NAME, print)
        assert signal.getsignal(NUMBER) == signal.SIG_DFL

    treadle.run(main)


def test_somebody_elses_wake_up_descriptor_keeps_none_from_hearing() -> None:
    trace: Trace = []
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    process.on(NAME, lambda *args: trace.append(args))
    signal.set_wakeup_fd(writer.fileno())
    try:
        until_heard(trace)
    finally:
        signal.set_wakeup_fd(-1)
        reader.close()
        writer.close()
    assert trace == [(NAME, NUMBER)]


def test_on_asyncios_own_loop() -> None:
    trace: Trace = []

    async def main() -> None:
        heard = asyncio.Event()
        process.on(NAME, lambda *args: (trace.append(args), heard.set()))
        send()
        await asyncio.wait_for(heard.wait(), 10)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(main())
    assert trace == [(NAME, NUMBER)]


def test_without_a_loop_it_is_heard_at_once() -> None:
    trace: Trace = []
    process.on(NAME, lambda *args: trace.append(args))
    send()
    assert trace == [(NAME, NUMBER)]


def test_ctrl_c_with_a_listener_is_no_keyboard_interrupt() -> None:
    trace: Trace = []

    async def main() -> str:
        process.once("SIGINT", lambda *args: trace.append(args))
        send(signal.SIGINT)
        await asyncio.sleep(0.005)
        return "done"

    assert treadle.run(main) == "done"
    assert trace == [("SIGINT", 2)]


# -- kill


def test_kill_takes_names_aliases_and_numbers() -> None:
    trace: Trace = []
    process.on("SIGCHLD", lambda *args: trace.append(args))
    for name in ("SIGCHLD", "SIGCLD", signal.SIGCHLD, int(signal.SIGCHLD)):
        assert process.kill(process.pid, name) is True
    assert trace == [("SIGCHLD", 17)] * 4


def test_kill_says_what_is_wrong() -> None:
    with pytest.raises(TypeError) as caught:
        process.kill(process.pid, "SIGNOPE")
    assert isinstance(caught.value, TreadleError)
    assert (caught.value.code, caught.value.data) == ("ERR_UNKNOWN_SIGNAL", {"signal": "SIGNOPE"})
    for pid in ("1", None, True, 1.0):
        with pytest.raises(TypeError, match="pid"):
            process.kill(pid, 0)  # type: ignore[arg-type]
    with pytest.raises(ProcessLookupError):
        process.kill(4_194_303, 0)
