"""Debug mode as CPython documents it ("Developing with asyncio"), asked of asyncio's loop and of treadle's."""

import asyncio
import functools
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import DEADLINE_S, contexts_of, run_for_ever, spin

Loop = asyncio.AbstractEventLoop


async def _coroutine_function() -> None: ...


def in_a_thread(function: Callable[..., object], *args: object) -> BaseException | None:
    """The exception of a call in another thread."""
    errors: list[BaseException] = []

    def call() -> None:
        try:
            function(*args)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(DEADLINE_S)
    return errors[0] if errors else None


@pytest.mark.parametrize("name", ["call_soon", "call_later", "call_at"])
def test_a_call_from_another_thread_is_refused(either_loop: Loop, name: str) -> None:
    either_loop.set_debug(True)
    call = getattr(either_loop, name)
    arguments = (int,) if name == "call_soon" else (0, int)

    async def main() -> BaseException | None:
        return in_a_thread(call, *arguments)

    assert isinstance(either_loop.run_until_complete(main()), RuntimeError)


@pytest.mark.parametrize("name", ["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
@pytest.mark.parametrize("wrong", [_coroutine_function, 1], ids=["coroutine function", "not callable"])
def test_what_is_no_callback_is_refused(either_loop: Loop, name: str, wrong: object) -> None:
    either_loop.set_debug(True)
    arguments = (wrong,) if name.startswith("call_soon") else (0, wrong)
    with pytest.raises(TypeError):
        getattr(either_loop, name)(*arguments)


def logged_as_slow(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What of the log's messages says that something took long, and who."""
    messages = (record.getMessage() for record in caplog.records if record.name == "asyncio")
    return [found[1] for message in messages if (found := re.fullmatch(r"Executing (.*) took \d+\.\d{3} seconds", message))]


def here(offset: int = 0) -> str:
    """file:line of the caller, as asyncio writes it."""
    return f"{__file__}:{sys._getframe(1).f_lineno + offset}"


@pytest.mark.parametrize("kind", ["callback", "task", "timer"])
def test_a_slow_callback_is_logged(either_loop: Loop, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    either_loop.set_debug(True)
    either_loop.slow_callback_duration = 0.01  # type: ignore[attr-defined]

    def slow_one() -> None:
        spin(30)
        either_loop.call_soon(either_loop.stop)

    async def slow_task() -> None:
        slow_one()

    match kind:
        case "callback":
            either_loop.call_soon(slow_one)
        case "task":
            either_loop.create_task(slow_task())
        case "timer":
            either_loop.call_later(0.001, slow_one)
    either_loop.run_forever()
    logged = [record.getMessage() for record in caplog.records if record.name == "asyncio" and "slow_" in record.getMessage()]
    beginning = {"callback": "Executing <Handle ", "task": "Executing <Task ", "timer": "Executing <TimerHandle "}[kind]
    assert len(logged) == 1 and logged[0].startswith(beginning), caplog.text


FAILING: dict[str, Callable[[treadle.EventLoop, Callable[[], None]], object]] = {
    "soon": lambda loop, callback: loop.call_soon(callback),
    "alarm": lambda loop, callback: loop.call_later(0, callback),
    "tick": lambda loop, callback: loop.next_tick(callback),
    "microtask": lambda loop, callback: loop.queue_microtask(callback),
    "immediate": lambda loop, callback: loop.set_immediate(callback),
    "timeout": lambda loop, callback: loop.set_timeout(callback, 1),
}


@pytest.mark.parametrize("how", FAILING.values(), ids=FAILING)
def test_one_that_is_slow_and_fails_is_logged(
    loop: treadle.EventLoop, how: Callable[[treadle.EventLoop, Callable[[], None]], object], caplog: pytest.LogCaptureFixture
) -> None:
    all_is_slow(loop)

    def slow_one() -> None:
        loop.call_soon(loop.stop)
        raise ValueError("boom")

    loop.uncaught_hook = lambda exception: True
    how(loop, slow_one)
    loop.run_forever()
    assert sum("slow_one" in logged for logged in logged_as_slow(caplog)) == 1, caplog.text


@pytest.mark.skipif(sys.version_info < (3, 12), reason="elsewhere its first step is a microtask, and logged as a task")
@pytest.mark.parametrize("name", ["tick", "microtask", "immediate", "timeout"])
def test_a_slow_coroutine_callback_is_logged(loop: treadle.EventLoop, name: str, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 0.03

    async def slow_one() -> None:
        loop.call_soon(loop.stop)
        spin(40)

    FAILING[name](loop, slow_one)
    loop.run_forever()
    assert sum("slow_one" in logged for logged in logged_as_slow(caplog)) == 1, caplog.text


def test_what_a_failed_watcher_took_is_its_own_time(
    loop: treadle.EventLoop, pair: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    all_is_slow(loop)
    left, _ = pair

    def slow_one() -> None:
        loop.remove_writer(left)
        loop.call_soon(loop.stop)
        raise ValueError("boom")

    loop.add_writer(left, slow_one)
    loop.run_forever()
    assert any("slow_one" in logged for logged in logged_as_slow(caplog)), caplog.text


def test_a_coroutine_that_was_never_awaited_tells_where_it_was_made(either_loop: Loop) -> None:
    either_loop.set_debug(True)

    async def main() -> object:
        coroutine = _coroutine_function()
        try:
            return coroutine.cr_origin
        finally:
            coroutine.close()

    assert either_loop.run_until_complete(main())


def test_without_debug_mode_nothing_is_checked(either_loop: Loop) -> None:
    """The price of it is paid by nobody else."""

    async def main() -> BaseException | None:
        either_loop.slow_callback_duration = 0  # type: ignore[attr-defined]
        return in_a_thread(either_loop.call_soon, int)

    assert either_loop.run_until_complete(main()) is None


def all_is_slow(loop: Loop) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["reader", "writer"])
def test_a_slow_watcher_is_logged(
    either_loop: Loop, kind: str, pair: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    all_is_slow(either_loop)
    left, right = pair

    def slow_one() -> None:
        either_loop.stop()

    if kind == "reader":
        right.send(b"x")
        either_loop.add_reader(left, slow_one)
    else:
        either_loop.add_writer(left, slow_one)
    either_loop.run_forever()
    (either_loop.remove_reader if kind == "reader" else either_loop.remove_writer)(left)
    name = f"{slow_one.__qualname__}() at {__file__}:{slow_one.__code__.co_firstlineno}"
    assert any(logged.startswith(f"<Handle {name} created at ") for logged in logged_as_slow(caplog)), caplog.text


class Receiver(asyncio.Protocol):
    def __init__(self, ended: "asyncio.Future[None]") -> None:
        self.ended = ended

    def data_received(self, _: bytes) -> None: ...

    def connection_lost(self, _: Exception | None) -> None:
        self.ended.set_result(None)


class DatagramReceiver(asyncio.DatagramProtocol):
    def __init__(self, ended: "asyncio.Future[None]") -> None:
        self.ended = ended

    def datagram_received(self, *_: object) -> None:
        self.ended.set_result(None)


def test_what_receives_slowly_is_logged(
    either_loop: Loop, pair: tuple[socket.socket, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    all_is_slow(either_loop)
    left, right = pair

    async def main() -> None:
        ended: asyncio.Future[None] = either_loop.create_future()
        transport, _ = await either_loop.create_connection(lambda: Receiver(ended), sock=left)
        right.send(b"x")
        right.close()
        await asyncio.wait_for(ended, DEADLINE_S)
        transport.close()

    either_loop.run_until_complete(main())
    of_asyncio = "<Handle _SelectorSocketTransport._read_ready() "
    expected = "Receiver of <SocketTransport " if isinstance(either_loop, treadle.EventLoop) else of_asyncio
    assert any(logged.startswith(expected) for logged in logged_as_slow(caplog)), caplog.text


def test_what_receives_datagrams_slowly_is_logged(either_loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    all_is_slow(either_loop)

    async def main() -> None:
        ended: asyncio.Future[None] = either_loop.create_future()
        transport, _ = await either_loop.create_datagram_endpoint(lambda: DatagramReceiver(ended), local_addr=("127.0.0.1", 0))
        transport.sendto(b"x", transport.get_extra_info("sockname"))
        await asyncio.wait_for(ended, DEADLINE_S)
        transport.close()
        await asyncio.sleep(0)

    either_loop.run_until_complete(main())
    expected = "<Handle _SelectorDatagramTransport._read_ready() created at "
    assert any(logged.startswith(expected) for logged in logged_as_slow(caplog)), caplog.text


@pytest.mark.parametrize("name", ["set_timeout", "set_interval"])
def test_a_slow_timer_of_nodes_kind_is_logged(loop: treadle.EventLoop, name: str, caplog: pytest.LogCaptureFixture) -> None:
    all_is_slow(loop)

    def slow_one() -> None:
        loop.stop()

    timer = getattr(loop, name)(slow_one, 1)
    run_for_ever(loop)
    timer.close()
    source = f"{slow_one.__qualname__}() at {__file__}:{slow_one.__code__.co_firstlineno}"
    expected = f"{source} of <Timeout {name.removeprefix('set_')} 1 ms "
    assert any(logged.startswith(expected) for logged in logged_as_slow(caplog)), caplog.text


def test_time_is_counted_once(pair: tuple[socket.socket, socket.socket]) -> None:
    """What runs inside the event of a descriptor, its callback and the microtasks behind it, is not the event's own time."""
    took_s: list[tuple[object, float]] = []

    class Watched(treadle.EventLoop):
        def check_duration(self, callback: object, subject: object, duration_s: float) -> None:
            took_s.append((callback, duration_s))

    loop = Watched()
    loop.set_debug(True)
    left, right = pair
    right.send(b"x")

    def reader() -> None:
        loop.remove_reader(left)
        loop.queue_microtask(between)

    def between() -> None:
        spin(10)

    loop.add_reader(left, reader)
    loop.add_writer(left, loop.stop)
    since_s = time.perf_counter()
    run_for_ever(loop)
    elapsed_s = time.perf_counter() - since_s
    loop.remove_writer(left)
    loop.close()
    assert [callback for callback, _ in took_s] == [reader, between, loop.stop, None]
    assert sum(duration_s for _, duration_s in took_s) <= elapsed_s


def test_who_is_meant_and_where_it_was_scheduled(either_loop: Loop) -> None:
    either_loop.set_debug(True)
    partial = functools.partial(boom_of, 1)
    soon = either_loop.call_soon
    handles: list[Any] = [soon(boom_of, 3), soon(partial, 2), soon(time.sleep, 0)]
    made_at = here(-1)
    timer: Any = either_loop.call_later(60, boom_of, "x")
    timer_made_at = here(-1)
    source = f"{__file__}:{boom_of.__code__.co_firstlineno}"
    assert [repr(handle) for handle in handles] == [
        f"<Handle boom_of(3) at {source} created at {made_at}>",
        f"<Handle boom_of(1)(2) at {source} created at {made_at}>",
        f"<Handle sleep(0) created at {made_at}>",
    ]
    assert repr(timer) == f"<TimerHandle when={timer.when()} boom_of('x') at {source} created at {timer_made_at}>"
    for handle in [*handles, timer]:
        handle.cancel()
    assert repr(handles[0]) == f"<Handle cancelled boom_of(3) at {source} created at {made_at}>"  # as it was, for a log
    assert repr(timer) == f"<TimerHandle cancelled when={timer.when()} boom_of('x') at {source} created at {timer_made_at}>"


def boom_of(*_: object) -> None:
    raise ValueError


@pytest.mark.parametrize("is_debug", [False, True])
def test_the_exception_handler_is_told_who_failed_and_where_it_stands(either_loop: Loop, is_debug: bool) -> None:
    either_loop.set_debug(is_debug)
    contexts = contexts_of(either_loop)
    either_loop.call_soon(boom_of, 3)
    either_loop.call_soon(either_loop.stop)
    either_loop.run_forever()
    (told,) = contexts
    arguments = "3" if is_debug or sys.version_info < (3, 13) else ""  # which may be secrets
    assert told["message"] == f"Exception in callback boom_of({arguments}) at {__file__}:{boom_of.__code__.co_firstlineno}"
    assert ("source_traceback" in told) is is_debug


@pytest.mark.parametrize("how", ["loop.create_task", "asyncio.create_task", "TaskGroup", "factory"])
def test_a_task_says_where_it_was_made(how: str) -> None:
    """The same line as asyncio's."""

    def origin_of(loop: Loop) -> tuple[str, int]:
        async def main() -> tuple[str, int]:
            match how:
                case "loop.create_task":
                    task: Any = loop.create_task(_coroutine_function())
                case "asyncio.create_task":
                    task = asyncio.create_task(_coroutine_function())
                case "TaskGroup":
                    async with asyncio.TaskGroup() as group:
                        task = group.create_task(_coroutine_function())
                case _:
                    loop.set_task_factory(lambda loop, coro, **arguments: asyncio.Task(coro, loop=loop, **arguments))
                    task = loop.create_task(_coroutine_function())
            await task
            frame = task._source_traceback[-1]
            return frame.filename, frame.lineno

        loop.set_debug(True)
        try:
            return loop.run_until_complete(main())
        finally:
            loop.close()

    assert origin_of(treadle.new_event_loop()) == origin_of(asyncio.SelectorEventLoop())
