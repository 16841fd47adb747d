from collections.abc import Callable
from typing import Any

from typing_extensions import disjoint_base

@disjoint_base
class Microtasks:
    starvation_guard: bool
    uncaught_hook: Callable[[BaseException], bool] | None
    starvation_hook: Callable[[str, list[tuple[Any, Any]], int], str | None] | None
    # (what, [(callback, args), ...], flood_ns) -> who feeds it, or None: too early to say
    @property
    def is_debug(self) -> bool: ...
    @property
    def tracer(self) -> Any: ...
    def observe(self, is_debug: bool, tracer: Any) -> None: ...
    def call_exception_handler(self, context: dict[str, Any]) -> None: ...
    def check_duration(self, callback: object, subject: object, duration_s: float) -> None: ...
