"""What Python sees of queues.pyx."""

from contextvars import Context
from traceback import StackSummary

from typing_extensions import disjoint_base

@disjoint_base
class Handle:
    @property
    def _source_traceback(self) -> StackSummary | None: ...
    def cancel(self) -> None: ...
    def cancelled(self) -> bool: ...
    def get_context(self) -> Context | None: ...

@disjoint_base
class DebugHandle(Handle): ...

# Native units use these; Python has nothing to call there.
@disjoint_base
class Ring: ...

@disjoint_base
class Heap: ...
