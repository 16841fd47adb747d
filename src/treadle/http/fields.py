"""Header fields as a mapping, with Node's rules for repeated ones. Source: Node, message.headers; RFC 9110 section 5.3."""

from collections.abc import Iterable

__all__ = ["FIRST_WINS", "header_map"]

#: Fields of which there may be one: the first stays, later ones are dropped.
FIRST_WINS = frozenset(
    {
        "age", "authorization", "content-length", "content-type", "etag", "expires", "from", "host", "if-modified-since",
        "if-unmodified-since", "last-modified", "location", "max-forwards", "proxy-authorization", "referer", "retry-after",
        "server", "user-agent",
    }
)  # fmt: skip


def header_map(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """A dict of lower-case names to values, both decoded as latin-1."""
    fields: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1")
        if name not in fields:
            fields[name] = value
        elif name not in FIRST_WINS:
            fields[name] += ("; " if name == "cookie" else ", ") + value
    return fields
