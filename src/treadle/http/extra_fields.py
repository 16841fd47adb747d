"""Fields that are sent beside an answer's head: before it, in informational responses, and behind its body, as trailers.

Functions from fields to the bytes that are sent. Invariant: what they return is well-formed, or they raise. Not here: sending
(_native.http1_response), heads (_native.http1_answer_head). Source: RFC 9110 sections 6.5, 15.2 and 5.6; RFC 8297; RFC 8288.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from treadle._base.errors import TreadleError
from treadle._native.http1_head import field_line, phrase_of

__all__ = ["CONTINUE", "EARLY_HINTS", "NO_TRAILERS", "PROCESSING", "early_hints", "informational", "trailers"]

CONTINUE: Final = 100
SWITCHING_PROTOCOLS: Final = 101
PROCESSING: Final = 102
EARLY_HINTS: Final = 103

Fields = Mapping[Any, Any] | Iterable[tuple[Any, Any]]

#: What frames, routes, or says how to read the message, and so must be known before it (RFC 9110 section 6.5.1).
NO_TRAILERS: Final = frozenset(
    {
        "age", "authorization", "cache-control", "connection", "content-encoding", "content-length", "content-range",
        "content-type", "cookie", "date", "expect", "expires", "host", "if-match", "if-modified-since", "if-none-match",
        "if-range",
        "if-unmodified-since", "keep-alive", "location", "max-forwards", "pragma", "proxy-authenticate", "proxy-authorization",
        "range", "retry-after", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "vary", "warning",
        "www-authenticate",
    }
)  # fmt: skip

_LINK: Final = re.compile(  # one link-value of RFC 8288 section 3
    r"""<[^<>\x00-\x20\x7f]*>(?:[ \t]*;[ \t]*[^\s;,="<>]+(?:[ \t]*=[ \t]*(?:"[^"\x00-\x08\x0a-\x1f\x7f]*"|[^\s;,"<>]+))?)*"""
)


def informational(status: int, fields: Fields | None = None) -> bytes:
    """A whole 1xx. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_HTTP_INVALID_STATUS_CODE (101 is an upgrade),
    and as field lines do."""
    if type(status) is not int:
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="status", expected="an int", received=type(status).__name__)
    if not 100 <= status <= 199:
        raise TreadleError("ERR_OUT_OF_RANGE", name="status", expected="from 100 to 199", received=status)
    if status == SWITCHING_PROTOCOLS:
        raise TreadleError("ERR_HTTP_INVALID_STATUS_CODE", received=status)
    lines = _lines(() if fields is None else fields, "header")
    return b"".join((f"HTTP/1.1 {status} {phrase_of(status)}\r\n".encode("ascii"), *lines, b"\r\n"))


def early_hints(hints: Mapping[str, Any]) -> bytes:
    """A whole 103, or nothing where there is no link. hints: "link" (one, or a list), and other fields to go with it.

    Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE for a link, and as field lines do."""
    if not isinstance(hints, Mapping):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="hints", expected="a mapping", received=type(hints).__name__)
    link = hints.get("link")
    links = [] if link is None else list(link) if isinstance(link, (list, tuple)) else [link]
    for one in links:
        text = one.decode("latin-1") if isinstance(one, bytes) else one
        if not isinstance(text, str) or not _LINK.fullmatch(text):
            raise TreadleError("ERR_INVALID_ARG_VALUE", name="hints", expected='of links: "</a.css>; rel=preload"', received=one)
    if not links:
        return b""
    joined = ", ".join(one.decode("latin-1") if isinstance(one, bytes) else one for one in links)
    return informational(EARLY_HINTS, {"Link": joined} | {name: value for name, value in hints.items() if name != "link"})


def trailers(fields: Fields) -> bytes:
    """Their lines, for behind the last chunk. Raises TreadleError: ERR_HTTP_TRAILER_FIELD, and as field lines do."""
    return b"".join(_lines(fields, "trailer"))


def _lines(fields: Fields, subject: str) -> list[bytes]:
    """(name, value) pairs, or a mapping; a list of values is a line each. Raises TreadleError: ERR_INVALID_HTTP_TOKEN,
    ERR_INVALID_CHAR, ERR_INVALID_ARG_TYPE."""
    return [
        _line(name, one, subject)
        for name, value in (fields.items() if isinstance(fields, Mapping) else fields)
        for one in (value if isinstance(value, (list, tuple)) else (value,))
    ]


def _line(name: Any, value: Any, subject: str) -> bytes:
    if type(value) is int:
        value = str(value)
    if not isinstance(value, (str, bytes)):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=str(name), expected="str or int", received=type(value).__name__)
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    if not isinstance(text, str):
        raise TreadleError("ERR_INVALID_HTTP_TOKEN", name=f"{subject} name", received=name)
    if subject == "trailer" and text.lower() in NO_TRAILERS:
        raise TreadleError("ERR_HTTP_TRAILER_FIELD", field=text)
    try:
        return field_line(text.encode("latin-1", "replace"), value if isinstance(value, bytes) else value.encode("latin-1"))
    except UnicodeEncodeError:
        raise TreadleError("ERR_INVALID_CHAR", name=f"value of {subject}", field=text) from None
    except ValueError as error:
        if error.args == ("name",):
            raise TreadleError("ERR_INVALID_HTTP_TOKEN", name=f"{subject} name", received=name) from None
        raise TreadleError("ERR_INVALID_CHAR", name=f"value of {subject}", field=text) from None
