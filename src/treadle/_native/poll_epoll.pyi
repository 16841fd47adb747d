"""What Python sees of poll_epoll.pyx."""

from typing_extensions import disjoint_base

@disjoint_base
class PollHandle:
    @property
    def interest(self) -> int: ...  # 1: readable, 2: writable, as the selectors module has it
    def fileno(self) -> int: ...
    def stop_accepting(self) -> int: ...
    def abandon(self) -> int: ...

@disjoint_base
class Poller:
    @property
    def refs(self) -> int: ...
