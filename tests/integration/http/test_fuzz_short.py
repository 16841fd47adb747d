"""The first 2,000 streams of fuzz/http_mutation.py; `make fuzz` throws 100,000."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.integration.support import ROOT


@pytest.mark.slow
def test_two_thousand_streams_break_nothing() -> None:
    command = [sys.executable, str(ROOT / "fuzz" / "http_mutation.py"), "--count", "2000", "--seed", "1", "--seconds", "60"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
