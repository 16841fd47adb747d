"""Where an oracle differs from us and is no measure: each with its reason, which of them, and what gives it away. Only what is refused,
and whether a connection goes on, is excused here, never where a message ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fuzz.framings import Difference, Framing

LLHTTP = frozenset({"httptools", "node 20", "node 24"})
H11 = frozenset({"h11"})


@dataclass(frozen=True)
class Known:
    reason: str
    oracles: frozenset[str]
    difference: Difference
    said: str  # by the oracle, when it refuses
    sign: re.Pattern[bytes]  # that the stream has


KNOWN = (
    Known("llhttp heeds Proxy-Connection, of which no RFC knows", LLHTTP, Difference.CLOSES, "", re.compile(rb"(?i)\nproxy-connection:")),
    Known("h11 keeps no connection of HTTP/1.0", H11, Difference.CLOSES, "", re.compile(rb"HTTP/1\.0\r")),
    Known("h11 takes no blank line before a request (RFC 9112 2.2)", H11, Difference.REFUSES, "no request line received",
          re.compile(rb"\r\n")),
    Known("Node 20 takes no tab before a length (RFC 9112 5)", frozenset({"node 20"}), Difference.REFUSES, "HPE_INVALID_CONTENT_LENGTH",
          re.compile(rb"(?i)\ncontent-length:[ \t]*\t")),
)  # fmt: skip


def without_known(
    stream: bytes, theirs: Mapping[str, Framing], differences: Mapping[str, Difference]
) -> tuple[dict[str, Difference], list[str]]:
    """The differences without those that are known to mean nothing, and the reasons of the latter."""
    left, reasons = dict(differences), []
    for known in KNOWN:
        excused = [
            name
            for name in known.oracles & theirs.keys()
            if differences[name] is known.difference and (not known.said or theirs[name].reason == known.said)
        ]
        if excused and known.sign.search(stream):
            left.update(dict.fromkeys(excused, Difference.NONE))
            reasons.append(known.reason)
    return left, reasons
