"""What holds of every vector, whole, behind and before good requests: tests for modules that import them and say `server`, plain
or over TLS.

A delivery runs once, for all vectors together; each vector then reports its own failures. After every delivery the
server must still be the same process, answer a good request, and hold no connection of those that ended. Not here: cuts, and what
a plain server alone is asked (test_vectors.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import pytest

from tests.integration.http.delivery import Conversation, deliver
from tests.integration.http.vectors import CLOSED, GOOD, VECTORS, Vector
from tests.integration.support import Program, eventually

SLOW = b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n"  # answered after 10 ms: what follows is known before it is answered

SMALL = tuple(vector for vector in VECTORS if len(vector.data) < 60_000)
REFUSED = tuple(vector for vector in SMALL if vector.ends == CLOSED and not vector.eof)

Failures = dict[str, list[str]]


def hold(server: Program, conversations: Iterable[Conversation]) -> Failures:
    """Deliver, then see that the server is none the worse for it."""
    assert server.get("/warm-up").status == 200
    descriptors = server.idle_fd_count()
    failures: Failures = defaultdict(list)
    for one in deliver(server.address, conversations):
        if one.problem:
            failures[one.vector.name.removesuffix(", then good")].append(one.report())
    assert server.is_alive
    assert server.get("/after").status == 200
    eventually(lambda: server.fd_count <= descriptors, "the connections of the vectors are closed")
    return failures


def check(failures: Failures, vector: Vector) -> None:
    reports = failures.get(vector.name, [])
    more = f"\n... and {len(reports) - 3} more" if len(reports) > 3 else ""
    assert not reports, "\n".join(reports[:3]) + more


def each(vectors: Iterable[Vector]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: vector.name)


@pytest.fixture(scope="module")
def whole(server: Program) -> Failures:
    return hold(server, (Conversation(vector, [vector.data]) for vector in VECTORS))


@each(VECTORS)
def test_whole(whole: Failures, vector: Vector) -> None:
    check(whole, vector)


@pytest.fixture(scope="module")
def behind(server: Program) -> Failures:
    return hold(server, (Conversation(v, [SLOW + GOOD + v.data], before=2) for v in SMALL))


@each(SMALL)
def test_behind_good_requests_still_being_answered(behind: Failures, vector: Vector) -> None:
    check(behind, vector)


@pytest.fixture(scope="module")
def followed(server: Program) -> Failures:
    return hold(server, (Conversation(v, [v.data + GOOD + GOOD]) for v in REFUSED))


@each(REFUSED)
def test_nothing_after_a_refusal_is_a_request(followed: Failures, vector: Vector) -> None:
    check(followed, vector)
