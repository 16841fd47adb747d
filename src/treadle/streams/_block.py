"""What `async with stream:` takes of its stream: 'error', from its beginning to its end.

    'error' ──► Block ──► ready() and `async for` raise it ──► the block, which may catch it: it was told
                  └── nobody has raised it where the block works ──► __aexit__ does

Invariants: an error that the block alone has heard of is raised, or stands behind the exception that the block has failed with;
nothing of this is left behind the block. Not here: what leaving a block does with the stream (_stream.py).
"""

from asyncio import current_task
from typing import Any, Self

__all__ = ["Block", "block_of", "chain", "hearers"]


class Block:
    """One block, while it is entered. Itself the listener for 'error'."""

    __slots__ = ("_outer", "_stream", "_task", "_told", "alone")

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._outer: Self | None = stream._block  # of a stream that is entered twice, by one task or by several
        self._task: Any = current_task()
        self._told: BaseException | None = None  # what was raised where the block works
        self.alone: BaseException | None = None  # what would have ended the program
        stream._block = self
        stream.on("error", self)

    def __call__(self, error: Any) -> None:
        if isinstance(error, BaseException) and not hearers(self._stream):
            self.alone = error

    def tell(self, error: BaseException) -> None:
        """The stream raises it. Elsewhere than in the block's own task, that one is still to hear of it."""
        if current_task() is self._task:
            self._told = error
        if self._outer is not None:
            self._outer.tell(error)

    def has_told(self, error: BaseException | None) -> bool:
        """Whether the block has had it."""
        return error is not None and error is self._told

    def left(self) -> None:
        """It is over."""
        stream = self._stream
        if stream._block is self:
            stream._block = self._outer
        else:  # another task has entered the stream since
            inner = stream._block
            while inner._outer is not self:
                inner = inner._outer
            inner._outer = self._outer
        stream.off("error", self)
        self._stream = self._outer = self._task = None


def hearers(stream: Any) -> list[Any]:
    """Who listens for its 'error' besides blocks, and tells somebody: not what a signal of its own keeps there."""
    return [
        listener
        for listener in stream.listeners("error")
        if not isinstance(listener, Block) and not getattr(getattr(listener, "__self__", None), "tells_nobody", False)
    ]


def block_of(stream: Any) -> Block | None:
    """The block that the current task leaves: its own inner one, or any, where the task that has entered it was another."""
    block: Block | None = stream._block
    task = current_task()
    while block is not None and block._task is not task:
        block = block._outer
    return block or stream._block


def chain(error: BaseException, behind: BaseException) -> None:
    """Let `behind` be seen behind `error`, unless one of the two leads to the other already."""
    passed = _reached(error)
    if passed.isdisjoint(_reached(behind)):
        while error.__context__ is not None and id(error) in passed:
            passed.discard(id(error))  # somebody may have made a circle
            error = error.__context__
        if error.__context__ is None:
            error.__context__ = behind


def _reached(error: BaseException) -> set[int]:
    seen: set[int] = set()
    ahead: list[BaseException | None] = [error]
    while ahead:
        one = ahead.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            ahead += (one.__cause__, one.__context__)
    return seen
