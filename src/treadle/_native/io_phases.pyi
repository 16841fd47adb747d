from typing_extensions import disjoint_base

from treadle._native.check_phase import CheckPhase
from treadle._native.poll_epoll import Poller, PollHandle

# Native units use it; Python has nothing to call there.
@disjoint_base
class Waker(PollHandle): ...

@disjoint_base
class IoPhases(CheckPhase):
    batch_max: int
    @property
    def poller(self) -> Poller: ...
    def forked(self) -> None: ...
    def wake(self) -> int: ...
