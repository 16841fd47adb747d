from asyncio import Task
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

from typing_extensions import disjoint_base

from treadle._native.descriptors import Descriptors
from treadle._native.queues import Handle

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

@disjoint_base
class Tasks(Descriptors):
    _task_factory: Any  # asyncio's
    def adopt_asyncio(
        self,
        step_type: type[Any],
        python_step: object,
        current_task: Callable[[Any], Any],
        task_ended: Callable[[Any], object],
        future_type: type[Any],
        task_type: type[Any],
    ) -> None: ...
    def call_soon(self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None) -> Handle: ...
    def call_soon_threadsafe(self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None) -> Handle: ...
    def create_future(self) -> Any: ...
    def create_task(
        self, coro: Coroutine[Any, Any, _T], *, name: str | None = None, context: Context | None = None, **kwargs: Any
    ) -> Task[_T]: ...
    def begin_task(self, coro: Coroutine[Any, Any, _T], context: Context | None = None) -> Task[_T]: ...
    def _make_task(
        self, coro: Coroutine[Any, Any, _T], name: str | None, context: Context | None, kwargs: dict[str, Any]
    ) -> Task[_T]: ...
    def get_debug(self) -> bool: ...
