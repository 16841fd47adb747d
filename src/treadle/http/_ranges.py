"""Byte ranges: what a request asks for, and how an answer says what it has. Pure functions.

Invariants: the ranges that come out lie inside the representation, do not overlap, and are at most RANGES_MAX: an answer is
never longer than the representation and RANGES_MAX heads. Source: RFC 9110 section 14. Not here: whether a range is to be looked
at at all (_conditional.py), sending (static.py).
"""

import re
from typing import Final, NamedTuple

__all__ = ["RANGES_MAX", "ByteRange", "Part", "Unsatisfiable", "content_range", "multipart", "ranges_of", "unsatisfied_range"]

RANGES_MAX: Final = 32  # in one request; past it Range is ignored, as section 14.2 allows. A reader of a PDF asks for a few
GAP_MAX: Final = 80  # bytes between two ranges that are sent rather than a head of their own; section 15.3.7.2
DIGITS_MAX: Final = 18  # of a position; longer ones lie behind the end of any file

UNIT: Final = re.compile(r"bytes=", re.IGNORECASE)
SPEC: Final = re.compile(r"(\d*)-(\d*)", re.ASCII)


class ByteRange(NamedTuple):
    """Bytes start to stop - 1 of a representation."""

    start: int
    stop: int


class Unsatisfiable(Exception):
    """None of the ranges that were asked for lies inside the representation: 416."""


class Part(NamedTuple):
    """One range in a multipart/byteranges body, and the bytes in front of it."""

    head: bytes
    span: ByteRange


def ranges_of(text: str, size: int) -> list[ByteRange] | None:
    """What a Range field asks of a representation of `size` bytes; None: nothing that is understood, so the field is ignored.

    Ranges that overlap or nearly touch are joined, in the place of the first of them. Raises Unsatisfiable.
    """
    unit = UNIT.match(text)
    if unit is None:
        return None
    specs = [spec.strip(" \t") for spec in text[unit.end() :].split(",")]
    wanted: list[ByteRange] = []
    has_seen_one = False
    if len(specs) > RANGES_MAX:
        return None
    for spec in specs:
        if not spec:  # an empty element of a list, section 5.6.1
            continue
        found = SPEC.fullmatch(spec)
        if found is None or spec == "-":
            return None
        first, last = (_position(digits) for digits in found.groups())
        if first is not None and last is not None and last < first:
            return None
        has_seen_one = True
        if first is None:
            assert last is not None
            start, stop = max(size - last, 0), size
            if size == 0 and last > 0:
                return None  # "the last 5 bytes" of nothing are all of it: an answer without ranges says that best
        else:
            start, stop = first, size if last is None else min(last + 1, size)
        if start < stop:
            wanted.append(ByteRange(start, stop))
    if not has_seen_one:
        return None
    if not wanted:
        raise Unsatisfiable
    return _joined(wanted) if len(wanted) > 1 else wanted


def _position(digits: str) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= DIGITS_MAX else 10**DIGITS_MAX


def _joined(ranges: list[ByteRange]) -> list[ByteRange]:
    joined: list[tuple[int, ByteRange]] = []  # the place in the request of the first that it is made of
    for place, span in sorted(enumerate(ranges), key=lambda entry: entry[1]):
        if joined and span.start <= joined[-1][1].stop + GAP_MAX:
            first, before = joined[-1]
            joined[-1] = min(first, place), ByteRange(before.start, max(before.stop, span.stop))
        else:
            joined.append((place, span))
    return [span for _, span in sorted(joined)]


def content_range(span: ByteRange, size: int) -> str:
    """The value of Content-Range beside one range. Source: section 14.4."""
    return f"bytes {span.start}-{span.stop - 1}/{size}"


def unsatisfied_range(size: int) -> str:
    """Likewise in an answer of 416."""
    return f"bytes */{size}"


def multipart(ranges: list[ByteRange], size: int, content_type: str, boundary: str) -> tuple[list[Part], bytes, int]:
    """The parts of a multipart/byteranges body, what stands behind the last of them, and how long all is. Source: section 14.6.

    boundary: must not occur in the content; a random one does not.
    """
    parts = [
        Part(
            f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range(span, size)}\r\n\r\n".encode(
                "latin-1"
            ),
            span,
        )
        for span in ranges
    ]
    tail = f"\r\n--{boundary}--\r\n".encode("ascii")
    return parts, tail, sum(len(part.head) + part.span.stop - part.span.start for part in parts) + len(tail)
