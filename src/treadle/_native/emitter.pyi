from collections.abc import Callable, Hashable
from typing import Any

from typing_extensions import disjoint_base

_Listener = Callable[..., object]

@disjoint_base
class ListenerList(list[_Listener]):
    has_warned: bool

@disjoint_base
class NativeListener:
    def __call__(self, argument: Any) -> Any: ...

@disjoint_base
class EmitterCore:
    _events: dict[Hashable, _Listener | ListenerList] | None
    _max_listeners: float | None
    _capture_rejections: bool
    def emit(self, event: Hashable, /, *args: object) -> bool: ...
    def _follow(self, returned: object) -> None: ...
    def _require_error_listener(self, args: tuple[object, ...]) -> None: ...
