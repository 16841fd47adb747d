"""Handles and immediates that have run, and that nobody else has, are used again: nobody may see it."""

import asyncio
import threading
import weakref
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import run
from treadle import EventLoop
from treadle._native import census
from treadle._native.check_phase import Immediate
from treadle._native.queues import Handle

SPARES_MAX = 1_024  # callbacks.pxd
FEW, MANY = 100, 5_000


def test_so_many_are_kept_as_were_queued_but_no_more_than_the_bound(idle_loop: EventLoop) -> None:
    made_before = census.alive().get(Handle, 0)
    run(idle_loop)  # once: it watches its own pipe from now on
    before = census.alive().get(Handle, 0)
    for count, kept in ((FEW, FEW), (MANY, SPARES_MAX)):
        for _ in range(count):
            idle_loop.call_soon(int)
        run(idle_loop)
        assert census.alive()[Handle] - before == kept
    idle_loop.close()
    assert census.alive().get(Handle, 0) == made_before


def test_one_that_is_held_stays_what_it_was(idle_loop: EventLoop) -> None:
    ran: list[str] = []
    held = idle_loop.call_soon(ran.append, "first")
    run(idle_loop)
    following = idle_loop.call_soon(ran.append, "second")
    assert following is not held
    held.cancel()
    run(idle_loop)
    assert ran == ["first", "second"]
    assert (held.cancelled(), following.cancelled()) == (True, False)


def test_one_that_was_cancelled_comes_back_uncancelled(idle_loop: EventLoop) -> None:
    ran: list[str] = []
    handles: list[Any] = []
    idle_loop.call_soon(ran.append, "never").cancel()
    handles.append(idle_loop.call_soon(lambda: handles.pop().cancel()))  # itself, while it runs
    run(idle_loop)
    following = [idle_loop.call_soon(ran.append, name) for name in "abc"]
    assert [handle.cancelled() for handle in following] == [False] * 3
    run(idle_loop)
    assert ran == ["a", "b", "c"]


def test_one_that_is_referred_to_weakly_dies(idle_loop: EventLoop) -> None:
    reference = weakref.ref(idle_loop.call_soon(int))
    run(idle_loop)
    assert reference() is None


def test_debug_mode_has_handles_of_its_own(idle_loop: EventLoop) -> None:
    idle_loop.set_debug(True)
    idle_loop.call_soon(int)
    run(idle_loop)
    idle_loop.set_debug(False)
    assert type(idle_loop.call_soon(int)) is Handle
    run(idle_loop)


def test_threads_that_schedule_meanwhile_lose_none(idle_loop: EventLoop) -> None:
    ran: list[int] = []
    idle_loop.ref_request()

    def schedule(first: int) -> None:
        for number in range(first, first + MANY):
            idle_loop.call_soon_threadsafe(ran.append, number)

    threads = [threading.Thread(target=schedule, args=(first,)) for first in (0, MANY)]

    def end() -> None:
        for thread in threads:
            thread.join()
        idle_loop.call_soon_threadsafe(idle_loop.unref_request)

    for thread in threads:
        thread.start()
    ender = threading.Thread(target=end)
    ender.start()
    run(idle_loop)
    ender.join()
    assert sorted(ran) == list(range(2 * MANY))


# -- immediates


def test_so_many_immediates_are_kept_as_were_queued_but_no_more_than_the_bound(idle_loop: EventLoop) -> None:
    before = census.alive().get(Immediate, 0)
    for count, kept in ((FEW, FEW), (MANY, SPARES_MAX)):
        for _ in range(count):
            idle_loop.set_immediate(int)
        run(idle_loop)
        assert census.alive()[Immediate] - before == kept
    idle_loop.close()
    assert census.alive().get(Immediate, 0) == before


def test_an_immediate_that_is_held_stays_what_it_was(idle_loop: EventLoop) -> None:
    ran: list[str] = []
    held = idle_loop.set_immediate(ran.append, "first")
    run(idle_loop)
    following = idle_loop.set_immediate(ran.append, "second")
    assert following is not held
    assert not held.has_ref()
    held.ref().unref()
    held.close()
    run(idle_loop)
    assert ran == ["first", "second"]
    assert (held.cancelled(), following.cancelled()) == (True, False)
    assert repr(following) == "<Immediate done>"


def test_an_immediate_comes_back_as_a_new_one(idle_loop: EventLoop) -> None:
    """Whatever became of it: cleared while it ran, unref'd, a step of a task."""
    ran: list[str] = []
    handles: list[Any] = []
    reference = weakref.ref(idle_loop.set_immediate(int))
    idle_loop.set_immediate(int).unref()
    handles.append(idle_loop.set_immediate(lambda: handles.pop().close()))
    idle_loop.create_task(asyncio.sleep(0))
    run(idle_loop)
    assert reference() is None
    following = [idle_loop.set_immediate(ran.append, name) for name in "abcde"]
    assert [immediate.has_ref() for immediate in following] == [True] * 5
    assert [immediate.cancelled() for immediate in following] == [False] * 5
    assert idle_loop.statistics()["immediates_refed"] == 5
    run(idle_loop)
    assert ran == ["a", "b", "c", "d", "e"]


def test_an_immediate_that_failed_comes_back_as_a_new_one(idle_loop: EventLoop) -> None:
    ran: list[str] = []
    idle_loop.uncaught_hook = lambda error: ran.append(str(error)) is None

    def fail() -> None:
        raise ValueError("boom")

    for _ in range(3):
        idle_loop.set_immediate(fail)
        idle_loop.set_immediate(ran.append, "after")
        run(idle_loop)
    assert ran == ["boom", "after"] * 3


class _Owner:
    """Keeps the handle of its own method: a cycle through what the garbage collector does not see."""

    handle: object

    def call(self) -> None: ...


@pytest.mark.parametrize("how", ["call_soon", "set_immediate", "call_later"])
@pytest.mark.parametrize("end", ["run", "closed loop", "cancelled"])
def test_what_was_to_be_called_is_not_held_for_ever(how: str, end: str) -> None:
    loop = treadle.new_event_loop()
    owner = _Owner()
    owner.handle = getattr(loop, how)(*([0] if how == "call_later" else []), owner.call)
    reference = weakref.ref(owner)
    if end == "run":
        run(loop)
    elif end == "cancelled":
        owner.handle.cancel()  # type: ignore[attr-defined]
    else:
        loop.close()
    del owner
    assert reference() is None, "no cycle is left, so no collector is needed"
    loop.close()
