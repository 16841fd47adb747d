"""What other servers answer to the vectors, as record_rivals.py has recorded it in rivals.json: read, judged, counted. No sockets.

A vector's answer is the statuses that came back, then `open` or `closed` where the last of them is no error: "200 open",
"200 400", "closed" for nothing at all.

    python -m tests.integration.http.rivals cl-and-te     what each answers to a vector
    python -m tests.integration.http.rivals               the table of docs/reference/http-conformance.md
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from enum import Enum
from functools import cache
from pathlib import Path

from tests.integration.http.vectors import VECTORS, Vector

RECORDED = Path(__file__).with_name("rivals.json")

# We refuse them; but the rules let a server do otherwise, and one that does is not to be blamed.
LEFT_OPEN = frozenset({
    # RFC 9112 2.2: a line may end with LF alone, and a field before the first is passed over
    "body-then-bad", "lf-request-line", "lf-header", "lf-last-header", "lf-end-of-head", "lf-everywhere", "lf-hides-header",
    "chunk-trailer-lf", "fold-first-line",
    # RFC 9112 5.2: a folded line may be unfolded
    "name-fold-space", "name-fold-tab", "name-fold-empty", "fold-host", "te-folded", "chunk-trailer-fold",
    # RFC 9110 8.6: equal lengths may be one
    "cl-twice-equal", "cl-twice-case", "cl-list-equal", "cl-list-tight",
    # RFC 9112 6.1: the coding may win
    "cl-and-te", "te-and-cl", "te-and-cl-zero", "cl-and-te-case",
    # RFC 9110 9.1: whether a method is known may be the application's to say
    "method-unknown", "method-lower-case", "method-mixed-case", "method-prefix", "method-suffix", "connect", "connect-origin-form",
    # RFC 9110 10.1.1, 6.5.1: may be ignored
    "expect-other", "expect-other-body", "expect-two", "chunk-trailer-length", "chunk-trailer-coding", "chunk-trailer-host",
})  # fmt: skip


class Demand(Enum):
    """What the rules demand for a vector."""

    REFUSE = "must be refused"
    ACCEPT = "must be accepted"
    LIMIT = "is larger than our limits"  # that others have other limits says nothing
    EITHER = "may be refused"
    CUT = "is cut off by its client"


class Verdict(Enum):
    """What a server has made of the last request of a vector."""

    ACCEPTED = "accepts"
    REFUSED = "refuses"  # by an error, or by closing
    WAITS = "waits"  # for more, or for ever


def demand(vector: Vector) -> Demand:
    """Of the last request of a vector."""
    last = vector.expect[-1]
    choices = (last,) if isinstance(last, int) else last
    if vector.or_silent:
        return Demand.CUT
    if 200 in choices:
        return Demand.ACCEPT if choices == (200,) else Demand.EITHER
    if vector.name in LEFT_OPEN:
        return Demand.EITHER
    return Demand.LIMIT if 414 in choices or 431 in choices else Demand.REFUSE


def verdict(vector: Vector, answer: str) -> Verdict:
    """Accepted is what got as many good answers as the vector has requests."""
    *statuses, end = answer.split()
    if end not in ("open", "closed"):
        statuses.append(end)
    if sum(status.startswith("2") for status in statuses) >= len(vector.expect):
        return Verdict.ACCEPTED
    return Verdict.WAITS if end == "open" else Verdict.REFUSED


@cache
def recorded() -> dict[str, dict[str, str]]:
    """Of each server, by the name of the vector."""
    said = json.loads(RECORDED.read_text())
    return {
        server: {name: answers[index] for name, answers in said["answers"].items()}
        for index, server in enumerate(said["servers"])
    }


def servers() -> dict[str, str]:
    """The recorded servers with their versions."""
    said: dict[str, str] = json.loads(RECORDED.read_text())["servers"]
    return said


def shown(name: str) -> str:
    """What each has answered to a vector, in a line; nothing for a vector that is not recorded."""
    return "; ".join(f"{server}: {answers[name]}" for server, answers in recorded().items() if name in answers)


def table() -> str:
    """How often each does what it must not, in Markdown."""
    demands = Counter(demand(vector) for vector in VECTORS)
    lines = [
        f"| server | of {demands[Demand.REFUSE]} that must be refused, accepts | waits "
        f"| of {demands[Demand.ACCEPT]} that must be accepted, refuses | of {demands[Demand.EITHER]} that may be refused, accepts "
        f"| of {demands[Demand.LIMIT]} past our limits, accepts |",
        "| --- " * 6 + "|",
    ]
    for server, answers in recorded().items():
        found = Counter((demand(vector), verdict(vector, answers[vector.name])) for vector in VECTORS)
        must_refuse = [found[Demand.REFUSE, verdict] for verdict in (Verdict.ACCEPTED, Verdict.WAITS)]
        refuses = found[Demand.ACCEPT, Verdict.REFUSED] + found[Demand.ACCEPT, Verdict.WAITS]
        either, limit = found[Demand.EITHER, Verdict.ACCEPTED], found[Demand.LIMIT, Verdict.ACCEPTED]
        lines.append(f"| {server} | {must_refuse[0]} | {must_refuse[1]} | {refuses} | {either} | {limit} |")
    return "\n".join(lines)


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        print(f"{wanted}\n    {shown(wanted)}")
    if len(sys.argv) == 1:
        print(table())
