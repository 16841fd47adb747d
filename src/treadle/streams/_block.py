"""Blocks take the errors of their streams: `async with stream:`, and that of an open file for the streams over it.

    what a stream fails with, from the block's beginning to its end     leaving the block
    was raised in the block's task: by ready(), an iteration,           says nothing: who works there has had it
      finished(), a pipeline, aclose(), or a block within
    says that somebody gives it up: an iteration that is left,          says nothing: nothing has failed
      a pipeline that is cancelled, aclose()
    was heard by a listener, a callback or another task; or by nobody   raises it, or, where the block itself has failed,
                                                                          has it stand behind that
    the block is an open file's, the stream has one of its own          says nothing: the stream's own block does

Invariants: nothing is raised twice in a block's task, whatever blocks it passes; nothing of this is left behind the block, which
does not hold its stream. Not here: what leaving a block does with the stream (_stream.py).
"""

from asyncio import current_task
from collections.abc import Iterable, Iterator
from typing import Any, Final
from weakref import WeakKeyDictionary, ref

from treadle.events.emitter import error_of
from treadle.streams._destroyer import is_giving_up

__all__ = ["Block", "OuterBlock", "block_of", "chain", "first_failure", "note_raised", "raise_over"]


class _NoTask:
    """Stands for the task where there is none."""


_NO_TASK: Final = _NoTask()
_innermost: WeakKeyDictionary[Any, "Block"] = WeakKeyDictionary()  # of each task: the block that it has entered last


class Block:
    """One block, while it is entered. Itself the listener for 'error'."""

    __slots__ = ("_below", "_stream_of", "_task_of", "_told", "untold")

    def __init__(self, stream: Any, task: Any = None) -> None:
        task = task or current_task() or _NO_TASK
        self._stream_of = ref(stream)
        self._task_of = ref(task)
        self._told: BaseException | None = None  # what was raised in its task, or is not its own to raise
        self.untold: BaseException | None = None  # the first 'error' that was not, so far
        below = _innermost.get(task)
        while below is not None and below.untold is None and below._stream_of() is None:
            below = below._below  # never left, and its stream is gone
        self._below: Block | None = below  # that the task has entered before
        _innermost[task] = self
        stream.on("error", self)

    def __call__(self, *arguments: object) -> None:
        error = error_of(arguments)
        if self.untold is None and error is not self._told and not is_giving_up(error):
            self.untold = error

    def failure(self) -> BaseException | None:
        """What it is still to raise: emitted, or to be emitted in a tick."""
        stream = self._stream_of()
        error: BaseException | None = self.untold
        if error is None and stream is not None and not is_giving_up(stream.errored):
            error = stream.errored
        return None if self.has_told(error) else error

    def still_to_raise(self, failure: BaseException | None) -> BaseException | None:
        """Behind all that leaving it does. failure: what that has met."""
        if failure is None or self.has_told(failure):
            return self.untold
        if self.untold is not None:
            chain(failure, self.untold)  # emitted by hand before
        return failure

    def tell(self, error: BaseException) -> None:
        """It is raised in the block's task."""
        stream = self._stream_of()
        if error is self.untold or (stream is not None and error is stream.errored):
            self._told, self.untold = error, None

    def has_told(self, error: BaseException | None) -> bool:
        """Whether it was."""
        return error is not None and error is self._told

    def is_of(self, stream: Any) -> bool:
        """Whether it is a block of that stream."""
        return self._stream_of() is stream

    def left(self) -> None:
        """It is over."""
        stream = self._stream_of()
        if stream is not None:
            stream.off("error", self)
        self._unlink()

    def _unlink(self) -> None:
        task = self._task_of()
        if task is not None:
            above, block = None, _innermost.get(task)
            while block is not None and block is not self:
                above, block = block, block._below
            if block is None:
                pass  # it was passed over
            elif above is not None:
                above._below = self._below  # another one was entered in this one, and is still to be left
            elif self._below is not None:
                _innermost[task] = self._below
            else:
                _innermost.pop(task, None)
        self._below = self._told = self.untold = None


class OuterBlock(Block):
    """That of what a stream works for, an open file. ORDER: a block that the stream has itself goes before it."""

    __slots__ = ()

    def __call__(self, *arguments: object) -> None:
        stream: Any = self._stream_of()  # it is there: it emits
        if _own_block(stream) is None:
            super().__call__(*arguments)
        else:
            self._told = error_of(arguments)

    def left(self) -> None:
        """It is over. It goes on listening: what a stream fails with that is closed late ends no program."""
        self._unlink()


def first_failure(blocks: Iterable[Block]) -> BaseException | None:
    """What the first of them that has something to raise is still to raise."""
    return next((failure for block in blocks if (failure := block.failure()) is not None), None)


def note_raised(error: BaseException) -> None:
    """It is raised in the current task: the blocks that this has entered need not do it again. Of a group, all that is in it."""
    ahead = [error]
    while ahead:
        one = ahead.pop()
        for block in _entered():
            block.tell(one)
        if isinstance(one, BaseExceptionGroup):
            ahead += one.exceptions


def block_of(stream: Any) -> Block | None:
    """The block of the stream that the current task leaves: its own inner one, or any, where the task that entered it was
    another."""
    own = (block for block in _entered() if block.is_of(stream) and type(block) is Block)
    return next(own, None) or _own_block(stream)


def _entered() -> Iterator[Block]:
    # The blocks of the current task, the inner ones first.
    block = _innermost.get(current_task() or _NO_TASK)
    while block is not None:
        yield block
        block = block._below


def _own_block(stream: Any) -> Block | None:
    return next((listener for listener in reversed(stream.listeners("error")) if type(listener) is Block), None)


def raise_over(error: BaseException, behind: BaseException | None) -> None:
    """`error` leaves a block that has `behind` still to raise, or nothing: that is seen behind it, and both are raised."""
    if behind is not None and behind is not error:
        chain(error, behind)
        note_raised(behind)
    note_raised(error)


def chain(error: BaseException, behind: BaseException) -> None:
    """Let `behind` be seen behind `error`, unless one of the two leads to the other already, or is in it."""
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
            if isinstance(one, BaseExceptionGroup):
                ahead += one.exceptions
    return seen
