"""Libraries of the extras: what is said of one that is missing, and of one that cannot be read just now."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

import pytest

from treadle import TreadleError
from treadle._base import extras
from treadle._base.extras import extra_module


@pytest.mark.parametrize(
    ("module", "library"),
    [("nowhere", "nowhere"), ("nowhere.part", "nowhere"), ("backports.nowhere", "backports.nowhere")],
)
def test_a_missing_one_has_the_name_that_it_is_installed_by(module: str, library: str) -> None:
    with pytest.raises(TreadleError) as raised:
        extra_module(module, extra="more")
    assert (raised.value.code, raised.value.data["library"]) == ("ERR_EXTRA_NOT_INSTALLED", library)
    assert "treadle[more]" in raised.value.hint


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_one_that_cannot_be_read_for_want_of_a_descriptor_is_not_missing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setitem(sys.modules, "there", None)  # an import of it fails, as that of an extension that cannot be opened
    monkeypatch.setattr(extras.os, "open", fail)
    with pytest.raises(OSError, match="open files") as raised:
        extra_module("there", extra="more")
    assert (raised.value.errno, raised.value.filename) == (number, "there")
