"""As the tests of the loop: on asyncio's own and on treadle's, and nothing is left after a test."""

from tests.integration.loop.conftest import errors, kind, loop

__all__ = ["errors", "kind", "loop"]
