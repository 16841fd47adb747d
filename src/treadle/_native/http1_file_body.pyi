"""What Python sees of http1_file_body.pyx."""

from collections.abc import Callable

from treadle._native.http1_response import ResponseCore
from treadle._native.pool import Pool
from treadle._native.sendfile import FileSend

def move_file(
    response: ResponseCore,
    pool: Pool,
    fd: int,
    offset: int,
    size: int,
    callback: Callable[[OSError | None, int], object],
) -> FileSend | bool: ...
def declare(response: ResponseCore, size: int, has_trailers: bool = False) -> int: ...
def cut(response: ResponseCore) -> None: ...
