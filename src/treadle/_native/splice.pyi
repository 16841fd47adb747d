"""What Python sees of splice.pyx."""

from collections.abc import Callable

from typing_extensions import disjoint_base

from treadle._native.movers import Mover
from treadle._native.poll_epoll import PollHandle
from treadle._native.tcp import Stream

@disjoint_base
class SparePipes(PollHandle): ...

@disjoint_base
class Splice(Mover): ...

def splice_streams(
    source: Stream, sink: Stream, callback: Callable[[OSError | None, int], object] | None, *, is_awaited: bool = False
) -> Splice: ...
