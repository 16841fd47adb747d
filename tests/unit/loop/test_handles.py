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
