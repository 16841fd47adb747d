"""What Python sees of pool.pyx."""

from collections.abc import Callable, Mapping
from typing import Any

from typing_extensions import disjoint_base

from treadle._native.histogram import Histogram
from treadle._native.loop import LoopCore
from treadle._native.poll_epoll import PollHandle
from treadle._native.queues import Handle

class PoolSaturated(Exception):
    args: tuple[int]

@disjoint_base
class Request(Handle):
    def cancel(self) -> None: ...

@disjoint_base
class Pool(PollHandle):
    saturation_hook: Callable[[], object] | None
    wait_hook: Callable[[], object] | None
    def __new__(cls, loop: LoopCore, size: int, *, queue_max: int = 65536) -> Pool: ...
    def cancel(self, request: Request) -> bool: ...
    def drop_waiting(self) -> None: ...
    def statistics(self) -> Mapping[str, Any]: ...
    def statistics_by_kind(self) -> dict[str, tuple[int, int, Histogram, Histogram]]: ...
    def saturation(self) -> tuple[str, int, dict[str, int], dict[str, int]]: ...
    def look_for_saturation(self) -> None: ...
    def close(self) -> None: ...
