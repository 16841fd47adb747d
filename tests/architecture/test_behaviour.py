"""docs/behaviour.md says what the code has: each row's default, each refusal's status, and what is recorded of others.

A row without a value here fails, and so does a value without its row.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from tests.integration.http.rivals import RECORDED
from treadle.asgi.serving import ServeConfig
from treadle.http import Limits, Timeouts, _codings, _ranges, origin, proxy_protocol, static, stopping
from treadle.http.access_log import BUFFER_BYTES, CLOSE_S, GATHER_S
from treadle.http.refusals import REFUSALS
from treadle.loop import accepting
from treadle.loop.listening import BACKLOG
from treadle.wsgi import bridge

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "behaviour.md").read_text()
NATIVE = ROOT / "src" / "treadle" / "_native"


def native(unit: str, name: str) -> int:
    """A number of an enum of a native unit, which Python does not see."""
    text = (NATIVE / unit).read_text()
    match = re.search(rf"^ +(?:[a-z][\w ]* )?{name} = ([\d_ *]+)", text, re.MULTILINE)
    assert match, f"{unit} has no {name}"
    product = 1
    for factor in match[1].split("*"):
        product *= int(factor.replace("_", ""))
    return product


def size(count: int) -> str:
    """As the page writes bytes."""
    for unit, name in ((1024 * 1024, "MiB"), (1024, "KiB")):
        if count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count} bytes"


def seconds(value: float) -> str:
    return f"{value:g} s"


def found(unit: str, pattern: str) -> int:
    """A number that stands in the text of a native unit."""
    match = re.search(pattern, (NATIVE / unit).read_text())
    assert match, f"{unit} has no {pattern}"
    return int(match[1])


LIMITS, TIMEOUTS = Limits(), Timeouts()
MESSAGES = "http1_messages"

VALUES = {
    "request line": size(LIMITS.request_line_bytes),
    "request line, fields and trailers together": size(LIMITS.headers_bytes),
    "fields": str(LIMITS.headers_count),
    "chunk extension": size(native("http1_framing.pyx", "EXTENSION_BYTES_MAX")),
    "digits of a chunk's size": str(native("http1_framing.pyx", "SIZE_DIGITS_MAX")),
    "digits of Content-Length": str(found("http1_grammar.pyx", r"size == 0 or size > (\d+)")),
    "line ends before a request line": size(native(f"{MESSAGES}.pxd", "BLANK_BYTES_MAX")),
    "body": "no limit",
    "body that waits for the handler": size(LIMITS.body_high_water_mark),
    "body that nobody will read": size(native(f"{MESSAGES}.pxd", "DISCARD_MAX")),
    "pipelined requests that wait": size(native(f"{MESSAGES}.pxd", "READ_BYTES")),
    "answer that waits for the client": size(native("tcp.pxd", "MARK_DEFAULT")),
    "messages of a connection in a turn": str(native(f"{MESSAGES}.pyx", "TURN_MESSAGES")),
    "ready sockets in a turn": f"{native('microtasks.pxd', 'GUARD_HANDLES')}, and 10 ms",
    "connections taken in a turn, per listener": str(native("tcp.pyx", "ACCEPTS_PER_EVENT")),
    "connections that the kernel holds": f"{BACKLOG:,}",
    "connections, those that wait for their PROXY header or TLS among them": "no limit",
    "descriptors of the process": "the system's",
    "requests of a connection": "no limit",
    "threads of synchronous endpoints and WSGI": "min(32, cpus + 4)",
    "body or answer between the loop and a WSGI thread": size(bridge.MARK),
    "jobs of a group in the [pool](reference/pool.md)": f"{found('pool.pyx', 'queue_max=([0-9]+)'):,}",
    "ranges in a request for a file": str(_ranges.RANGES_MAX),
    "elements of Accept-Encoding": str(_codings.ELEMENTS_MAX),
    "PROXY header, version 1": f"{proxy_protocol.TEXT_MAX} bytes",
    "PROXY header, version 2, behind its first 16 bytes": size(proxy_protocol.REST_MAX),
    "hops of X-Forwarded-For or Forwarded": f"{origin.HOPS_MAX}, from the right",
    "Forwarded": size(origin.FORWARDED_BYTES_MAX),
    "X-Request-Id": f"{native('http1_intake.pyx', 'ID_MAX')} characters",
    "lines of the access log that wait": size(BUFFER_BYTES),
    "target in a line of the access log": size(native("http1_access_log.pyx", "TARGET_MAX")),
    "other fields in a line of the access log": size(native("http1_access_log.pyx", "FIELD_MAX")),
    "head complete, from its first byte": seconds(TIMEOUTS.headers_s),
    "first byte of a new connection": seconds(TIMEOUTS.headers_s),
    "PROXY header complete": seconds(TIMEOUTS.headers_s),
    "request complete, from its head": seconds(TIMEOUTS.request_s),
    "body that is read": f"{LIMITS.body_bytes_per_s} bytes/s",
    "... which is asked for after": seconds(TIMEOUTS.body_grace_s),
    "answer complete, from the call of its handler": "no deadline" if TIMEOUTS.response_s is None else "one",
    "an answer that waits for the client, a file that sendfile moves as well": (
        f"{LIMITS.answer_bytes_per_s} bytes/s over {seconds(TIMEOUTS.send_progress_s)}"
    ),
    "idle connection, once its last answer is sent": seconds(TIMEOUTS.keep_alive_s),
    "bytes that the kernel takes beyond what is on its way, until the client has read 1 MiB": size(
        native("unread.pyx", "UNSENT_MAX")
    ),
    "a connection that has said nothing yet, at a stop": seconds(native("http1_connection.pxd", "FIRST_REQUEST_MS") / 1000),
    "a head or a TLS handshake that is begun, at a stop": seconds(TIMEOUTS.linger_s),
    "lingering once the last answer is sent": seconds(TIMEOUTS.linger_s),
    "an answer to a client that has ended its side": seconds(TIMEOUTS.request_s),
    "the socket of a refused client, at a listener of 'client_error'": seconds(TIMEOUTS.linger_s),
    "a stop: everything": seconds(ServeConfig().graceful_s),
    "... of it, for requests under way": seconds(stopping.BUDGET_S - stopping.RESERVE_S),
    "TLS handshake": seconds(TIMEOUTS.headers_s),
    "lines of the access log, to the write": seconds(GATHER_S),
    "... at the end": seconds(CLOSE_S),
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len(lines) > 2, f"there is no table below {heading}"
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@cache
def recorded() -> tuple[list[str], dict[str, list[str]]]:
    facts = json.loads(RECORDED.read_text())
    return list(facts["servers"]), facts["answers"]


def test_each_default_is_the_codes() -> None:
    said = {row[0]: row[1] for row in [*rows("Limits"), *rows("Deadlines")]}
    assert said == VALUES


def test_what_is_repeated_elsewhere_is_the_same() -> None:
    said = {row[0]: row for row in rows("Limits")}
    assert f"{accepting.ACCEPT_RETRY_MS:,} ms" in said["descriptors of the process"][3]
    assert f"Retry-After: {static.RETRY_S}" in said["descriptors of the process"][3]


def test_options_that_set_a_limit_exist() -> None:
    named = [name for row in [*rows("Limits"), *rows("Deadlines")] for name in re.findall(r"`(Limits|Timeouts)\.(\w+)`", row[2])]
    assert {name for kind, name in named if kind == "Limits"} == set(Limits.__slots__)
    assert {name for kind, name in named if kind == "Timeouts"} == set(Timeouts.__slots__)


def test_what_is_said_of_others_has_a_row_of_ours() -> None:
    for row in rows("What others have"):
        assert row[0] in VALUES
        assert len(row) == 6
        assert all(row)


def test_each_refusal_has_its_status_and_a_row_or_a_mention() -> None:
    section = PAGE.partition("\n## What is refused\n")[2].partition("\n## ")[0]
    table = rows("What is refused")
    for reason, status, *_ in table:
        assert str(REFUSALS[reason.strip("`")].status) == status
    named = {reason.strip("`") for reason, *_ in table} | set(re.findall(r"`([A-Z_]+)`", section))
    assert named == set(REFUSALS)


@pytest.mark.parametrize(
    ("column", "server"),
    [(4, "nginx"), (5, "Node 24"), (6, "uvicorn, httptools"), (7, "gunicorn, gthread"), (8, "granian")],
)
def test_what_others_answer_is_recorded(column: int, server: str) -> None:
    servers, answers = recorded()
    for row in rows("What is refused"):
        vector = row[2]
        assert row[column] == answers[vector][servers.index(server)], vector
        assert row[1] in answers[vector][servers.index("treadle")]
