"""What a Range field asks for, and how an answer says what it has. RFC 9110 section 14."""

from __future__ import annotations

import email
from email.policy import HTTP

import pytest

from treadle.http._ranges import (
    RANGES_MAX,
    ByteRange,
    Unsatisfiable,
    content_range,
    multipart,
    ranges_of,
    unsatisfied_range,
)

SIZE = 10_000

UNDERSTOOD = {  # the field, and (start, stop) of each range
    "bytes=0-499": [(0, 500)],  # the examples of section 14.1.2
    "bytes=500-999": [(500, 1000)],
    "bytes=-500": [(9500, 10_000)],
    "bytes=9500-": [(9500, 10_000)],
    "bytes=0-0,-1": [(0, 1), (9999, 10_000)],
    "bytes= 0-999, 4500-5499, -1000": [(0, 1000), (4500, 5500), (9000, 10_000)],
    "bytes=500-600,601-999": [(500, 1000)],
    "bytes=500-700,601-999": [(500, 1000)],
    "BYTES=1-2": [(1, 3)],  # section 14.1: the name of a unit has no case
    "bytes=0-": [(0, 10_000)],
    "bytes=0-9999": [(0, 10_000)],
    "bytes=9999-10000": [(9999, 10_000)],  # section 14.1.2: cut at the end
    "bytes=0-99999999999999999999999999": [(0, 10_000)],
    "bytes=-99999999999999999999999999": [(0, 10_000)],
    "bytes=-10000": [(0, 10_000)],
    "bytes=0000000000000000000000001-0000000000000000000000002": [(1, 3)],
    "bytes=1-2,,5000-5001": [(1, 3), (5000, 5002)],  # section 5.6.1: empty elements of a list are passed over
    "bytes=,1-2": [(1, 3)],
    "bytes=1-2 ,\t5000-5001": [(1, 3), (5000, 5002)],
    "bytes=5000-5001,1-2": [(5000, 5002), (1, 3)],  # section 15.3.7.2: in the order of the request
    "bytes=5000-5001,1-2,4990-4999": [(4990, 5002), (1, 3)],  # ... where what is joined stands for its first
    "bytes=0-0,80-80": [(0, 81)],  # a head of its own would take as much as the gap
    "bytes=0-0,82-82": [(0, 1), (82, 83)],
    "bytes=0-,0-,0-": [(0, 10_000)],
    "bytes=1-2,20000-": [(1, 3)],  # one that can be met is enough
}

IGNORED = [
    "", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=--1", "bytes=a-b", "bytes=1", "bytes=1-0", "bytes=5-4,1-2", "bytes=1-2,x",
    "bytes=1-2;3-4", "bytes =1-2", "bytes:1-2", "lines=1-2", "items=0-", "bytes=1 -2", "bytes=1- 2", "bytes=+1-2", "bytes=0x1-2",
    "bytes=٣-٤", "bytes=1-2-3", "bytes=" + ",".join(["1-2"] * (RANGES_MAX + 1)), "bytes=1-2, bytes=3-4", "bytes=1.0-2",
]  # fmt: skip

UNSATISFIABLE = [
    ("bytes=10000-", SIZE), ("bytes=10000-10001", SIZE), ("bytes=99999999999999999999-", SIZE), ("bytes=-0", SIZE),
    ("bytes=-0,-0", SIZE),
    ("bytes=10000-,20000-", SIZE), ("bytes=0-", 0), ("bytes=0-0", 0), ("bytes=-0", 0),
]  # fmt: skip


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_ranges(text: str) -> None:
    assert ranges_of(text, SIZE) == [ByteRange(*pair) for pair in UNDERSTOOD[text]]


@pytest.mark.parametrize("text", IGNORED)
def test_what_is_not_understood_is_ignored(text: str) -> None:
    assert ranges_of(text, SIZE) is None


@pytest.mark.parametrize(("text", "size"), UNSATISFIABLE)
def test_what_lies_outside_is_refused(text: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        ranges_of(text, size)


def test_the_end_of_nothing_is_all_of_it() -> None:
    assert ranges_of("bytes=-5", 0) is None


def test_ranges_never_overlap_and_never_ask_for_more_than_there_is() -> None:
    spans = ranges_of("bytes=" + ",".join(f"{n * 211 % 9_000}-{n * 211 % 9_000 + n * 3}" for n in range(RANGES_MAX)), SIZE)
    assert spans is not None
    covered = [place for span in spans for place in range(*span)]
    assert len(covered) == len(set(covered)) <= SIZE
    assert max(covered) < SIZE


def test_what_an_answer_says() -> None:
    assert content_range(ByteRange(0, 500), 1234) == "bytes 0-499/1234"
    assert unsatisfied_range(1234) == "bytes */1234"


def test_a_multipart_body_is_read_by_the_mail_library() -> None:
    content = bytes(range(256)) * 4
    ranges = [ByteRange(0, 3), ByteRange(1000, 1024)]
    parts, tail, length = multipart(ranges, len(content), "text/plain", "BOUNDARY")
    body = b"".join(part.head + content[slice(*part.span)] for part in parts) + tail
    assert len(body) == length
    message = email.message_from_bytes(b"Content-Type: multipart/byteranges; boundary=BOUNDARY\r\n\r\n" + body, policy=HTTP)
    assert [part["Content-Range"] for part in message.iter_parts()] == ["bytes 0-2/1024", "bytes 1000-1023/1024"]
    assert [part["Content-Type"] for part in message.iter_parts()] == ["text/plain", "text/plain"]
    assert body.split(b"\r\n\r\n")[1].startswith(content[:3])
