"""Content-Type by the end of a name."""

from __future__ import annotations

import pytest

from treadle.http._media_types import typing_of

TYPES = {
    "a.html": "text/html; charset=utf-8",
    "a.HTML": "text/html; charset=utf-8",
    "a.css": "text/css; charset=utf-8",
    "a.js": "text/javascript; charset=utf-8",  # RFC 9239
    "a.min.mjs": "text/javascript; charset=utf-8",
    "a.txt": "text/plain; charset=utf-8",
    "a.json": "application/json",  # RFC 8259 section 11: no charset
    "a.xml": "application/xml",
    "a.svg": "image/svg+xml",
    "a.wasm": "application/wasm",
    "a.webp": "image/webp",
    "a.woff2": "font/woff2",
    "a.png": "image/png",
    "a.pdf": "application/pdf",
    "a.mp4": "video/mp4",
    "a.tar.gz": "application/gzip",  # nobody is to unpack it on the way
    "a.tar": "application/x-tar",
    "a": "application/octet-stream",
    "a.": "application/octet-stream",
    "": "application/octet-stream",
    "a.unheard-of": "application/octet-stream",
    "html": "application/octet-stream",
    "a.html.": "application/octet-stream",
}


@pytest.mark.parametrize("name", TYPES)
def test_types(name: str) -> None:
    assert typing_of({}, "utf-8")(name) == TYPES[name]


def test_types_of_ones_own_come_first() -> None:
    type_of = typing_of(
        {".html": "application/xhtml+xml", ".TPL": "text/x-template", ".l1": "text/plain; charset=latin-1"}, "utf-8"
    )
    assert type_of("a.html") == "application/xhtml+xml"
    assert type_of("a.tpl") == "text/x-template; charset=utf-8"
    assert type_of("a.l1") == "text/plain; charset=latin-1"


def test_without_a_charset() -> None:
    assert typing_of({}, None)("a.html") == "text/html"
