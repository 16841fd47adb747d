"""The same programs as in record_abort_facts.js, under the same names; their traces must be those that Node left in
abort_facts.json. What only treadle has is in test_abort.py."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import treadle
from treadle import AbortController, AbortSignal, TreadleError

RECORDED = json.loads(Path(__file__).with_name("abort_facts.json").read_text())["traces"]
NAMES = {"ABORT_ERR": "AbortError", "ERR_TIMED_OUT": "TimeoutError"}  # code here, name of the DOMException there

Log = Callable[..., None]


def name(reason: TreadleError) -> str:
    return NAMES[reason.code]


def a_listener_hears_of_it(log: Log) -> None:
    c = AbortController()
    c.signal.add_event_listener("abort", lambda e: log(e.type, e.target is c.signal, c.signal.aborted))
    log(c.signal.aborted, c.signal.reason is None)
    c.abort()
    log(c.signal.aborted, name(c.signal.reason))


def the_first_reason_stays(log: Log) -> None:
    c = AbortController()
    c.signal.add_event_listener("abort", lambda _: log("heard"))
    c.abort("one")
    c.abort("two")
    log(c.signal.reason)


def listeners_in_order_of_adding(log: Log) -> None:
    c = AbortController()
    c.signal.add_event_listener("abort", lambda _: log("a"))
    c.signal.on_abort = lambda _: log("on")
    c.signal.add_event_listener("abort", lambda _: log("b"), once=True)
    c.abort()


def the_same_listener_twice_is_one(log: Log) -> None:
    c = AbortController()

    def a(_: object) -> None:
        log("a")

    c.signal.add_event_listener("abort", a)
    c.signal.add_event_listener("abort", a)
    c.abort()


def removed_before(log: Log) -> None:
    c = AbortController()

    def a(_: object) -> None:
        log("a")

    c.signal.add_event_listener("abort", a)
    c.signal.add_event_listener("abort", lambda _: log("b"))
    c.signal.remove_event_listener("abort", a)
    c.signal.remove_event_listener("abort", a)
    c.abort()


def removed_meanwhile(log: Log) -> None:
    c = AbortController()

    def a(_: object) -> None:
        log("a")
        c.signal.remove_event_listener("abort", b)

    def b(_: object) -> None:
        log("b")

    c.signal.add_event_listener("abort", a)
    c.signal.add_event_listener("abort", b)
    c.abort()


def added_meanwhile(log: Log) -> None:
    c = AbortController()

    def a(_: object) -> None:
        log("a")
        c.signal.add_event_listener("abort", lambda _: log("late"))

    c.signal.add_event_listener("abort", a)
    c.abort()


def added_afterwards(log: Log) -> None:
    c = AbortController()
    c.abort()
    c.signal.add_event_listener("abort", lambda _: log("late"))
    log(c.signal.aborted)


def other_events_are_not_its_own(log: Log) -> None:
    c = AbortController()
    c.signal.add_event_listener("end", lambda _: log("end"))
    c.abort()
    log("done")


def aborted_from_the_beginning(log: Log) -> None:
    s = AbortSignal.abort("why")
    log(s.aborted, s.reason)
    log(name(AbortSignal.abort().reason))


def throw_if_aborted(log: Log) -> None:
    c = AbortController()
    reason = ValueError("why")
    c.signal.throw_if_aborted()
    c.abort(reason)
    with pytest.raises(ValueError, match="why") as caught:
        c.signal.throw_if_aborted()
    log(caught.value is reason)


def any_follows_the_first(log: Log) -> None:
    a, b = AbortController(), AbortController()
    s = AbortSignal.any([a.signal, b.signal])
    s.add_event_listener("abort", lambda _: log("any", s.reason))
    log(s.aborted)
    b.abort("b")
    a.abort("a")
    log(s.aborted, s.reason)


def any_of_one_that_is_aborted(log: Log) -> None:
    a = AbortController()
    s = AbortSignal.any([a.signal, AbortSignal.abort("x"), AbortSignal.abort("y")])
    log(s.aborted, s.reason)


def any_of_nothing(log: Log) -> None:
    log(AbortSignal.any([]).aborted)


def any_of_any(log: Log) -> None:
    a = AbortController()
    inner = AbortSignal.any([a.signal])
    outer = AbortSignal.any([inner])
    outer.add_event_listener("abort", lambda _: log("outer", inner.aborted))
    inner.add_event_listener("abort", lambda _: log("inner", outer.aborted))
    a.signal.add_event_listener("abort", lambda _: log("source", inner.aborted, outer.aborted))
    a.abort("x")
    log(outer.reason)


async def a_timeout(log: Log) -> None:
    s = AbortSignal.timeout(5)
    heard = asyncio.Event()
    s.add_event_listener("abort", lambda _: (log("abort", name(s.reason)), heard.set()))
    log(s.aborted)
    await asyncio.wait_for(heard.wait(), 10)
    log(s.aborted)


@pytest.mark.parametrize("program", RECORDED)
def test_trace_is_that_of_node(program: str) -> None:
    trace: list[list[Any]] = []
    function = globals()[program]
    log = lambda *entry: trace.append(list(entry))  # noqa: E731
    if inspect.iscoroutinefunction(function):
        treadle.run(function(log))
    else:
        function(log)
    assert trace == RECORDED[program]
