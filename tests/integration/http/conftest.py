"""The servers that the tests of this folder share: started once a module, and looked at again when it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.support import Program


@pytest.fixture(scope="module")
def routes() -> Iterator[Program]:
    """programs/routes.py. Invariant: when the module is done it still serves, and no connection is left."""
    with Program.run("routes.py") as program:
        assert program.get("/").status == 200
        yield program
        assert program.is_alive
        assert program.get("/").status == 200
