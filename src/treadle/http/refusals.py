"""The answers to messages that are refused before any handler sees them, and to those that a handler failed at: what, and why.

`REFUSALS` is the one table; the native side names its rows. Not here: when a row applies (_native.http1_messages).
"""

from email.utils import formatdate
from typing import Final, NamedTuple

from treadle._native.http1_head import phrase_of

__all__ = ["REFUSALS", "Refusal", "refusal"]


class Refusal(NamedTuple):
    """A status, and a sentence for whoever wrote the client."""

    status: int
    text: str


REFUSALS: Final[dict[str, Refusal]] = {
    "ANSWER_TIMEOUT": Refusal(504, "The answer was not ready in time."),
    "BLANK_LINES": Refusal(400, "Too many empty lines, or a bare CR, before the request line (RFC 9112 section 2.2)."),
    "BODY_TIMEOUT": Refusal(408, "The body did not arrive in time."),
    "BODY_TOO_LARGE": Refusal(413, "The body is larger than this resource takes."),
    "BODY_TOO_SLOW": Refusal(408, "The body arrives too slowly."),
    "CHUNK": Refusal(400, "A chunk is malformed, or its extension too long (RFC 9112 section 7.1)."),
    "CONNECT": Refusal(501, "CONNECT is not implemented."),
    "EXPECTATION": Refusal(417, "The only expectation that can be met is 100-continue."),
    "FRAMING": Refusal(400, "Where the body ends is ambiguous (RFC 9112 section 6)."),
    "HANDLER_FAILED": Refusal(500, "The server failed to answer."),
    "HEAD_TIMEOUT": Refusal(408, "The head of the request did not arrive in time."),
    "HEAD_TOO_LARGE": Refusal(431, "Request line and fields are too large together."),
    "HOST": Refusal(400, "Host is missing, given twice, or malformed (RFC 9112 section 3.2)."),
    "LENGTH": Refusal(400, "Content-Length is malformed, given twice, or beside Transfer-Encoding (RFC 9112 section 6.3)."),
    "LINE_TOO_LONG": Refusal(414, "The request line is too long."),
    "PLAIN_TEXT": Refusal(400, "This port speaks HTTPS: write https:// in place of http://."),
    "REQUEST_LINE": Refusal(400, "The request line is malformed (RFC 9112 section 3)."),
    "STOPPING": Refusal(503, "The server stops, and did not get to an answer."),
    "SYNTAX": Refusal(400, "The request does not follow RFC 9112, or its method is not known."),
    "TARGET": Refusal(400, "The request target has none of the forms of RFC 9112 section 3.2."),
    "TOO_MANY_FIELDS": Refusal(431, "There are too many fields."),
    "TRAILERS_TOO_LARGE": Refusal(431, "The trailers are too large."),
    "TRAILER_FIELD": Refusal(400, "A trailer frames or routes the message (RFC 9110 section 6.5.1)."),
    "TRANSFER_CODING": Refusal(400, "Transfer-Encoding does not end in chunked, or stands in HTTP/1.0 (RFC 9112 section 6.1)."),
    "UNKNOWN_CODING": Refusal(501, "The only transfer coding implemented is chunked."),
    "UPGRADE_WITH_CHUNKS": Refusal(400, "An offer to upgrade with a chunked body is not understood."),
    "VERSION": Refusal(505, "The versions spoken here are HTTP/1.1 and HTTP/1.0."),
}


def refusal(name: str, detail: str | None = None) -> bytes:
    """A whole HTTP/1.1 answer that ends its connection. detail: what exactly, where a parser said so."""
    status, text = REFUSALS[name]
    phrase = phrase_of(status)
    body = f"{status} {phrase}: {text}{f' {detail}.' if detail else ''}\n".encode("latin-1", "replace")
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        f"Date: {formatdate(usegmt=True)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
