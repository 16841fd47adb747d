"""events.once and events.on beyond Node's recorded traces: cancellation, dropped iterators, figures."""

import asyncio
import contextlib

import pytest

import treadle
from treadle._base.errors import TreadleError
from treadle.events import EventEmitter, EventIteratorStatistics, on, once


def test_once_cancelled_takes_its_listeners_off() -> None:
    async def main() -> None:
        e = EventEmitter()
        future = once(e, "x")
        assert e.event_names() == ["x", "error"]
        future.cancel()
        await asyncio.sleep(0)
        assert e.event_names() == []

    treadle.run(main())


def test_once_that_times_out_takes_its_listeners_off() -> None:
    async def main() -> None:
        e = EventEmitter()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await once(e, "x")
        assert e.event_names() == []

    treadle.run(main())


def test_an_error_after_the_event_is_not_swallowed() -> None:
    async def main() -> None:
        e = EventEmitter()
        future = once(e, "x")
        e.emit("x", 1)
        with pytest.raises(ValueError, match="boom"):
            e.emit("error", ValueError("boom"))
        assert await future == [1]

    treadle.run(main())


def test_once_fails_with_a_treadle_error_if_error_is_no_exception() -> None:
    async def main() -> None:
        e = EventEmitter()
        future = once(e, "x")
        e.emit("error", "text")
        with pytest.raises(TreadleError) as caught:
            await future
        assert caught.value.data == {"context": "text"}

    treadle.run(main())


@pytest.mark.parametrize("name", ["x", "error"])
def test_without_a_loop_once_listens_to_nothing(name: str) -> None:
    e = EventEmitter()
    with pytest.raises(TreadleError) as caught:
        once(e, name)
    assert caught.value.code == "ERR_NO_LOOP"
    assert e.event_names() == []


def test_break_drops_the_iterator_and_its_listeners() -> None:
    async def main() -> None:
        e = EventEmitter()
        asyncio.get_running_loop().call_soon(e.emit, "x", 1)
        async for args in on(e, "x", close=["end"]):
            assert e.event_names() == ["x", "error", "end"]
            assert args == [1]
            break
        assert e.event_names() == []

    treadle.run(main())


def test_aclosing_closes_an_iterator_that_is_kept() -> None:
    async def main() -> None:
        e = EventEmitter()
        async with contextlib.aclosing(on(e, "x")) as iterator:
            e.emit("x", 1)
            async for _ in iterator:
                break
            assert e.event_names() == ["x", "error"]
        assert e.event_names() == []
        await iterator.aclose()

    treadle.run(main())


def test_closing_while_iterating_ends_it() -> None:
    async def main() -> None:
        e = EventEmitter()
        iterator = on(e, "x")
        taken: list[object] = []

        async def consume() -> None:
            async for args in iterator:
                taken.append(args)

        consumer = asyncio.ensure_future(consume())
        await asyncio.sleep(0)
        e.emit("x", 1)
        await iterator.aclose()
        await consumer
        assert taken == [[1]]

    treadle.run(main())


def test_a_cancelled_consumer_loses_nothing() -> None:
    async def main() -> None:
        e = EventEmitter()
        iterator = on(e, "x")
        first, second = (asyncio.ensure_future(anext(iterator)) for _ in range(2))
        await asyncio.sleep(0)
        e.emit("x", 1)  # wakes the first, which is cancelled before it resumes
        first.cancel()
        assert await second == [1]
        assert first.cancelled()

    treadle.run(main())


def test_a_cancelled_waiter_is_not_served() -> None:
    async def main() -> None:
        e = EventEmitter()
        iterator = on(e, "x")
        first, second = (asyncio.ensure_future(anext(iterator)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        assert iterator.statistics().waiting == 1
        e.emit("x", 1)
        assert await second == [1]

    treadle.run(main())


def test_on_error_yields_the_errors() -> None:
    async def main() -> None:
        e = EventEmitter()
        iterator = on(e, "error")
        e.emit("error", "a", "b")
        assert await anext(iterator) == ["a", "b"]
        await iterator.aclose()

    treadle.run(main())


def test_an_iterator_shows_its_state() -> None:
    async def main() -> None:
        e = EventEmitter()
        iterator = on(e, "x")
        e.emit("x")
        e.emit("x")
        assert iterator.statistics() == EventIteratorStatistics(queued=2, waiting=0, is_closed=False)
        assert repr(iterator) == "<EventIterator open queued=2 waiting=0>"
        await iterator.aclose()
        assert repr(iterator) == "<EventIterator closed queued=2 waiting=0>"

    treadle.run(main())
