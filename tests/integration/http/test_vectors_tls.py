"""Every vector again, over TLS: through a bridge in the server's program. Records that are cut: test_tls.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.http.delivery import Conversation
from tests.integration.http.test_vectors import REFUSED, SLOW, SMALL, Failures, check, each, hold
from tests.integration.http.vectors import GOOD, VECTORS, Vector
from tests.integration.support import Program

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[Program]:
    with Program.run("vectors_server.py", env={"TLS": str(certificate)}) as program:
        yield program


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
