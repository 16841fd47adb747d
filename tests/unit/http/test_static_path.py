"""From a target to a path: what a hostile one comes to. RFC 3986 section 3.3."""

from __future__ import annotations

import os
from random import Random

import pytest

from treadle.http._static_path import path_below, split_target

NAMED: dict[str, tuple[bytes, bool]] = {
    "/a": (b"a", False),
    "/a/b.txt": (b"a/b.txt", False),
    "/a/": (b"a", True),
    "/": (b"", True),
    "/a%20b": (b"a b", False),
    "/%61": (b"a", False),
    "/a+b": (b"a+b", False),  # a plus is a plus in a path
    "/%C3%A4": ("ä".encode(), False),
    "/%ff": (b"\xff", False),  # a name is bytes
    "/%": (b"%", False),
    "/100%": (b"100%", False),
    "/%zz": (b"%zz", False),
    "/%252e%252e/x": (b"%2e%2e/x", False),  # decoded once
    "/a..b": (b"a..b", False),
    "/...a": (b"...a", False),
    "/a;v=1": (b"a;v=1", False),
    "/.well-known/acme-challenge/x": (b".well-known/acme-challenge/x", False),
    "/ü": (b"\xfc", False),  # what came as one byte
}

REFUSED = [
    "a", "//", "//a", "/a//b", "/a//", "/..", "/../", "/../a", "/a/../b", "/a/..", "/./a", "/a/.", "/%2e%2e/a", "/%2E%2E/a",
    "/.%2e/a", "/%2e./a", "/..%2fa", "/..%2Fetc%2Fpasswd", "/%2fetc/passwd", "/a%2fb", "/a%2F..%2Fb", "/%5c..%5ca", "/..\\a",
    "/a\\b",
    "/a%5Cb", "/a%00", "/%00", "/a%00.txt", "/a\0b", "/.git/config", "/.env", "/a/.hidden", "/a/.well-known", "/.well-knownx",
    "/%2egit", "/.", "*", "http:/a", "/%2f", "/a/%2e%2e/%2e%2e/b", "/..;/a", "/.%00./a", "/..%c0%af" ,
]  # fmt: skip


@pytest.mark.parametrize("path", NAMED)
def test_a_path_names_a_file(path: str) -> None:
    if path != "/...a":
        assert path_below(path, "", has_hidden=False) == NAMED[path]
    assert path_below(path, "", has_hidden=True) == NAMED[path]
    assert path_below("/x/y" + path, "/x/y", has_hidden=True) == NAMED[path]


@pytest.mark.parametrize("path", REFUSED)
def test_a_path_names_none(path: str) -> None:
    assert path_below(path, "", has_hidden=False) is None
    assert path_below("/x" + path, "/x", has_hidden=False) is None


HIDDEN = {"/.git/config", "/.env", "/a/.hidden", "/a/.well-known", "/.well-knownx", "/%2egit", "/..;/a", "/..%c0%af"}


@pytest.mark.parametrize("path", REFUSED)
def test_hidden_files_are_all_that_can_be_allowed(path: str) -> None:
    assert (path_below(path, "", has_hidden=True) is not None) == (path in HIDDEN)


@pytest.mark.parametrize("path", ["/y/a", "/xy/a", "/X/a", "/", "/x%2fa"])
def test_what_lies_beside_the_prefix_names_none(path: str) -> None:
    assert path_below(path, "/x", has_hidden=True) is None


def test_the_prefix_itself_is_a_directory_without_its_slash() -> None:
    assert path_below("/x", "/x", has_hidden=True) == (b"", False)


PIECES = [
    "/", "//", ".", "..", "%2e", "%2E", "%2f", "%2F", "\\", "%5c", "%00", "\0", "%25", "%", "a", "secret", "~", "%c0%ae", "%ff",
    "?", "#", ";", ":", "C:", "%09", "%0a", "*", " ", "%20", ".git", "...", "é",
]  # fmt: skip


def test_whatever_is_made_of_hostile_pieces_stays_below() -> None:
    random = Random(6)
    named = 0
    for _ in range(50_000):
        path = "/" + "".join(random.choices(PIECES, k=random.randint(1, 8)))
        found = path_below(split_target(path)[0], "", has_hidden=True)
        if found is not None:
            named += 1
            names = found.path.split(b"/") if found.path else []
            assert not {b"", b".", b".."} & set(names), path
            assert not any(byte in found.path for byte in (b"\0", b"\\")), path
            assert os.path.normpath(b"/root/" + found.path).startswith(b"/root"), path
    assert named > 1_000


TARGETS = {
    "/a?b=c?d": ("/a", "?b=c?d"),
    "/a": ("/a", ""),
    "/a?": ("/a", "?"),
    "/?": ("/", "?"),
    "http://host/a?b": ("/a", "?b"),
    "http://host": ("/", ""),
    "HTTPS://host:1/a/b": ("/a/b", ""),
    "http://host?q": ("/", "?q"),
    "*": ("*", ""),
    "//host/a": ("//host/a", ""),
}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_is_split(target: str) -> None:
    assert split_target(target) == TARGETS[target]
