from collections.abc import Callable
from typing import Any, TypeVarTuple

from typing_extensions import disjoint_base

from treadle._native.callbacks import Callbacks

_Ts = TypeVarTuple("_Ts")

@disjoint_base
class Microtasks(Callbacks):
    starvation_guard: bool
    starvation_hook: Callable[[str, list[tuple[Any, Any]], int], str | None] | None
    # (what, [(callback, args), ...], flood_ns) -> who feeds it, or None: too early to say
    def next_tick(self, callback: Callable[[*_Ts], object], *args: *_Ts) -> None: ...
    def queue_microtask(self, callback: Callable[[], object]) -> None: ...
