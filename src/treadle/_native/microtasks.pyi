from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

@disjoint_base
class Microtasks:
    starvation_guard: bool
    is_debug: bool
    uncaught_hook: Callable[[BaseException], bool] | None
    starvation_hook: Callable[[str, Any, int], str] | None  # (what, callback, flood_ns) -> who that is
    def call_exception_handler(self, context: dict[str, Any]) -> None: ...
    def check_duration(self, callback: object, duration_s: float) -> None: ...
