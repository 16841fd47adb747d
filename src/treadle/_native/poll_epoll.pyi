"""What Python sees of poll_epoll.pyx."""

from typing_extensions import disjoint_base

@disjoint_base
class PollHandle:
    def fileno(self) -> int: ...

@disjoint_base
class Poller:
    @property
    def refs(self) -> int: ...
