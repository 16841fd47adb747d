"""The first streams of the fuzz targets; `make fuzz` throws 100,000, `make differential` compares 500,000."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.integration.support import ROOT

pytestmark = pytest.mark.slow


def fuzz(target: str, *arguments: str) -> str:
    command = [sys.executable, str(ROOT / "fuzz" / target), "--seed", "1", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_two_thousand_streams_break_nothing() -> None:
    fuzz("http_mutation.py", "--count", "2000", "--seconds", "60")


def test_five_thousand_streams_are_framed_as_others_frame_them() -> None:
    """By httptools and h11, and by Node where it is."""
    assert "streams      5,000 " in fuzz("http_differential.py", "--count", "5000")
