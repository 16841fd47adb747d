"""What a server makes of a byte stream: which messages, and how it ends; and how two servers differ in that. No I/O.

Only what smuggling lives on is compared: where messages end, their method, target and body. Not here: who is asked (oracles.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class End(Enum):
    """How a stream ends for whoever reads it."""

    DONE = "done"  # all was taken; what stays, if anything, is no whole message
    REFUSED = "refused"
    CLOSED = "closed"  # by the last message (Connection: close, HTTP/1.0): what follows is nobody's
    UPGRADED = "upgraded"  # by an offer of another protocol: what follows is lost to the reader, whether or not it is taken up


class Difference(Enum):
    """What one who answers makes of a stream beside one who is asked (an oracle)."""

    NONE = "agrees"
    STRICTER = "refuses less than we do"  # or goes on behind a message with which we close: no harm
    REFUSES = "refuses what we accept"
    CLOSES = "closes where we go on"
    FRAMES = "frames otherwise"


@dataclass(frozen=True)
class Message:
    """A request that arrived whole. The body is told by its length and digest."""

    method: str
    target: bytes
    length: int
    digest: str

    @classmethod
    def of(cls, method: str, target: bytes, body: bytes) -> Message:
        return cls(method, target, len(body), digest(body))


@dataclass(frozen=True)
class Framing:
    messages: tuple[Message, ...]
    end: End
    reason: str = ""  # of a refusal, in the words of whoever refuses


def digest(body: bytes) -> str:
    """Of a body, short enough for a header."""
    return hashlib.sha256(body).hexdigest()[:16]


def difference(ours: Framing, theirs: Framing) -> Difference:
    """The first one, in the order of the stream: whatever comes behind it follows from it."""
    for message, other in zip(ours.messages, theirs.messages, strict=False):
        if message != other:
            return Difference.FRAMES
    if theirs.end is End.UPGRADED:
        return Difference.NONE
    if len(ours.messages) > len(theirs.messages):
        return {End.REFUSED: Difference.REFUSES, End.CLOSED: Difference.CLOSES, End.DONE: Difference.FRAMES}[theirs.end]
    if len(ours.messages) < len(theirs.messages):
        return Difference.FRAMES if ours.end is End.DONE else Difference.STRICTER
    return Difference.STRICTER if ours.end is End.REFUSED and theirs.end is not End.REFUSED else Difference.NONE


def is_failure(differences: Mapping[str, Difference]) -> bool:
    """Two refuse what we accept, or close where we go on; or one frames otherwise."""
    found = list(differences.values())
    return Difference.FRAMES in found or found.count(Difference.REFUSES) + found.count(Difference.CLOSES) >= 2
