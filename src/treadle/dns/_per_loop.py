"""What of this package belongs to one loop: its lookups, and the resolvers that were used in it.

Invariant: it ends with the loop. Not here: what is told when (treadle.loop.event_loop, Companion).
"""

from typing import Any, Protocol
from weakref import WeakSet

from treadle.dns._lookup import Lookups
from treadle.loop.event_loop import EventLoop

__all__ = ["per_loop"]

PACKAGE = "dns"


class _Resolver(Protocol):
    def _drop_waiting(self) -> None: ...
    def _forked(self) -> None: ...
    def _abandon(self) -> None: ...
    def __hash__(self) -> int: ...


class PerLoop:
    """A Companion of the loop."""

    def __init__(self, loop: EventLoop) -> None:
        self.lookups = Lookups(loop)
        self.resolvers: WeakSet[_Resolver] = WeakSet()
        self.default_resolver: Any = None  # of the package's functions, once one was called

    def drop_waiting(self) -> None:
        """See Companion."""
        self.lookups.drop_waiting()
        for resolver in list(self.resolvers):
            resolver._drop_waiting()

    def forked(self) -> None:
        """See Companion."""
        self.lookups.abandon()
        for resolver in list(self.resolvers):
            resolver._forked()

    def abandon(self) -> None:
        """See Companion."""
        self.lookups.abandon()
        for resolver in list(self.resolvers):
            resolver._abandon()


def per_loop(loop: EventLoop) -> PerLoop:
    """That of this loop."""
    found = loop.companions.get(PACKAGE)
    if isinstance(found, PerLoop):
        return found
    made = loop.companions[PACKAGE] = PerLoop(loop)
    return made
