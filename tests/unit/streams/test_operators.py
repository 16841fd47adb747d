"""The iterator helpers: order and bounds under concurrency, errors, aborting, cancelling, empty streams."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.streams.support import Boom, settle, turns
from treadle import AbortController, AbortSignal, TreadleError
from treadle.streams import Readable


def numbers(count: int = 10) -> Readable:
    return Readable.from_(range(count))


def endless() -> Readable:
    def read(size: int) -> None:
        stream.push(0)

    stream = Readable(object_mode=True, read=read)
    return stream


class Calls:
    """A function whose calls end when they are told to. Knows how many were under way at most."""

    def __init__(self) -> None:
        self.waiting: dict[Any, Any] = {}
        self.begun: list[Any] = []
        self.most = 0
        self.signals: list[AbortSignal] = []
        self.cancelled: list[Any] = []

    async def __call__(self, chunk: Any, signal: AbortSignal) -> Any:
        self.begun.append(chunk)
        self.signals.append(signal)
        self.waiting[chunk] = asyncio.get_running_loop().create_future()
        self.most = max(self.most, len(self.waiting))
        try:
            return await self.waiting[chunk]
        except asyncio.CancelledError:
            self.cancelled.append(chunk)
            raise
        finally:
            del self.waiting[chunk]

    async def finish(self, chunk: Any, result: Any = None, error: BaseException | None = None) -> None:
        if error is None:
            self.waiting[chunk].set_result(result)
        else:
            self.waiting[chunk].set_exception(error)
        await turns(3)


# ---- what they make


async def double(number: int) -> int:
    await turns()
    return 2 * number


FUNCTIONS = {"sync": lambda number: 2 * number, "async": double}
each_kind = pytest.mark.parametrize("double", FUNCTIONS.values(), ids=FUNCTIONS)
each_concurrency = pytest.mark.parametrize("concurrency", [1, 2, 7])


@each_kind
@each_concurrency
async def test_map(double: Any, concurrency: int) -> None:
    assert await numbers().map(double, concurrency=concurrency).to_list() == list(range(0, 20, 2))


@each_concurrency
async def test_filter(concurrency: int) -> None:
    async def is_odd(number: int) -> bool:
        await turns(number % 3)
        return number % 2 == 1

    assert await numbers().filter(is_odd, concurrency=concurrency).to_list() == [1, 3, 5, 7, 9]
    assert await numbers().filter(lambda number: number > 7, concurrency=concurrency).to_list() == [8, 9]


@each_concurrency
async def test_flat_map(concurrency: int) -> None:
    async def some(number: int) -> Any:
        await turns(3 - number)
        return Readable.from_([number] * number)

    assert await numbers(4).flat_map(some, concurrency=concurrency).to_list() == [1, 2, 2, 3, 3, 3]
    assert await numbers(3).flat_map(lambda number: [number] * 2, concurrency=concurrency).to_list() == [0, 0, 1, 1, 2, 2]


async def test_the_function_of_flat_map_has_to_make_an_iterable() -> None:
    with pytest.raises(TypeError):
        await numbers().flat_map(lambda number: 1).to_list()


@pytest.mark.parametrize("limit", [0, 1, 3, 10, 99])
async def test_take_and_drop(limit: int) -> None:
    source = numbers()
    assert await source.take(limit).to_list() == list(range(10))[:limit]
    await settle()
    assert source.destroyed
    assert await numbers().drop(limit).to_list() == list(range(10))[limit:]


@pytest.mark.parametrize("name", ["concurrency", "high_water_mark"])
@pytest.mark.parametrize(
    ("number", "code"), [("2", "ERR_INVALID_ARG_TYPE"), (2.5, "ERR_INVALID_ARG_TYPE"), (-1, "ERR_OUT_OF_RANGE")]
)
async def test_numbers_that_are_none_are_refused(name: str, number: Any, code: str) -> None:
    with pytest.raises(TreadleError, match=name) as caught:
        numbers().map(double, **{name: number})
    assert caught.value.code == code


@pytest.mark.parametrize("limit", [-1, -99])
def test_limits_below_nothing_are_refused(limit: int) -> None:
    for method in ("take", "drop"):
        with pytest.raises(TreadleError) as caught:
            getattr(numbers(), method)(limit)
        assert caught.value.code == "ERR_OUT_OF_RANGE"


@pytest.mark.parametrize(("arguments", "code"), [((1,), "ERR_INVALID_ARG_TYPE"), ((None,), "ERR_INVALID_ARG_TYPE")])
async def test_what_is_no_function_is_refused(arguments: Any, code: str) -> None:
    for method in ("map", "filter", "flat_map"):
        with pytest.raises(TreadleError) as caught:
            getattr(numbers(), method)(*arguments)
        assert caught.value.code == code
    for method in ("for_each", "some", "every", "find", "reduce"):
        with pytest.raises(TreadleError) as caught:
            await getattr(numbers(), method)(*arguments)
        assert caught.value.code == code


async def test_what_is_out_of_range_is_refused() -> None:
    for options in ({"concurrency": 0}, {"concurrency": -1}, {"high_water_mark": -1}):
        with pytest.raises(TreadleError) as caught:
            numbers().map(str, **options)
        assert caught.value.code == "ERR_OUT_OF_RANGE"
    with pytest.raises(TreadleError) as caught:
        numbers().map(str, signal=1)  # type: ignore[arg-type]
    assert caught.value.code == "ERR_INVALID_ARG_TYPE"


async def test_for_each_some_every_find() -> None:
    seen: list[int] = []
    assert await numbers().for_each(seen.append) is None
    assert seen == list(range(10))
    for concurrency in (1, 3):
        assert await numbers().some(lambda number: number == 5, concurrency=concurrency) is True
        assert await numbers().some(lambda number: number > 50, concurrency=concurrency) is False
        assert await numbers().every(lambda number: number < 50, concurrency=concurrency) is True
        assert await numbers().every(lambda number: number < 5, concurrency=concurrency) is False
        assert await numbers().find(lambda number: number == 5, concurrency=concurrency) == 5
        assert await numbers().find(lambda number: number > 50, concurrency=concurrency) is None


@pytest.mark.parametrize(("method", "answer"), [("some", True), ("every", True), ("find", 0)])
async def test_those_that_know_the_answer_early_destroy_the_stream(method: str, answer: Any) -> None:
    source = endless()
    wanted = (lambda number: number == 0) if method != "every" else (lambda number: number != 0)
    assert await getattr(source, method)(wanted) == (False if method == "every" else answer)
    await settle()
    assert source.destroyed


async def test_reduce() -> None:
    async def add(total: int, number: int) -> int:
        await turns()
        return total + number

    assert await numbers().reduce(lambda total, number: total + number) == 45
    assert await numbers().reduce(add, 100) == 145
    assert await numbers(0).reduce(add, None) is None
    assert await numbers(1).reduce(add) == 0
    with pytest.raises(TreadleError) as caught:
        await numbers(0).reduce(add)
    assert caught.value.code == "ERR_MISSING_ARGS"


async def test_of_an_empty_stream() -> None:
    assert await numbers(0).map(str).to_list() == []
    assert await numbers(0).filter(bool, concurrency=3).to_list() == []
    assert await numbers(0).flat_map(list).to_list() == []
    assert await numbers(0).take(3).to_list() == []
    assert await numbers(0).drop(3).to_list() == []
    assert await numbers(0).some(bool) is False
    assert await numbers(0).every(bool) is True
    assert await numbers(0).find(bool) is None
    assert await numbers(0).for_each(bool) is None
    assert await numbers(0).to_list() == []


async def test_in_a_row() -> None:
    made = numbers(20).filter(lambda number: number % 2 == 0).map(double, concurrency=3).drop(1).take(3)
    assert await made.to_list() == [4, 8, 12]


# ---- concurrency


async def test_no_more_calls_than_asked_for_and_results_in_order() -> None:
    calls = Calls()
    results = numbers().map(calls, concurrency=3)
    collected = asyncio.create_task(results.to_list())
    await turns(5)
    assert calls.begun == [0, 1, 2]
    await calls.finish(2, "c")
    assert calls.begun == [0, 1, 2, 3]  # it waits for its turn, and another one is under way
    await calls.finish(0, "a")
    await calls.finish(1, "b")
    while calls.waiting:
        await calls.finish(max(calls.waiting), max(calls.waiting))
    assert await collected == ["a", "b", "c", 3, 4, 5, 6, 7, 8, 9]
    assert calls.most == 3


@pytest.mark.parametrize(("concurrency", "mark"), [(1, 0), (1, 3), (2, None), (3, 0), (3, 2), (3, 10)])
async def test_no_more_results_wait_than_the_mark_allows(concurrency: int, mark: int | None) -> None:
    # Nobody reads them but the stream that they are in, which asks for one.
    calls = Calls()
    results = numbers(50).map(calls, concurrency=concurrency, high_water_mark=mark)
    assert results.read() is None
    await turns(5)
    for _ in range(60):
        if not calls.waiting:
            break
        assert len(calls.waiting) <= concurrency
        await calls.finish(min(calls.waiting), "done")
    limit = (concurrency - 1 if mark is None else mark) + concurrency
    taken = 2  # by the stream: one that it holds, and one that its generator was asked for
    assert len(calls.begun) <= limit + taken
    assert calls.most <= concurrency
    results.on("error", lambda error: None).destroy()
    await settle()


@pytest.mark.parametrize(("concurrency", "mark", "limit"), [(2, None, 3), (2, 0, 2), (3, 2, 5), (3, 10, 13), (7, None, 13)])
async def test_no_more_results_pile_up_behind_a_slow_one_than_the_mark_allows(
    concurrency: int, mark: int | None, limit: int
) -> None:
    calls = Calls()
    collected = asyncio.create_task(numbers(50).map(calls, concurrency=concurrency, high_water_mark=mark).to_list())
    await turns(5)
    while others := [chunk for chunk in calls.waiting if chunk > 0]:
        await calls.finish(others[0], others[0])
    assert calls.begun == list(range(limit)) and calls.most == concurrency
    await calls.finish(0, 0)
    while calls.waiting:
        await calls.finish(min(calls.waiting), min(calls.waiting))
    assert await collected == list(range(50))


# ---- errors, aborting, cancelling


@each_kind
@each_concurrency
async def test_an_error_is_raised_and_destroys_the_stream(double: Any, concurrency: int) -> None:
    boom, source = Boom(), numbers(50)

    def fail(number: int) -> Any:
        if number == 5:
            raise boom
        return double(number)

    with pytest.raises(Boom) as caught:
        await source.map(fail, concurrency=concurrency).to_list()
    assert caught.value is boom
    await settle()
    assert source.destroyed


@each_concurrency
async def test_an_error_of_the_source(concurrency: int) -> None:
    boom = Boom()

    async def items() -> Any:
        yield 1
        yield 2
        raise boom

    for method in ("map", "filter"):
        with pytest.raises(Boom) as caught:
            await getattr(Readable.from_(items()), method)(bool, concurrency=concurrency).to_list()
        assert caught.value is boom
    with pytest.raises(Boom):
        await Readable.from_(items()).for_each(bool, concurrency=concurrency)


async def test_the_others_are_told_when_one_fails() -> None:
    calls, boom, source = Calls(), Boom(), numbers()
    collected = asyncio.create_task(source.map(calls, concurrency=3).to_list())
    await turns(5)
    await calls.finish(0, error=boom)
    with pytest.raises(Boom):
        await collected
    await settle()
    assert all(signal.aborted for signal in calls.signals)
    assert calls.waiting == {}
    assert source.destroyed


@pytest.mark.parametrize("method", ["map", "filter", "for_each", "some", "every", "find"])
@each_concurrency
async def test_abort_while_calls_are_under_way(method: str, concurrency: int) -> None:
    calls, controller, source = Calls(), AbortController(), numbers(50)
    made = getattr(source, method)(calls, concurrency=concurrency, signal=controller.signal)
    task = asyncio.create_task(made.to_list() if isinstance(made, Readable) else made)
    await turns(5)
    assert len(calls.begun) == concurrency
    controller.abort("enough")
    for chunk in list(calls.waiting):
        if chunk in calls.waiting and not calls.waiting[chunk].done():
            calls.waiting[chunk].set_result(method not in ("some", "find"))
    with pytest.raises(TreadleError) as caught:
        await task
    assert caught.value.code == "ABORT_ERR" and caught.value.data["reason"] == "enough"
    await settle()
    assert source.destroyed
    assert all(signal.aborted for signal in calls.signals)


@pytest.mark.parametrize("method", ["take", "drop"])
async def test_abort_of_those_that_count(method: str) -> None:
    controller, source = AbortController(), Readable(object_mode=True, read=lambda size: None)
    task = asyncio.create_task(getattr(source, method)(3, signal=controller.signal).to_list())
    await turns(3)
    controller.abort("enough")
    with pytest.raises(TreadleError) as caught:
        await task
    assert caught.value.code == "ABORT_ERR"
    await settle()
    assert source.destroyed


@pytest.mark.parametrize(
    "method", ["map", "filter", "flat_map", "take", "drop", "for_each", "some", "every", "find", "reduce", "to_list"]
)
async def test_aborted_before_it_begins(method: str) -> None:
    source, controller = numbers(), AbortController()
    controller.abort("enough")
    arguments = () if method == "to_list" else (3,) if method in ("take", "drop") else (lambda *chunks: [1],)
    made = getattr(source, method)(*arguments, signal=controller.signal)
    with pytest.raises(TreadleError) as caught:
        await (made.to_list() if isinstance(made, Readable) else made)
    assert caught.value.code == "ABORT_ERR" and caught.value.data["reason"] == "enough"
    await settle()
    assert source.destroyed


@pytest.mark.parametrize("method", ["map", "filter", "for_each", "some", "every", "find", "reduce", "to_list", "flat_map"])
@each_concurrency
async def test_cancelled_at_each_turn(method: str, concurrency: int) -> None:
    for number in range(12):
        source = numbers(3)

        async def step(*chunks: int) -> Any:
            await turns()
            return [1] if method == "flat_map" else False

        arguments = () if method == "to_list" else (step,)
        options = {} if method in ("reduce", "to_list") else {"concurrency": concurrency}
        made = getattr(source, method)(*arguments, **options)
        task = asyncio.create_task(made.to_list() if isinstance(made, Readable) else made)
        await turns(number + 1)
        was_over = task.done()
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled() or was_over
        has_failed = task.cancelled()
        del made, task
        await settle()
        assert source.destroyed or not has_failed, number
        source.destroy()
        await settle()


async def test_the_signal_is_aborted_at_the_end_for_who_goes_on() -> None:
    signals: list[AbortSignal] = []
    await numbers(3).for_each(lambda number, signal: signals.append(signal))
    assert len(set(map(id, signals))) == 1 and signals[0].aborted


async def test_destroying_the_result_destroys_the_source() -> None:
    for concurrency in (1, 3):
        source = numbers()
        results = source.map(str, concurrency=concurrency)
        results.on("error", lambda error: None)
        assert await anext(aiter(results)) == "0"
        await settle()
        assert results.closed and source.destroyed
