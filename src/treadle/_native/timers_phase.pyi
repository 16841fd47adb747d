from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple

from typing_extensions import disjoint_base

from treadle._native.microtasks import Microtasks
from treadle._native.timers import Alarm, Timeout, Timers

_Ts = TypeVarTuple("_Ts")

@disjoint_base
class TimersPhase(Microtasks):
    alarm_clock: Callable[[], float] | None
    @property
    def timers(self) -> Timers: ...
    def set_timeout(self, callback: Callable[[*_Ts], object], delay_ms: float, *args: *_Ts) -> Timeout: ...
    def set_interval(self, callback: Callable[[*_Ts], object], delay_ms: float, *args: *_Ts) -> Timeout: ...
    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> Alarm: ...
    def call_at(self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None) -> Alarm: ...
    def time(self) -> float: ...
