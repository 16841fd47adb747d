"""From a request's target to a path below a directory, or to none. Pure functions.

Invariant: what comes out has no empty segment, none of `.` and `..`, no NUL and no backslash: joined with a directory it lies
inside it, but for symbolic links, which are the business of who opens it (_native.beneath). Source: RFC 3986 sections 2.1, 3.3.
"""

import re
from typing import Final, NamedTuple

__all__ = ["StaticPath", "path_below", "split_target"]

ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
AUTHORITY: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
WELL_KNOWN: Final = b".well-known"  # RFC 8615: hidden by its name only


class StaticPath(NamedTuple):
    """Where a file would be."""

    path: bytes  # relative; b"": the directory itself
    is_directory: bool  # the request has a slash at its end


def split_target(target: str) -> tuple[str, str]:
    """Path and query (with its question mark) of a request's target, as they came; an absolute-form's authority is left out."""
    found = AUTHORITY.match(target)
    path, mark, query = (target[found.end() :] if found else target).partition("?")
    return path or "/", mark + query


def path_below(path: str, prefix: str, *, has_hidden: bool) -> StaticPath | None:
    """The file that a path (percent-encoded) names below `prefix` ("" or "/static"); None: there cannot be one.

    has_hidden: names that begin with a dot are served as well.
    """
    if path == prefix:
        return StaticPath(b"", False)
    if not path.startswith(prefix) or not path.startswith("/", len(prefix)):
        return None
    below = path[len(prefix) + 1 :].encode("latin-1", "replace")
    is_directory = not below or below.endswith(b"/")
    if is_directory:
        below = below[:-1]
    if b"%" in below:
        slashes = below.count(b"/")
        below = ESCAPE.sub(_decoded, below)
        if below.count(b"/") != slashes:
            return None
    if b"\0" in below or b"\\" in below or below.startswith(b"/") or b"//" in below or path.endswith("//"):
        return None
    if b"/." in b"/" + below and not _has_fair_dots(below.split(b"/"), has_hidden):
        return None
    return StaticPath(below, is_directory)


def _has_fair_dots(names: list[bytes], has_hidden: bool) -> bool:
    if has_hidden:
        return b"." not in names and b".." not in names
    return all(not name.startswith(b".") or (place == 0 and name == WELL_KNOWN) for place, name in enumerate(names))


def _decoded(escape: re.Match[bytes]) -> bytes:
    return bytes((int(escape[1], 16),))
