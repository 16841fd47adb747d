"""Which content coding a client is sent. RFC 9110 section 12.5.3."""

from __future__ import annotations

import pytest

from treadle.http._codings import CODINGS, codings_accepted

ALL = tuple(CODINGS)

ACCEPTED: dict[str, list[str]] = {
    "gzip, deflate, br, zstd": ["br", "zstd", "gzip"],  # Chromium, Firefox
    "gzip, deflate, br": ["br", "gzip"],  # Safari
    "gzip, deflate": ["gzip"],
    "gzip": ["gzip"],
    "GZIP": ["gzip"],
    "x-gzip": ["gzip"],
    "deflate": [],
    "compress, gzip": ["gzip"],  # the examples of the RFC
    "": [],
    "*": ["br", "zstd", "gzip"],
    "compress;q=0.5, gzip;q=1.0": ["gzip"],
    "gzip;q=1.0, identity; q=0.5, *;q=0": ["gzip"],
    "gzip;q=0": [],
    "gzip;q=0.0": [],
    "gzip;q=0.001": ["gzip"],
    "gzip;q=0.5, br;q=0.4": ["gzip", "br"],
    "gzip;q=0.5, br;q=0.5": ["br", "gzip"],  # equally liked: ours
    "br;q=0, *": ["zstd", "gzip"],
    "*;q=0": [],
    "*;q=0.5, gzip": ["gzip", "br", "zstd"],
    "identity;q=1, gzip;q=0.5": [],  # rather as it is
    "identity;q=0.5, gzip;q=0.5": ["gzip"],
    "identity;q=0": [],
    "gzip ; q=0.5": ["gzip"],
    "gzip;Q=0.5": ["gzip"],
    " gzip\t,\tbr ": ["br", "gzip"],
    ",,gzip,,": ["gzip"],
    "gzip;q=1.5": [],  # no weight
    "gzip;q=": [],
    "gzip;q=0.0001": [],
    "gzip;q=-1": [],
    "gzip;level=9": [],
    "gzip br": [],
    "gzip;q=0, gzip": ["gzip"],  # said twice: the last counts
    ",".join(["x"] * 40 + ["gzip"]): [],  # nobody means that
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_accept_encoding(text: str) -> None:
    assert codings_accepted(text, ALL) == ACCEPTED[text]


def test_who_says_nothing_gets_none() -> None:
    assert codings_accepted(None, ALL) == []


def test_only_what_is_offered() -> None:
    assert codings_accepted("*", ("gzip",)) == ["gzip"]
    assert codings_accepted("br", ("gzip",)) == []
    assert codings_accepted("br", ()) == []
