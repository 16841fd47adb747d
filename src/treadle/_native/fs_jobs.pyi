"""What Python sees of fs_jobs.pyx."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from typing_extensions import Buffer, disjoint_base

from treadle._native.open_files import Descriptor
from treadle._native.pool import Pool, Request

@disjoint_base
class Operation:
    @property
    def kind(self) -> str: ...

OPERATIONS: MappingProxyType[str, Operation]

@disjoint_base
class FsRequest(Request):
    @property
    def kind_of_job(self) -> str: ...
    def stop(self) -> bool: ...

def start(
    pool: Pool,
    operation: Operation,
    callback: Callable[[Any, Any], object],
    *,
    is_awaited: bool = False,
    make: Callable[[Any], object] | None = None,
    path: str | bytes | None = None,
    path2: str | bytes | None = None,
    descriptor: Descriptor | None = None,
    flags: int = 0,
    is_followed: bool = True,
    mode: int = 0,
    group: int = 0,
    spare: int = 0,
    position: int = -1,
    size: int = -1,
    atime_ns: int = 0,
    mtime_ns: int = 0,
    is_recursive: bool = False,
    is_forced: bool = False,
    is_flushed: bool = False,
    data: list[Buffer] | None = None,
) -> FsRequest: ...
