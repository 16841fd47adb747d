"""How a run is laid out: what is measured on one CPU, its load on another, peers in turns, names chosen on the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TypeVar

_One = TypeVar("_One")


def two_cpus() -> tuple[int, int]:
    """The first two CPUs that this process may use: what is measured on one, the load on the other."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise SystemExit("the bench needs two CPUs: one for the server, one for the load")
    return allowed[0], allowed[1]


def taking_turns(order: Sequence[_One], index: int, rounds: int) -> list[_One]:
    """Each round begins with another one."""
    shift = index * len(order) // rounds
    return [*order[shift:], *order[:shift]]


def chosen_of(
    asked: str | None, known: Sequence[str], what: str, groups: Mapping[str, Sequence[str]] | None = None
) -> tuple[str, ...]:
    """The names asked for, in the order known; all of them when nothing is asked. A group stands for its names."""
    names = {one for name in asked.split(",") for one in (groups or {}).get(name, (name,))} if asked else set(known)
    unknown = sorted(names - set(known))
    if unknown:
        raise SystemExit(f"no such {what}: {', '.join(unknown)}; known: {', '.join(known)}")
    return tuple(name for name in known if name in names)
