"""AbortSignal where treadle has something that Node has not: exceptions as reasons, scopes that cancel a task, no leak."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

import treadle
from treadle import AbortController, AbortSignal, TreadleError
from treadle.events import AbortEvent


def test_a_signal_is_made_by_a_controller() -> None:
    with pytest.raises(TypeError, match="ERR_ILLEGAL_CONSTRUCTOR"):
        AbortSignal()


def test_the_usual_reason_is_an_error_with_a_code() -> None:
    with pytest.raises(TreadleError) as caught:
        AbortSignal.abort().throw_if_aborted()
    assert caught.value.code == "ABORT_ERR"


def test_a_reason_that_is_no_exception_comes_inside_one() -> None:
    with pytest.raises(TreadleError) as caught:
        AbortSignal.abort("enough").throw_if_aborted()
    assert caught.value.data["reason"] == "enough"


@pytest.mark.parametrize("listener", [None, 1, "x"])
def test_a_listener_can_be_called(listener: object) -> None:
    with pytest.raises(TypeError, match="ERR_INVALID_ARG_TYPE"):
        AbortController().signal.add_event_listener("abort", listener)  # type: ignore[arg-type]


def test_its_repr_says_where_it_stands() -> None:
    controller = AbortController()
    assert repr(controller) == "<AbortController <AbortSignal waiting>>"
    controller.abort("enough")
    assert repr(controller.signal) == "<AbortSignal aborted: 'enough'>"


def test_on_abort_is_one_listener_that_can_be_replaced() -> None:
    controller = AbortController()
    heard: list[object] = []
    controller.signal.on_abort = lambda _: heard.append(1)
    controller.signal.on_abort = lambda _: heard.append(2)
    assert controller.signal.on_abort is not None
    controller.abort()
    assert heard == [2]
    controller.signal.on_abort = None
    assert controller.signal.on_abort is None


def test_without_a_loop_a_failing_listener_is_raised_when_all_have_heard() -> None:
    controller = AbortController()
    heard: list[AbortEvent] = []

    def fail(_: AbortEvent) -> None:
        raise ValueError("boom")

    follower = AbortSignal.any([controller.signal])
    controller.signal.add_event_listener("abort", fail)
    controller.signal.add_event_listener("abort", heard.append)
    follower.add_event_listener("abort", heard.append)
    with pytest.raises(ValueError, match="boom"):
        controller.abort()
    assert [event.target for event in heard] == [controller.signal, follower]


def test_in_a_loop_a_failing_listener_is_uncaught_a_tick_later() -> None:
    caught: list[object] = []
    heard: list[object] = []

    def fail(_: AbortEvent) -> None:
        raise ValueError("boom")

    async def main() -> None:
        treadle.process.once("uncaught_exception", lambda error: caught.append(error))
        controller = AbortController()
        controller.signal.add_event_listener("abort", fail)
        controller.signal.add_event_listener("abort", heard.append)
        controller.abort()
        assert caught == []
        await asyncio.sleep(0)

    treadle.run(main)
    assert [str(error) for error in caught] == ["boom"]
    assert len(heard) == 1


def test_a_long_lived_source_does_not_collect_signals() -> None:
    source = AbortController()
    gone = [weakref.ref(AbortSignal.any([source.signal])) for _ in range(100)]
    gc.collect()
    assert [reference() for reference in gone] == [None] * 100
    assert not source.signal._dependents


def test_a_signal_with_a_listener_is_kept_until_it_has_none() -> None:
    source = AbortController()
    heard: list[object] = []
    listener = heard.append
    follower = AbortSignal.any([source.signal])
    follower.add_event_listener("abort", listener)
    reference = weakref.ref(follower)
    del follower
    gc.collect()
    kept = reference()
    assert kept is not None
    kept.remove_event_listener("abort", listener)
    del kept
    gc.collect()
    assert reference() is None
    source.abort()
    assert heard == []


def test_two_sources_abort_it_once() -> None:
    first, second = AbortController(), AbortController()
    follower = AbortSignal.any([first.signal, second.signal])
    heard: list[object] = []
    follower.add_event_listener("abort", lambda event: heard.append(event.target.reason))
    first.signal.add_event_listener("abort", lambda _: second.abort("second"))
    first.abort("first")
    assert heard == ["first"]


def test_a_timeout_does_not_hold_the_program() -> None:
    async def main() -> AbortSignal:
        return AbortSignal.timeout(60_000)

    assert not treadle.run(main).aborted


def test_a_timeout_is_a_timeout_error() -> None:
    async def main() -> None:
        async with AbortSignal.timeout(1).scope():
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError, match="ERR_TIMED_OUT: The operation was not complete after 1 ms"):
        treadle.run(main)


def test_a_scope_raises_the_reason_and_leaves_its_task_uncancelled() -> None:
    async def main() -> str:
        controller = AbortController()
        reason = ValueError("enough")
        treadle.timers.set_immediate(controller.abort, reason)
        with pytest.raises(ValueError, match="enough") as caught:
            async with controller.signal.scope() as signal:
                assert signal is controller.signal
                await asyncio.sleep(60)
        assert caught.value is reason
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)
        return "goes on"

    assert treadle.run(main) == "goes on"


def test_a_scope_of_what_is_aborted_is_not_entered() -> None:
    async def main() -> None:
        async with AbortSignal.abort().scope():
            pytest.fail("entered")

    with pytest.raises(TreadleError, match="ABORT_ERR"):
        treadle.run(main)


def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def inside(controller: AbortController) -> None:
        async with controller.signal.scope():
            await asyncio.sleep(60)

    async def main() -> bool:
        controller = AbortController()
        task = asyncio.ensure_future(inside(controller))
        await asyncio.sleep(0)
        task.cancel()
        controller.abort()
        await asyncio.wait([task])
        return task.cancelled()

    assert treadle.run(main)


def test_a_scope_that_has_ended_cancels_nobody() -> None:
    async def main() -> int:
        controller = AbortController()
        async with controller.signal.scope():
            pass
        controller.abort()
        await asyncio.sleep(0)
        assert not controller.signal._listeners
        return 1

    assert treadle.run(main) == 1


def test_a_scope_is_entered_once() -> None:
    async def main() -> None:
        scope = AbortController().signal.scope()
        async with scope:
            pass
        async with scope:
            pytest.fail("entered")

    with pytest.raises(RuntimeError, match="ERR_INVALID_STATE"):
        treadle.run(main)


def test_a_timeout_that_nobody_waits_for_is_given_up() -> None:
    async def main() -> None:
        signal = AbortSignal.timeout(60_000)
        (clock,) = signal._sources
        timer = clock._timer
        assert timer is not None
        follower = AbortSignal.any([signal])
        gone = weakref.ref(clock)
        del signal, clock
        gc.collect()
        assert gone() is not None, "the follower waits for it"
        del follower
        gc.collect()
        assert gone() is None
        assert not timer.has_ref()

    treadle.run(main)


def test_a_timeout_with_a_listener_only_is_kept() -> None:
    async def main() -> list[str]:
        heard: list[str] = []
        done = asyncio.Event()
        signal = AbortSignal.any([AbortSignal.timeout(1)])
        signal.add_event_listener("abort", lambda event: (heard.append(event.type), done.set()))
        del signal
        gc.collect()
        await asyncio.wait_for(done.wait(), 20)
        return heard

    assert treadle.run(main) == ["abort"]


def test_a_source_is_a_signal() -> None:
    for signals in ([1], [AbortSignal.abort(), None], [AbortController()]):
        with pytest.raises(TypeError, match="ERR_INVALID_ARG_TYPE"):
            AbortSignal.any(signals)  # type: ignore[arg-type]


@pytest.mark.parametrize("delay_ms", ["x", None, -1, float("nan"), float("inf"), 2**31])
def test_a_timeout_that_no_timer_can_wait_is_refused(delay_ms: object) -> None:
    async def main() -> None:
        with pytest.raises(TreadleError, match=r"ERR_OUT_OF_RANGE|ERR_INVALID_ARG_TYPE"):
            AbortSignal.timeout(delay_ms)  # type: ignore[arg-type]

    treadle.run(main)


def test_a_listener_that_is_cancelled_keeps_none_from_being_called() -> None:
    controller = AbortController()
    heard: list[object] = []

    def fail(_: AbortEvent) -> None:
        raise asyncio.CancelledError

    controller.signal.add_event_listener("abort", fail)
    controller.signal.add_event_listener("abort", heard.append)
    with pytest.raises(asyncio.CancelledError):
        controller.abort()
    assert len(heard) == 1


@pytest.mark.parametrize("waits", [False, True])
def test_a_block_that_aborts_itself_raises_the_reason_and_no_later_await_is_hit(waits: bool) -> None:
    async def main() -> str:
        controller = AbortController()
        with pytest.raises(ValueError, match="enough"):
            async with controller.signal.scope():
                controller.abort(ValueError("enough"))
                if waits:
                    await asyncio.sleep(60)
        await asyncio.sleep(0.001)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return "goes on"

    assert treadle.run(main) == "goes on"


def test_a_block_that_aborts_itself_and_fails_keeps_its_error() -> None:
    async def main() -> str:
        controller = AbortController()
        with pytest.raises(KeyError):
            async with controller.signal.scope():
                controller.abort(ValueError("enough"))
                raise KeyError("other")
        await asyncio.sleep(0.001)
        return "goes on"

    assert treadle.run(main) == "goes on"


def test_the_signal_of_a_controller_cannot_be_replaced() -> None:
    with pytest.raises(AttributeError):
        AbortController().signal = AbortSignal.abort()  # type: ignore[misc]


def test_a_bad_on_abort_changes_nothing() -> None:
    controller = AbortController()
    heard: list[object] = []
    controller.signal.on_abort = heard.append
    with pytest.raises(TypeError, match="ERR_INVALID_ARG_TYPE"):
        controller.signal.on_abort = 1  # type: ignore[assignment]
    controller.abort()
    assert len(heard) == 1


def test_a_reason_that_is_raised_often_does_not_grow() -> None:
    signal = AbortSignal.abort(ValueError("enough"))
    depths = []
    for _ in range(3):
        with pytest.raises(ValueError, match="enough") as caught:
            signal.throw_if_aborted()
        depths.append(len(caught.traceback))
    assert depths == [depths[0]] * 3
