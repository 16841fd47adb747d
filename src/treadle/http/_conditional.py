"""Conditional requests: whether a representation is sent, or why not. Pure functions.

Source: RFC 9110 section 13; the order of section 13.2.2 is the order of `precondition`. Not here: dates (_dates.py), what a
Range asks for (_ranges.py).
"""

import re
from collections.abc import Mapping
from enum import Enum
from time import gmtime
from typing import Final, NamedTuple

from treadle.http._dates import parse_date

__all__ = ["Precondition", "Validators", "has_range", "precondition", "validators_of"]

ENTITY_TAG: Final = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
SEPARATOR: Final = re.compile(r"[ \t,]*")


class Validators(NamedTuple):
    """What says whether two representations are the same."""

    etag: str  # with its quotes; W/ in front where it is weak
    modified_s: int | None  # Last-Modified, since 1970; None: the answer has none


class Precondition(Enum):
    """What comes of a request's conditions."""

    MET = 200
    NOT_MODIFIED = 304
    FAILED = 412


def validators_of(mtime_ns: int, size: int, now_s: float, coding: str = "") -> Validators:
    """Those of a file, or of its sibling in a content coding: each has an ETag of its own (section 8.8.3.3).

    A file that was changed within this second may be changed again without looking different: its ETag is weak, and it has no
    Last-Modified until that second is over (section 8.8.2.2). One from the future has none either (section 8.8.2.1).
    """
    modified_s, this_second = mtime_ns // 1_000_000_000, int(now_s)
    tag = f'"{mtime_ns:x}-{size:x}{"-" if coding else ""}{coding}"'
    if modified_s == this_second:
        tag = f"W/{tag}"
    return Validators(tag, modified_s if 0 <= modified_s < this_second else None)


def precondition(method: str, fields: Mapping[str, str], validators: Validators, now_s: float) -> Precondition:
    """What the conditions of a request (lower-case field names) come to where there is a representation."""
    is_read = method in ("GET", "HEAD")
    if (tags := fields.get("if-match")) is not None:  # steps 1 and 2
        if not _is_among(validators.etag, tags, is_weak_enough=False):
            return Precondition.FAILED
    elif validators.modified_s is not None and "if-unmodified-since" in fields:
        since = _date(fields["if-unmodified-since"], now_s)
        if since is not None and validators.modified_s > since:
            return Precondition.FAILED
    if (tags := fields.get("if-none-match")) is not None:  # steps 3 and 4
        if _is_among(validators.etag, tags, is_weak_enough=True):
            return Precondition.NOT_MODIFIED if is_read else Precondition.FAILED
    elif is_read and validators.modified_s is not None and "if-modified-since" in fields:
        since = _date(fields["if-modified-since"], now_s)
        if since is not None and validators.modified_s <= since:
            return Precondition.NOT_MODIFIED
    return Precondition.MET


def has_range(method: str, fields: Mapping[str, str], validators: Validators, now_s: float) -> bool:
    """Step 5: whether Range is to be looked at. It means nothing but with GET (section 14.2)."""
    if method != "GET" or "range" not in fields:
        return False
    condition = fields.get("if-range")
    if condition is None:
        return True
    if condition.startswith(('"', "W/")):  # section 13.1.5: the strong comparison
        return condition == validators.etag and not condition.startswith("W/")
    return validators.modified_s is not None and _date(condition, now_s) == validators.modified_s


def _date(text: str, now_s: float) -> int | None:
    return parse_date(text, gmtime(now_s).tm_year)


def _is_among(etag: str, tags: str, *, is_weak_enough: bool) -> bool:
    """Whether the ETag is one of a list, or that is `*`. What is no list of tags names none. Source: section 8.8.3.2."""
    if tags == "*":
        return True
    opaque = etag.removeprefix("W/")
    is_weak = etag.startswith("W/")
    is_found = False
    at = SEPARATOR.match(tags).end()  # type: ignore[union-attr]  # it matches nothing as well
    while at < len(tags):
        found = ENTITY_TAG.match(tags, at)
        if found is None:
            return False
        if found[2] == opaque and (is_weak_enough or not (is_weak or found[1])):
            is_found = True
        at = SEPARATOR.match(tags, found.end()).end()  # type: ignore[union-attr]
        if at < len(tags) and at == found.end():  # no comma, and no space either
            return False
    return is_found
