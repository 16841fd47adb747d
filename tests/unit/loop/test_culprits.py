"""Who is named for a callback: the user's function or coroutine, also where asyncio scheduled it. No code of his runs."""

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from tests.unit.loop.support import boom
from treadle import events
from treadle.loop.culprits import Culprit, culprit_of
from treadle.timers import promises

STEPS = 3  # of the loop, until everything awaits what it awaits


def place(function: Any) -> str:
    return f"({__file__}:{function.__code__.co_firstlineno})"


def plain() -> None: ...


class Bad:
    """An object that may be called, and nothing else."""

    def __call__(self) -> None: ...

    def method(self) -> None: ...

    def __repr__(self) -> str:
        raise RuntimeError

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)

    @property
    def __class__(self) -> Any:
        raise RuntimeError


class Unprintable(list[int]):
    def __repr__(self) -> str:
        raise RuntimeError


class Hiding:
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise SystemExit

    def __call__(self) -> None: ...


class HasFunc:
    """Not functools.partial, though it has what that has."""

    def func(self) -> None: ...

    def __call__(self) -> None: ...


class Partial(functools.partial[None]):
    func = property(lambda _: boom())  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("callback", "name"),
    [
        (plain, f"plain {place(plain)}"),
        (functools.partial(functools.partial(plain), Unprintable()), f"plain {place(plain)}"),
        (Bad(), f"Bad {place(Bad.__call__)}"),
        (Bad().method, f"Bad.method {place(Bad.method)}"),
        (Unprintable().append, "Unprintable.append"),
        (int, "int"),
        (Hiding(), f"Hiding {place(Hiding.__call__)}"),
        (HasFunc(), f"HasFunc {place(HasFunc.__call__)}"),
        (Partial(plain), f"plain {place(plain)}"),
    ],
    ids=[
        "function",
        "partial",
        "object",
        "method",
        "builtin method",
        "class",
        "hidden __dict__",
        "has func",
        "derived partial",
    ],
)
def test_callbacks_of_the_user(callback: Callable[..., object], name: str) -> None:
    assert culprit_of(callback, None) == Culprit(name, is_asyncios=False)


def test_a_metaclass_is_not_asked() -> None:
    """Of an object of its class, and of the class itself."""
    touched: list[str] = []

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            touched.append(name)
            return super().__getattribute__(name)

        def __eq__(cls, other: object) -> bool:
            touched.append("==")
            return cls is other

        __hash__ = type.__hash__

    def called(self: object) -> None: ...

    made = Meta("Made", (), {"__call__": called, "__qualname__": "Made"})
    callback = object.__new__(made)
    touched.clear()
    found = [culprit_of(callback, None), culprit_of(made, None)]
    assert (found, touched) == ([Culprit(f"Made {place(called)}", False), Culprit("Made", False)], [])


def test_what_is_forgotten_has_no_name() -> None:
    assert culprit_of(None, None) is None


async def settled() -> None:
    for _ in range(STEPS):
        await asyncio.sleep(0)


def found(coroutine: Any) -> Culprit:
    """Who it is, for a task that goes on."""
    return Culprit(f"{coroutine.__qualname__} {place(coroutine)}", is_asyncios=True)


async def waits_for(future: Any) -> None:
    await future


async def gathers(*awaitables: Any) -> None:
    await asyncio.gather(*awaitables)


