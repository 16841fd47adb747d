from collections.abc import Awaitable
from typing import Any, Self

from typing_extensions import disjoint_base

from treadle._native.stream_core import StreamCore

@disjoint_base
class IteratorCore:
    has_begun: bool
    is_over: bool
    def __init__(self, stream: StreamCore) -> None: ...
    @property
    def stream(self) -> StreamCore: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> Awaitable[Any]: ...
