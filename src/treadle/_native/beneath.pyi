"""What Python sees of beneath.pyx."""

from collections.abc import Callable

from typing_extensions import disjoint_base

from treadle._native.open_files import Descriptor
from treadle._native.pool import Pool, Request

LINKS: dict[str, int]

@disjoint_base
class FoundFile:
    @property
    def size(self) -> int: ...
    @property
    def mtime_ns(self) -> int: ...
    @property
    def suffix(self) -> int: ...
    @property
    def content(self) -> bytes | None: ...
    @property
    def descriptor(self) -> Descriptor | None: ...

@disjoint_base
class FileSearch(Request): ...

def find_file(
    pool: Pool,
    root: bytes,
    path: bytes,
    callback: Callable[[OSError | None, FoundFile | None], object],
    *,
    links: str = "inside",
    suffixes: tuple[bytes, ...] = (),
    read_max: int = 0,
    is_awaited: bool = False,
    has_openat2: bool = True,
) -> FileSearch: ...
def find_now(
    pool: Pool,
    root: bytes,
    path: bytes,
    *,
    links: str = "inside",
    suffixes: tuple[bytes, ...] = (),
    read_max: int = 0,
) -> FoundFile | None: ...
