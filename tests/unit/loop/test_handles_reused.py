"""Handles that have run, and that nobody else has, are used again: nobody may see it."""

import threading
import weakref
from typing import Any

from tests.unit.loop.support import run
from treadle import EventLoop
from treadle._native import census
from treadle._native.queues import Handle

SPARES_MAX = 1_024  # microtasks.pxd
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
