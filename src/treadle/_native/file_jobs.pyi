"""What Python sees of file_jobs.pyx."""

from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from treadle._native.pool import Pool, Request

@disjoint_base
class FileRead(Request): ...

def read_file(
    pool: Pool,
    path: bytes,
    filename: Any,
    callback: Callable[[OSError | None, bytes | None], object],
    *,
    is_awaited: bool = False,
) -> FileRead: ...
