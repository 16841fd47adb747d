"""What Hypothesis makes random programs of.

A program is drawn as a flat list of operations, each with the depth at which it stands, and then folded into a tree: such lists
are long where a recursive strategy's trees are small, and what is left of one makes sense. Small delays and few durations: the
order is interesting where times meet.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from tests.model.driver.interpreter import Operation

Strategy = st.SearchStrategy[Any]

US = st.sampled_from([0, 1, 400, 999, 1000, 1001, 2000, 3000, 5000, 12_000])
MS = st.sampled_from([0, 1, 1.9, 2, 3, 5, 20])
NTH = st.integers(0, 6)
DEPTH = st.integers(0, 5)


def operation(name: str, **fields: Strategy) -> Strategy:
    return st.fixed_dictionaries({"op": st.just(name), **fields})


def scheduling(name: str, **fields: Strategy) -> Strategy:
    """An operation with a callback."""
    return operation(name, do=st.builds(list), **fields)


STEP = st.fixed_dictionaries(
    {
        "await": st.sampled_from(["yield", "tick", "microtask", "immediate", "timeout", "later", "io", "resolve"]),
        "ms": st.sampled_from([0, 1, 5]),
        "do": st.builds(list),
    }
)

TICK = scheduling("tick")
SPIN = operation("spin", us=US)
FAIL = operation("fail")

NODES_WITHOUT_IO = (
    TICK,
    scheduling("microtask"),
    scheduling("immediate"),
    scheduling("timeout", ms=MS),
    scheduling("interval", ms=st.sampled_from([1, 2, 5]), times=st.integers(1, 4)),
)

NODES = (*NODES_WITHOUT_IO, scheduling("io"))

ASYNCIOS = (
    scheduling("soon"),
    scheduling("thread"),
    scheduling("later", us=US),
    scheduling("at", us=st.sampled_from([-3000, -1, 0, 1, 1000, 5000])),
    scheduling("future"),
    operation("task", steps=st.lists(STEP, min_size=1, max_size=4)),
)

CLEAR = operation("clear", n=NTH)
REFRESH = operation("ref", n=NTH, how=st.just("refresh"))

OTHERS = (SPIN, FAIL, CLEAR, REFRESH, operation("ref", n=NTH, how=st.sampled_from(["unref", "ref"])))

OTHERS_OF_ASYNCIO = (
    operation("resolve", n=NTH),
    operation("cancel_task", n=NTH),
    operation("cancel_future", n=NTH),
    operation("stop"),
)

#: Around the bounds of the guard.
FLOODS = (
    scheduling(
        "flood",
        kind=st.sampled_from(["soon", "tick", "microtask", "immediate"]),
        count=st.sampled_from([1, 63, 127, 128, 129, 300, 1000, 1064, 1500]),
        us=st.sampled_from([0, 5, 10, 11, 40]),
    ),
    scheduling(
        "many",
        kind=st.sampled_from(["timeout", "later", "past", "immediate", "soon", "microtask", "io"]),
        count=st.sampled_from([1, 17, 63, 128, 129, 300, 1064, 1500]),
        rounds=st.sampled_from([1, 1, 2, 3]),
        ms=st.sampled_from([0, 1, 2, 5]),
        us=st.sampled_from([0, 5, 11, 40, 200]),
    ),
)


def bodies(operations: Iterable[Strategy]) -> Strategy:
    """What the main function of a program does."""
    placed = st.tuples(DEPTH, st.one_of(*operations))
    return st.integers(0, 50).flatmap(lambda size: st.lists(placed, min_size=size, max_size=size)).map(tree)


def tree(placed: list[tuple[int, Operation]]) -> list[Operation]:
    """Fold the list: each operation stands in the callback of the last one that is less deep."""
    main: list[Operation] = []
    open_bodies = [main]
    for depth, drawn in placed:
        made = copy.deepcopy(drawn)
        del open_bodies[depth + 1 :]
        open_bodies[-1].append(made)
        if "do" in made:
            open_bodies.append(made["do"])
        elif "steps" in made:
            open_bodies += [step["do"] for step in made["steps"]]
    return main


def programs(*operations: Strategy) -> Strategy:
    """Whole programs."""
    return st.fixed_dictionaries(
        {
            "start_ns": st.sampled_from([1_000_000_000, 1_000_000_001, 1_000_400_000, 1_000_999_999]),
            "run": st.sampled_from(["while_alive", "forever"]),
            "takes_errors": st.booleans(),
            "guard": st.just(True),
            "main": bodies(operations),
        }
    )
