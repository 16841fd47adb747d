"""Timers to await: their phase, their value, and that nothing stays behind, whoever stops waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

import treadle
from treadle import AbortController, AbortSignal, TreadleError
from treadle.timers import promises, set_immediate, set_timeout

Waiting = Callable[[AbortSignal | None], Awaitable[object]]
WAITING: dict[str, Waiting] = {
    "sleep": lambda signal: promises.sleep(60_000, signal=signal),
    "interval": lambda signal: anext(promises.interval(60_000, signal=signal)),
}


def test_values_come_back() -> None:
    async def main() -> list[object]:
        return [await promises.sleep(), await promises.sleep(1, "a"), await promises.immediate(), await promises.immediate("b")]

    assert treadle.run(main) == [None, "a", None, "b"]


def test_each_in_its_phase() -> None:
    log: list[str] = []

    async def waits(awaitable: Awaitable[str]) -> None:
        log.append(await awaitable)

    async def main() -> None:
        await promises.immediate()  # from a check phase on the order is settled
        timed = asyncio.ensure_future(waits(promises.sleep(1, "sleep")))
        checked = asyncio.ensure_future(waits(promises.immediate("immediate")))
        set_immediate(log.append, "set_immediate")
        set_timeout(log.append, 1, "set_timeout")
        await asyncio.gather(timed, checked)

    treadle.run(main)
    assert log.index("immediate") < log.index("set_immediate"), "each was made before the other, and its task runs in between"
    assert log.index("sleep") < log.index("set_timeout")


def test_it_runs_from_the_call_on() -> None:
    log: list[str] = []

    async def main() -> None:
        first = promises.sleep(1, "first")
        set_timeout(log.append, 1, "second")
        await promises.sleep(20)
        assert first.done()
        log.append(await first)

    treadle.run(main)
    assert log == ["second", "first"]


@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING)
@pytest.mark.parametrize("reason", [ValueError("enough"), "enough"])
def test_an_abort_ends_the_waiting(waiting: Waiting, reason: object) -> None:
    controller = AbortController()

    async def main() -> None:
        set_immediate(controller.abort, reason)
        with pytest.raises(TreadleError) as caught:
            await waiting(controller.signal)
        assert caught.value.code == "ABORT_ERR"
        assert caught.value.data["reason"] == reason
        assert caught.value.__cause__ is (reason if isinstance(reason, Exception) else None)

    treadle.run(main)  # and ends: no timer holds it


@pytest.mark.parametrize("waiting", [*WAITING.values(), lambda signal: promises.immediate(signal=signal)])
def test_of_what_is_aborted_nothing_starts(waiting: Waiting) -> None:
    async def main() -> None:
        with pytest.raises(TreadleError, match="ABORT_ERR"):
            await waiting(AbortSignal.abort())

    treadle.run(main)


@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING)
def test_a_cancelled_task_leaves_nothing(waiting: Waiting) -> None:
    controller = AbortController()

    async def wait() -> None:
        await waiting(controller.signal)

    async def main() -> None:
        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        assert len(controller.signal._listeners) == 1
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)
        assert task.cancelled()
        assert not controller.signal._listeners

    treadle.run(main)  # and ends: no timer holds it


def test_unrefed_ones_do_not_hold_the_program() -> None:
    async def main() -> object:
        treadle.timers.set_immediate(lambda: None)
        return promises.sleep(60_000, ref=False)

    assert not treadle.run(main).done()


def test_a_signal_has_no_listener_left_when_it_is_over() -> None:
    controller = AbortController()

    async def main() -> None:
        await promises.sleep(1, signal=controller.signal)
        await promises.immediate(signal=controller.signal)
        await asyncio.sleep(0)

    treadle.run(main)
    assert not controller.signal._listeners


def test_an_interval_beats_until_it_is_left() -> None:
    async def main() -> list[object]:
        beats = promises.interval(1, "beat")
        heard = []
        async for beat in beats:
            heard.append(beat)
            if len(heard) == 3:
                break
        await beats.aclose()
        return heard

    assert treadle.run(main) == ["beat"] * 3


def test_beats_that_were_missed_come_at_once() -> None:
    async def main() -> None:
        beats = promises.interval(1)
        await anext(beats)
        async for count in numbered(promises.interval(1)):  # younger, of the same delay: it never beats before the other
            if count == 3:
                break
        for _ in range(2):
            with pytest.raises(StopIteration):  # done without having waited
                anext(beats).__await__().send(None)
        await beats.aclose()

    treadle.run(main)


async def numbered(beats: AsyncIterator[object]) -> AsyncIterator[int]:
    count = 0
    async for _ in beats:
        count += 1
        yield count


def test_an_interval_that_is_left_does_not_hold_the_program() -> None:
    kept = []

    async def main() -> None:
        kept.append(promises.interval(1))
        async for _ in kept[0]:
            break

    treadle.run(main)  # and ends, although somebody holds it still
    assert len(kept) == 1


@pytest.mark.parametrize("start", [promises.sleep, promises.immediate, promises.interval])
@pytest.mark.parametrize("signal", [1, "x", AbortController()])
def test_a_signal_that_is_none_is_refused_at_once(start: Callable[..., object], signal: object) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="ERR_INVALID_ARG_TYPE"):
            start(signal=signal)

    treadle.run(main)  # and ends: nothing was started


def test_without_a_loop_there_is_none() -> None:
    with pytest.raises(TreadleError, match="ERR_NO_LOOP"):
        promises.sleep()
