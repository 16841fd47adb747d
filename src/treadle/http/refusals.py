"""The answers to messages that are refused before any handler sees them. Not here: when they are (_native.http1_connection)."""

from email.utils import formatdate
from http import HTTPStatus

REASONS = {
    400: "The request does not follow RFC 9112.",
    408: "The request did not arrive in time.",
    414: "The request line is too long.",
    417: "The only expectation that can be met is 100-continue.",
    431: "The header fields are too large, or too many.",
    500: "The server failed to answer.",
    501: "The method or transfer coding is not implemented.",
    503: "The server is not able to answer now.",
    505: "The version of HTTP is not supported.",
}


def refusal(status: int) -> bytes:
    """A whole HTTP/1.1 answer that ends its connection."""
    phrase = HTTPStatus(status).phrase
    body = f"{status} {phrase}: {REASONS[status]}\n".encode("ascii")
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        f"Date: {formatdate(usegmt=True)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
