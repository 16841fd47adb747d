from collections.abc import Callable
from typing import Self, TypeVarTuple

from typing_extensions import disjoint_base

from treadle._native.queues import Handle
from treadle._native.timers_phase import TimersPhase

_Ts = TypeVarTuple("_Ts")

@disjoint_base
class Immediate(Handle):
    def ref(self) -> Self: ...
    def unref(self) -> Self: ...
    def has_ref(self) -> bool: ...
    def cancel(self) -> None: ...
    def close(self) -> Self: ...

@disjoint_base
class CheckPhase(TimersPhase):
    def set_immediate(self, callback: Callable[[*_Ts], object], *args: *_Ts) -> Immediate: ...
