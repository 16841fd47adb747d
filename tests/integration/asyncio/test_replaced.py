"""What tests of programs replace: the loop's clock, and a method that asyncio's transports inherit. Asked of both loops."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any
from unittest import mock


def test_of_both(function: Callable[..., Any]) -> Callable[..., None]:
    """An async test, on the loop of the fixture; without a deadline, which would go by the replaced clock."""

    @functools.wraps(function)
    def test(loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(function(loop))

    return test


test_of_both.__test__ = False  # type: ignore[attr-defined]


class Clock:
    """Stands until it is moved."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


async def _turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@test_of_both
async def test_timers_go_by_a_replaced_clock(loop) -> None:
    fired: list[str] = []
    clock = Clock(loop.time())
    with mock.patch.object(loop, "time", clock):
        loop.call_later(60, fired.append, "later")
        loop.call_at(clock.now_s + 30, fired.append, "at")
        await _turns()
        assert fired == []
        clock.now_s += 30  # exactly
        await _turns()
        assert fired == ["at"]
        clock.now_s += 31
        await _turns()
        assert fired == ["at", "later"]


@test_of_both
async def test_a_timer_of_the_own_clock_goes_by_the_replaced_one(loop) -> None:
    fired: list[str] = []
    loop.call_later(3600, fired.append, "hour")
    with mock.patch.object(loop, "time", Clock(loop.time() + 3601)):
        await _turns()
    assert fired == ["hour"]


@test_of_both
async def test_the_own_clock_comes_back(loop) -> None:
    own = loop.time
    with mock.patch.object(loop, "time", Clock(loop.time() - 3600)):
        asleep = loop.create_task(asyncio.sleep(0))
        late = loop.create_future()
        loop.call_later(3600, late.set_result, None)
        await asleep
        assert not late.done()
    assert loop.time == own
    await late  # an hour later than an hour ago
    await asyncio.sleep(0.001)


@test_of_both
async def test_a_timeout_expires_by_a_replaced_clock(loop) -> None:
    clock = Clock(loop.time())
    with mock.patch.object(loop, "time", clock):
        waiting = loop.create_task(asyncio.wait_for(loop.create_future(), 10))
        await _turns()
        assert not waiting.done()
        clock.now_s += 10
        await asyncio.wait([waiting])
    assert isinstance(waiting.exception(), TimeoutError)


@test_of_both
async def test_many_timers_by_a_replaced_clock_run_in_their_order(loop) -> None:
    fired: list[int] = []
    clock = Clock(5.0)
    with mock.patch.object(loop, "time", clock):
        for number in (7, 3, 9, 1, 5):
            loop.call_at(5 + number, fired.append, number)
        clock.now_s = 12.0
        await _turns()
        assert fired == [1, 3, 5, 7]


def test_a_loop_may_have_a_clock_by_its_class(loop) -> None:
    class Ahead(type(loop)):  # type: ignore[misc]
        by_s = 0.0

        def time(self) -> float:
            return super().time() + self.by_s

    async def main() -> list[str]:
        fired: list[str] = []
        own.call_later(600, fired.append, "fired")
        own.by_s = 601
        await _turns()
        return fired

    own = Ahead()
    try:
        assert own.run_until_complete(main()) == ["fired"]
    finally:
        own.close()


def test_a_class_may_get_another_clock_between_two_runs(loop) -> None:
    fired: list[str] = []
    clock = Clock(loop.time())

    async def main() -> None:
        loop.call_later(60, fired.append, "later")
        clock.now_s += 61
        await _turns()

    with mock.patch.object(type(loop), "time", property(lambda self: clock)):
        loop.run_until_complete(main())
    assert fired == ["later"]


@test_of_both
async def test_a_poll_that_waits_sees_the_clock_move(loop) -> None:
    """Also where a descriptor, not a timer, ends the poll."""
    clock = Clock(loop.time())
    fired = loop.create_future()
    with mock.patch.object(loop, "time", clock):
        loop.call_later(10, fired.set_result, "late")

        def move() -> None:
            clock.now_s += 10

        await loop.run_in_executor(None, move)
        assert await fired == "late"


@test_of_both
async def test_get_extra_info_replaced_for_all_transports(loop) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1")
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    with mock.patch("asyncio.Transport.get_extra_info", return_value="replaced") as get_extra_info:
        assert writer.transport.get_extra_info("peername") == "replaced"
        get_extra_info.assert_called_with("peername")
        assert writer.transport.get_extra_info("peername", "nobody") == "replaced"
        get_extra_info.assert_called_with("peername", "nobody")

    def named(transport: object, name: str, default: object = None) -> object:
        return transport, name, default

    with mock.patch.object(asyncio.Transport, "get_extra_info", named):
        assert writer.transport.get_extra_info("peername", 7) == (writer.transport, "peername", 7)
        assert writer.transport.get_extra_info("peername", default=None) == (writer.transport, "peername", None)
    assert writer.transport.get_extra_info("peername") == server.sockets[0].getsockname()
    assert writer.transport.get_extra_info("nothing", 7) == writer.transport.get_extra_info("nothing", default=7) == 7
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
