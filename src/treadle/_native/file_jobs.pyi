"""What Python sees of file_jobs.pyx."""

from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from treadle._native.pool import Pool, Request

@disjoint_base
class FileRead(Request): ...

def read_file(
    pool: Pool,
    filename: str | bytes,
    callback: Callable[[Any, Any], object],
    *,
    is_awaited: bool = False,
    make: Callable[[bytes], object] | None = None,
) -> FileRead: ...
