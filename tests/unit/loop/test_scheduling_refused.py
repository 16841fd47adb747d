"""What cannot be scheduled is refused where it is scheduled, and by nothing worse than an exception."""

from types import MappingProxyType

import pytest

import treadle
from treadle._native.loop import LoopCore

FACES = {
    "next_tick": (),
    "queue_microtask": (),
    "set_immediate": (),
    "set_timeout": (1,),
    "set_interval": (1,),
    "call_soon": (),
    "call_soon_threadsafe": (),
}


@pytest.mark.parametrize("name", FACES)
def test_nothing_is_scheduled_on_a_closed_loop(loop: treadle.EventLoop, name: str) -> None:
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        getattr(loop, name)(int, *FACES[name])


@pytest.mark.parametrize("name", FACES)
def test_none_is_no_callback(name: str) -> None:
    core = LoopCore()
    with pytest.raises(TypeError):
        getattr(core, name)(None, *FACES[name])
    core.close_core()


@pytest.mark.parametrize("when", ["call_later", "call_at"])
def test_none_is_no_callback_of_an_alarm_either(loop: treadle.EventLoop, when: str) -> None:
    with pytest.raises(TypeError):
        getattr(loop, when)(0, None)


def test_a_timeout_that_no_loop_made_is_harmless(loop: treadle.EventLoop) -> None:
    made = type(loop.set_timeout(int, 1)).__new__(type(loop.set_timeout(int, 1)))
    assert "fired" in repr(made)
    made.refresh()
    made.close()


def test_a_timer_does_not_outlive_its_loop(loop: treadle.EventLoop) -> None:
    waiting, fired = loop.set_timeout(int, 10_000), loop.set_timeout(loop.stop, 1)
    loop.run_forever()
    loop.close()
    assert "closed" in repr(waiting)
    for timer in (waiting, fired):
        timer.refresh()
    assert loop.statistics()["timer_lists"] == 0


def test_debug_mode_tells_where_a_callback_was_scheduled(loop: treadle.EventLoop) -> None:
    told: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    loop.set_debug(True)
    loop.call_soon(lambda: 1 / 0)
    loop.call_later(0, loop.stop)
    loop.run_forever()
    (context,) = told
    assert context["source_traceback"][-1].name == "test_debug_mode_tells_where_a_callback_was_scheduled"  # type: ignore[index]


def test_statistics_are_read_only_and_a_core_shows_its_state() -> None:
    core = LoopCore()
    assert isinstance(core.statistics(), MappingProxyType)
    core.next_tick(int)
    assert "ticks=1" in repr(core)
    assert "watched=1 refed=0" in repr(core.poller)
    core.close_core()
    assert "closed" in repr(core)
    assert "closed" in repr(core.poller)
