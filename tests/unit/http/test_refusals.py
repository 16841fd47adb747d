"""The table of refusals: what the native side names, and what a client reads."""

import re
from pathlib import Path

import pytest

from treadle.http.policy import is_departure
from treadle.http.refusals import REFUSALS, refusal


def test_every_reason_that_is_named_has_a_row_and_every_row_is_named(repository: Path) -> None:
    native = repository / "src/treadle/_native"
    units = ("http1_connection", "http1_messages", "http1_fields", "http1_server")
    sources = [*(native / f"{unit}.pyx" for unit in units), repository / "src/treadle/http/policy.py"]
    words = {word for source in sources for word in re.findall(r'"([A-Z_]{4,})"', source.read_text())}
    assert set(REFUSALS) - words == set()
    refused = set(re.findall(r'refuse\("([A-Z_]+)"|fault = "([A-Z_]+)"', "".join(source.read_text() for source in sources)))
    assert {name for pair in refused for name in pair if name} - set(REFUSALS) == set()


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_a_whole_answer_that_ends_its_connection(name: str) -> None:
    head, _, body = refusal(name).partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    assert lines[0].startswith(f"HTTP/1.1 {REFUSALS[name].status} ")
    assert f"Content-Length: {len(body)}" in lines
    assert "Connection: close" in lines
    assert REFUSALS[name].text in body.decode()


def test_what_the_parser_said_stands_behind_the_reason() -> None:
    assert refusal("SYNTAX", "Invalid header token").endswith(b"is not known. Invalid header token.\n")


def test_names_are_those_of_rfc_9110() -> None:
    assert refusal("LINE_TOO_LONG").startswith(b"HTTP/1.1 414 URI Too Long\r\n")
    assert refusal("BODY_TOO_LARGE").startswith(b"HTTP/1.1 413 Content Too Large\r\n")


def test_what_says_that_the_peer_has_left() -> None:
    selfish = ValueError()
    selfish.__cause__ = selfish
    caused = RuntimeError()
    caused.__context__ = ConnectionResetError()
    assert not is_departure(selfish)
    assert is_departure(caused)
    assert is_departure(BaseExceptionGroup("", [OSError(), caused]))
    assert not is_departure(BaseExceptionGroup("", [OSError(), KeyError()]))
