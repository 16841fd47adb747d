"""Which content coding a client would rather have. Pure functions. Source: RFC 9110 sections 12.4.2, 12.4.3 and 12.5.3."""

import re
from functools import lru_cache
from typing import Final

__all__ = ["CODINGS", "codings_accepted"]

#: Name in Accept-Encoding and Content-Encoding, and what the sibling's name ends with; the one that is sent where the client has
#: no preference stands first.
CODINGS: Final = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}

ELEMENTS_MAX: Final = 32  # of a field; a browser sends four or five. What stands behind is not looked at
CACHED_MAX: Final = 256  # characters of a field that is remembered

ELEMENT: Final = re.compile(
    r"[ \t]*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*;[ \t]*[qQ]=(?P<q>0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?[ \t]*", re.ASCII
)


def codings_accepted(text: str | None, offered: tuple[str, ...]) -> list[str]:
    """Of the codings that are offered, in the order of the server's taste, those that the client takes, best first.

    text: Accept-Encoding. None, it says nothing: "any coding is acceptable", but who has said nothing may be too old for that, so
    none. Codings that it likes less than none at all ("identity") are left out.
    """
    if not text or not offered:
        return []
    return list((_ranked if len(text) <= CACHED_MAX else _ranked.__wrapped__)(text, offered))


@lru_cache(maxsize=256)  # a browser has one such text
def _ranked(text: str, offered: tuple[str, ...]) -> list[str]:
    weights: dict[str, int] = {}
    for element in text.lower().split(",", ELEMENTS_MAX)[:ELEMENTS_MAX]:
        found = ELEMENT.fullmatch(element)
        if found is not None:
            name = found["name"].removeprefix("x-")  # section 8.4.1.3: x-gzip is gzip
            weights[name] = round(1000 * float(found["q"] or "1"))
    anything = weights.get("*", 0)
    plain = weights.get("identity", 0)
    taken = [(weights.get(name, anything), name) for name in offered]
    return [name for weight, name in sorted(taken, key=lambda entry: -entry[0]) if weight > 0 and weight >= plain]
