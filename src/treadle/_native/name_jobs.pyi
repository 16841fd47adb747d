"""What Python sees of name_jobs.pyx."""

from collections.abc import Callable

from typing_extensions import disjoint_base

from treadle._native.pool import Pool, Request

class NoAnswer(Exception):
    args: tuple[int]

@disjoint_base
class NameLookup(Request): ...

@disjoint_base
class ServiceLookup(Request): ...

def look_up(
    pool: Pool,
    name: bytes,
    family: int,
    hints: int,
    callback: Callable[[Exception | None, list[tuple[str, int]] | None], object],
    *,
    is_awaited: bool = False,
) -> NameLookup: ...
def look_up_service(
    pool: Pool,
    address: bytes,
    port: int,
    callback: Callable[[Exception | None, tuple[str, str] | None], object],
    *,
    is_awaited: bool = False,
) -> ServiceLookup: ...
