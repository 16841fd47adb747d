"""The names of fields that a server has seen last: what is handed out depends on the spelling alone."""

from __future__ import annotations

import random
import string

import pytest

from treadle._native.http1_names import FieldNames
from treadle._native.http1_plain import read_plain_head


def names_of(*spelt: bytes, known: FieldNames) -> list[bytes]:
    head = b"GET / HTTP/1.1\r\n" + b"".join(name + b": x\r\n" for name in spelt) + b"\r\n"
    found = read_plain_head(head, names=known)
    assert found is not None
    return [name for name, _ in found[2]]


def test_a_name_that_comes_again_is_the_same_object() -> None:
    known = FieldNames(lowers=True)
    first = names_of(b"User-Agent", b"Accept", known=known)
    again = names_of(b"Accept", b"User-Agent", known=known)
    assert first == [b"user-agent", b"accept"]
    assert again[1] is first[0]
    assert again[0] is first[1]


@pytest.mark.parametrize("lowers", [False, True])
def test_any_number_of_names_are_handed_out_as_they_are_spelt(lowers: bool) -> None:
    known = FieldNames(lowers=lowers)
    dice = random.Random(7)
    # few letters and all sizes: many share a place, a beginning, an end or a size
    spelt = ["".join(dice.choices("aAbB-" + string.digits, k=size)).encode() for size in range(1, 90) for _ in range(40)]
    for _ in range(3):
        dice.shuffle(spelt)
        for i in range(0, len(spelt), 50):
            some = spelt[i : i + 50]
            assert names_of(*some, known=known) == [name.lower() if lowers else name for name in some]


def test_a_name_is_no_name_because_another_was_known() -> None:
    known = FieldNames()
    names_of(b"X-Name", known=known)
    for wrong in (b"X-Nam\x00", b"X-Name ", b" X-Name", b"X-N\nme", b""):
        assert read_plain_head(b"GET / HTTP/1.1\r\n" + wrong + b": x\r\n\r\n", names=known) is None
