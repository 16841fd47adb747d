"""Every vector again, over TLS: through a bridge in the server's program. Records that are cut: test_tls.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.http.vector_tests import (
    behind,
    followed,
    test_behind_good_requests_still_being_answered,
    test_nothing_after_a_refusal_is_a_request,
    test_whole,
    whole,
)
from tests.integration.support import Program

__all__ = [
    "behind", "followed", "test_behind_good_requests_still_being_answered", "test_nothing_after_a_refusal_is_a_request", "test_whole",
    "whole",
]  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[Program]:
    with Program.run("vectors_server.py", env={"TLS": str(certificate)}) as program:
        yield program
