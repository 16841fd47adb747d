"""What Python sees of sendfile.pyx."""

from collections.abc import Callable

from typing_extensions import disjoint_base

from treadle._native.movers import Mover
from treadle._native.pool import Pool, Request
from treadle._native.tcp import Stream

@disjoint_base
class FileSlice(Request): ...

@disjoint_base
class FileSend(Mover): ...

def send_file(
    pool: Pool,
    stream: Stream,
    fd: int,
    callback: Callable[[OSError | None, int], object] | None,
    *,
    offset: int = 0,
    size: int = -1,
    is_awaited: bool = False,
    slice_bytes: int = 1048576,
) -> FileSend: ...
