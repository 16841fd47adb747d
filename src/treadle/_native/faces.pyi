"""What Python sees of faces.pyx. Callbacks may return anything: a coroutine becomes a task, the rest is dropped."""

from collections.abc import Callable
from typing import Any, TypeVarTuple, final

from treadle._native.check_phase import Immediate
from treadle._native.timers import Timeout

_Ts = TypeVarTuple("_Ts")

@final
class Faces:
    def __init__(
        self,
        get_running_loop: Callable[[], Any],
        no_loop: Callable[[], BaseException],
        require_callable: Callable[[object, str], None],
        require_number: Callable[[object, str], None],
        warn_of_overflow: Callable[[float], None],
    ) -> None: ...
    def get_loop(self) -> Any: ...  # a treadle.EventLoop, which this layer does not know
    def next_tick(self, callback: Callable[[*_Ts], object], /, *args: *_Ts) -> None: ...
    def queue_microtask(self, callback: Callable[[], object]) -> None: ...
    def set_immediate(self, callback: Callable[[*_Ts], object], /, *args: *_Ts) -> Immediate: ...
    def set_timeout(self, callback: Callable[[*_Ts], object], delay_ms: float = 1, /, *args: *_Ts) -> Timeout: ...
    def set_interval(self, callback: Callable[[*_Ts], object], delay_ms: float = 1, /, *args: *_Ts) -> Timeout: ...
    def clear_timeout(self, handle: object, /) -> None: ...
    def clear_immediate(self, handle: object, /) -> None: ...
