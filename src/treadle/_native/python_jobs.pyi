"""What Python sees of python_jobs.pyx."""

from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

from treadle._native.pool import Pool, Request

def run(
    pool: Pool,
    kind: str,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    callback: Callable[[BaseException | None, Any], object],
    *,
    is_awaited: bool = False,
    is_long: bool = False,
    is_alone: bool = False,
) -> PythonCall: ...

@disjoint_base
class PythonCall(Request): ...
