"""What call_soon and call_later return, as far as asyncio's users look at it."""

import asyncio
import weakref

import pytest

Loop = asyncio.AbstractEventLoop


@pytest.mark.parametrize("is_debug", [False, True])
def test_handles_can_be_referred_to_weakly(either_loop: Loop, is_debug: bool) -> None:
    either_loop.set_debug(is_debug)
    handle, timer = either_loop.call_soon(int), either_loop.call_later(60, int)
    assert [reference() for reference in map(weakref.ref, (handle, timer))] == [handle, timer]
    timer.cancel()


@pytest.mark.parametrize("is_debug", [False, True])
def test_they_go_by_asyncios_names(either_loop: Loop, is_debug: bool) -> None:
    either_loop.set_debug(is_debug)
    handle, timer = either_loop.call_soon(int), either_loop.call_later(60, int)
    assert repr(handle).startswith("<Handle ")
    assert repr(timer).startswith("<TimerHandle ")
    timer.cancel()
    assert "cancelled" in repr(timer)


@pytest.mark.parametrize("when", [10**6, 10.0**6, 10**6 + 0.25])
def test_a_time_comes_back_as_it_was_given(either_loop: Loop, when: float) -> None:
    timer = either_loop.call_at(when, int)
    assert (timer.when(), type(timer.when())) == (when, type(when))
    timer.cancel()


def test_handles_are_asyncios(either_loop: asyncio.AbstractEventLoop) -> None:
    soon, later = either_loop.call_soon(int), either_loop.call_later(60, int)
    assert isinstance(soon, asyncio.Handle) and not isinstance(soon, asyncio.TimerHandle)
    assert isinstance(later, asyncio.TimerHandle) and isinstance(later, asyncio.Handle)
    soon.cancel()
    later.cancel()


def test_timers_are_in_order_by_their_time(either_loop: asyncio.AbstractEventLoop) -> None:
    late, soon = either_loop.call_at(2e9, int), either_loop.call_at(1e9, int)
    assert sorted([late, soon]) == [soon, late]  # type: ignore[type-var]
    assert soon < late and soon <= late and late > soon and late >= soon  # type: ignore[operator]
    assert not (late < soon or late <= soon or soon > late or soon >= late)  # type: ignore[operator]
    assert len({late, soon, late}) == 2
    with pytest.raises(TypeError):
        assert late < 3  # type: ignore[operator]
    late.cancel()
    soon.cancel()
