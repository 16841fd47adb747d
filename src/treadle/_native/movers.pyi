"""What Python sees of movers.pyx."""

from typing import Any

from typing_extensions import disjoint_base

from treadle._native.poll_epoll import PollHandle

@disjoint_base
class Mover(PollHandle):
    @property
    def is_over(self) -> bool: ...
    @property
    def bytes_moved(self) -> int: ...
    @property
    def system_calls(self) -> int: ...
    def cancel(self) -> None: ...
    def statistics(self) -> dict[str, Any]: ...
