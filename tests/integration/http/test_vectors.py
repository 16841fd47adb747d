"""Every vector against a live server: whole, cut in two everywhere, byte by byte, behind and before good requests. What holds over
TLS as well: vector_tests.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.integration.http.delivery import Conversation
from tests.integration.http.vector_tests import (
    Failures,
    behind,
    check,
    each,
    followed,
    hold,
    test_behind_good_requests_still_being_answered,
    test_nothing_after_a_refusal_is_a_request,
    test_whole,
    whole,
)
from tests.integration.http.vectors import EITHER, OPEN, VECTORS, Vector
from tests.integration.support import Program, eventually

__all__ = [
    "behind", "followed", "test_behind_good_requests_still_being_answered", "test_nothing_after_a_refusal_is_a_request", "test_whole",
    "whole",
]  # fmt: skip

pytestmark = pytest.mark.slow  # some 25,000 connections

CUTTABLE = tuple(vector for vector in VECTORS if 1 < len(vector.data) < 200)
DRIBBLED = tuple(vector for vector in VECTORS if 1 < len(vector.data) < 600)


@pytest.fixture(scope="module")
def server() -> Iterator[Program]:
    with Program.run("vectors_server.py") as program:
        yield program


@pytest.fixture(scope="module")
def sync_server() -> Iterator[Program]:
    with Program.run("vectors_server.py", env={"SYNC": "1"}) as program:
        yield program


@pytest.fixture(scope="module")
def halves(server: Program) -> Failures:
    cuts = ((vector, cut) for vector in CUTTABLE for cut in range(1, len(vector.data)))
    return hold(
        server,
        (Conversation(v, [v.data[:cut], v.data[cut:]], label=f" cut at {cut}") for v, cut in cuts),
    )


@each(CUTTABLE)
def test_cut_in_two_everywhere(halves: Failures, vector: Vector) -> None:
    check(halves, vector)


@pytest.fixture(scope="module")
def dribbled(server: Program) -> Failures:
    ordered = sorted(DRIBBLED, key=lambda vector: len(vector.data))  # a batch takes as many rounds as its longest
    return hold(server, (Conversation(v, [v.data[i : i + 1] for i in range(len(v.data))]) for v in ordered))


@each(DRIBBLED)
def test_byte_by_byte(dribbled: Failures, vector: Vector) -> None:
    check(dribbled, vector)


@pytest.fixture(scope="module")
def unread(sync_server: Program) -> Failures:
    return hold(sync_server, (Conversation(_as_unread(v), [v.data]) for v in VECTORS))


@each(VECTORS)
def test_handler_that_never_reads(unread: Failures, vector: Vector) -> None:
    """Its answer may be out before the body turns out to be malformed: then no second answer may follow."""
    check(unread, vector)


def _as_unread(vector: Vector) -> Vector:
    """A body that nobody reads may cost the connection; one found malformed too late is answered by the close alone.

    Which of the two it is hangs on how much of it has arrived when the handler is called: any that the rules allow.
    """
    last = vector.expect[-1]
    choices = (last,) if isinstance(last, int) else last
    return replace(
        vector,
        expect=(*vector.expect[:-1], (200, *choices)),
        ends=EITHER if vector.ends == OPEN else vector.ends,
        ours=None,
        echo=None,
    ) if _has_body(vector) else vector  # fmt: skip


def _has_body(vector: Vector) -> bool:
    head = vector.data.lower()
    return b"content-length:" in head or b"transfer-encoding:" in head


def test_the_answer_to_four_mebibytes_arrives(server: Program) -> None:
    """A client that writes everything before it reads must find the answer: no reset, no broken pipe (RFC 9112 9.6)."""
    with server.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"a" * 4 * 1024 * 1024 + b"\r\n\r\n")
        response = client.response()
        assert response.status == 431
        assert response.announces_close()
        client.expect_end()


def test_refused_clients_that_stay_are_let_go(server: Program) -> None:
    """Lingering is bounded: neither a peer that stays silent nor one that goes on sending is kept for long."""
    server.idle_fd_count()
    with server.client() as silent, server.client() as flooding:
        for client in (silent, flooding):
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            assert client.response().status == 400
        assert server.connection_count == 2
        end = time.monotonic() + 40.0
        while flooding.try_send(b"x" * 65_536):
            assert time.monotonic() < end, "a refused client may send for ever"
        ticks = server.cpu_ticks
        eventually(lambda: server.connection_count == 0, "the server has let go", 40.0)
        assert server.cpu_ticks - ticks < 50, "it waits asleep"
        silent.expect_end()