def test_of_a_tasks_step_its_coroutine(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> None:
        future = loop.create_future()
        task = asyncio.create_task(waits_for(future))
        await settled()
        ((wakes_up, _),) = future._callbacks  # type: ignore[misc]
        assert culprit_of(wakes_up, (future,)) == found(waits_for)
        future.set_result(None)
        await task

    loop.run_until_complete(main())


def test_of_a_sleep_who_sleeps(loop: asyncio.AbstractEventLoop) -> None:
    """What the timer calls is asyncio's own."""

    async def main() -> None:
        future = loop.create_future()
        task = asyncio.create_task(waits_for(future))
        await settled()
        assert culprit_of(asyncio.futures._set_result_unless_cancelled, (future, None)) == found(waits_for)  # type: ignore[attr-defined]
        future.set_result(None)
        await task

    loop.run_until_complete(main())


def test_of_what_gather_waits_for_who_gathers(loop: asyncio.AbstractEventLoop) -> None:
    """The timer of a sleep that nobody's coroutine awaits, and the callback of gather() itself."""

    async def main() -> None:
        future = loop.create_future()
        task = asyncio.create_task(gathers(future, loop.create_task(asyncio.sleep(0))))
        await settled()
        ((is_done, _),) = future._callbacks  # type: ignore[misc]
        assert culprit_of(is_done, (future,)) == found(gathers)
        assert culprit_of(asyncio.futures._set_result_unless_cancelled, (future, None)) == found(gathers)  # type: ignore[attr-defined]
        future.set_result(None)
        await task

    loop.run_until_complete(main())


def test_asyncios_own_is_named_where_nobody_waits(loop: asyncio.AbstractEventLoop) -> None:
    future = loop.create_future()
    culprit = culprit_of(asyncio.futures._set_result_unless_cancelled, (future, None))  # type: ignore[attr-defined]
    assert culprit is not None
    assert culprit.is_asyncios
    assert culprit.name.startswith("_set_result_unless_cancelled (")


class FakeFuture:
    _asyncio_future_blocking = False
    _callbacks = [(), "no tuple", (plain, None)]  # noqa: RUF012


SET_RESULT = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]


@pytest.mark.parametrize("args", [5, (), (FakeFuture(),), [FakeFuture()]], ids=["int", "none", "future", "list"])
def test_arguments_that_asyncio_never_has(args: Any) -> None:
    culprit = culprit_of(SET_RESULT, args)
    assert culprit is not None
    assert culprit.is_asyncios


@pytest.mark.parametrize("kind", [asyncio.Task, asyncio.tasks._PyTask], ids=["native", "Python's"])  # type: ignore[attr-defined]
def test_a_task_that_was_never_set_up(kind: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.tasks._PyTask, "__del__", lambda _: None)  # type: ignore[attr-defined]
    task = kind.__new__(kind)
    culprit = culprit_of(task.cancel, ())
    assert culprit is not None
    assert culprit.name.startswith("Task.cancel")


# -- what treadle itself scheduled


def clean_up_of(future: Any) -> Any:
    """What treadle has a future call when it is done."""
    return next(entry for entry, _ in future._callbacks if entry.__module__.startswith("treadle."))


def test_of_a_wait_of_treadles_who_waits(idle_loop: treadle.EventLoop) -> None:
    """What the timer calls is treadle's own; so is what the future calls first."""
    scheduled: list[Any] = []

    async def main() -> None:
        made = Handle()
        idle_loop.set_timeout = lambda callback, *_: scheduled.append(callback) or made  # type: ignore[method-assign,assignment]
        task = asyncio.create_task(waits_for(promises.sleep(1)))
        await settled()
        assert culprit_of(scheduled[0], None) == Culprit(found(waits_for).name, is_asyncios=False)
        scheduled[0]()
        await task

    idle_loop.run_until_complete(main())


class Handle:
    def close(self) -> None: ...


def test_of_treadles_own_it_is_known() -> None:
    async def main() -> None:
        future = events.once(events.EventEmitter(), "never")
        culprit = culprit_of(clean_up_of(future), (future,))
        assert culprit is not None
        assert culprit.is_treadles
        assert culprit.name.startswith("_Outcome.stop_listening (")
        future.cancel()

    treadle.run(main)


def test_the_cores_own_methods_are_treadles(idle_loop: treadle.EventLoop) -> None:
    culprit = culprit_of(idle_loop.next_tick, (int,))
    assert culprit is not None
    assert culprit.is_treadles
