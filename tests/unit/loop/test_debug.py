"""Debug mode as CPython documents it ("Developing with asyncio"), asked of asyncio's loop and of treadle's."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from tests.unit.loop.support import DEADLINE_S, spin

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
