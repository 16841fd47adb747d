"""asyncio costs an isolate some 60 ms and 8 MiB: importing treadle, or its native loop, must not bring it in."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["treadle", "treadle._native.loop"])
def test_asyncio_is_not_imported(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'asyncio', 'httptools', 'click'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
