"""A callback of Node's kind that fails without a frame of its own is named in a note. No code of the exception's class runs."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import boom, run
from treadle.loop import frameless

Loop = treadle.EventLoop
Schedules = Callable[..., object]

METHODS: dict[str, Callable[[Loop], Schedules]] = {
    "next_tick": lambda loop: loop.next_tick,
    "queue_microtask": lambda loop: lambda callback, *args: loop.queue_microtask(functools.partial(callback, *args)),
    "set_immediate": lambda loop: loop.set_immediate,
    "set_timeout": lambda loop: lambda callback, *args: loop.set_timeout(callback, 1, *args),
    "set_interval": lambda loop: lambda callback, *args: loop.set_interval(callback, 1, *args),
}


def takes_nothing() -> None: ...


def notes_of(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


def heard_of(loop: Loop, method: str, callback: Callable[..., object], *args: object) -> list[list[str]]:
    """The notes of what fails, as a listener for it hears them."""
    heard: list[list[str]] = []

    def hear(error: BaseException) -> bool:
        heard.append(notes_of(error))
        if method == "set_interval":
            scheduled.close()
        return True

    loop.uncaught_hook = hear
    scheduled: Any = METHODS[method](loop)(callback, *args)
    run(loop)
    return heard


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("debug", [False, True])
def test_a_call_that_does_not_fit_names_the_function(idle_loop: Loop, method: str, debug: bool) -> None:
    idle_loop.set_debug(debug)
    name = f"takes_nothing ({__file__}:{takes_nothing.__code__.co_firstlineno})"
    assert heard_of(idle_loop, method, takes_nothing, 1) == [[f"in the callback {name} of {method}"]]


@pytest.mark.parametrize("method", METHODS)
def test_c_code_is_named(idle_loop: Loop, method: str) -> None:
    assert heard_of(idle_loop, method, iter([]).__next__) == [[f"in the callback list_iterator.__next__ of {method}"]]


@pytest.mark.parametrize("method", METHODS)
def test_what_has_a_frame_needs_no_note(idle_loop: Loop, method: str) -> None:
    assert heard_of(idle_loop, method, boom) == [[]]


def test_what_nobody_hears_comes_out_with_its_note(idle_loop: Loop) -> None:
    idle_loop.next_tick(int, "x")
    with pytest.raises(ValueError, match="invalid literal") as failed:
        run(idle_loop)
    assert notes_of(failed.value) == ["in the callback int of next_tick"]


def test_one_that_is_raised_again_says_it_once() -> None:
    error = ValueError()
    for _ in range(3):
        frameless.explain("set_interval", int, error)
    frameless.explain("set_immediate", str, error)
    assert notes_of(error) == ["in the callback int of set_interval", "in the callback str of set_immediate"]


def test_who_is_forgotten_is_not_named() -> None:
    error = ValueError()
    frameless.explain("set_timeout", None, error)
    assert notes_of(error) == []


@dataclass(frozen=True)
class Frozen(Exception):
    why: str


class Touchy(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)

    def __setattr__(self, name: str, value: object) -> None:
        raise SystemExit(name)

    def add_note(self, note: str, /) -> None:
        raise SystemExit(note)


@pytest.mark.parametrize("make", [lambda: Frozen("a"), Touchy], ids=["frozen", "touchy"])
def test_the_exceptions_class_is_not_asked(make: Callable[[], BaseException]) -> None:
    error = make()
    frameless.explain("set_timeout", int, error)
    members = BaseException.__dict__["__dict__"].__get__(error)
    assert members["__notes__"] == ["in the callback int of set_timeout"]


@pytest.mark.parametrize("notes", [None, (), "text"])
def test_notes_that_are_no_list_stay(notes: object) -> None:
    error = ValueError()
    error.__dict__["__notes__"] = notes
    frameless.explain("set_timeout", int, error)
    assert error.__dict__["__notes__"] is notes
