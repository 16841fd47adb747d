"""Two stages between which the kernel moves the bytes, without anybody looking at them: a file or a socket to a socket.

    WAITING ──both are open, all that was there before is written──► MOVING ──the source ends──► over
       │                                                               │ somebody wants to look
       └──────────── it turns out not to be possible ──────────────► an ordinary pipe, from where it stands

Invariants: bytes arrive as if they were piped, each once, in order; whoever listens for 'data', reads, pauses, unpipes, writes
to the sink or ends it gets what a pipe would give him, since the move stops for him and a pipe goes on. What shows is
statistics(). Not here: the moving (_native.splice, _native.sendfile).

A source offers itself by four methods, and a sink by two:

    source._zero_copy_source() -> bool              may its bytes go unseen, as things are now?
    source._await_zero_copy()                       read no more by hand: what was there before goes first
    source._begin_zero_copy(stream, callback)       a Mover to that native Stream; callback(error, moved)
    source._end_zero_copy(moved, is_complete)       it is over: push the end, or go on by hand from there
    sink._zero_copy_sink() -> bool                  may it be sent to directly?
    sink._zero_copy_stream() -> Stream              what to send to

While a move is under way it is `source._move_in` and `sink._move_out`: they call interrupt() before somebody looks. A stage that
is still connecting is waited for, and one that is still to be opened: `_opens_by` is the event that tells, or None.
"""

import errno
from typing import Any

__all__ = ["Move", "begin_move"]

CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)  # the file system has no such thing, as /proc has not: sendfile(2)
ROUNDS = 16  # chunks that were buffered before, written one by one; where more keep coming, a pipe does as well


def begin_move(source: Any, sink: Any) -> bool:
    """Let the kernel move what `source` gives to `sink`, whose end is the caller's to arrange. False: it cannot."""
    offers, accepts = getattr(source, "_zero_copy_source", None), getattr(sink, "_zero_copy_sink", None)
    if offers is None or accepts is None or source is sink or not offers() or not accepts() or sink.listener_count("pipe"):
        return False
    Move(source, sink).go_on()
    return True


class Move:
    """One pair of stages."""

    def __init__(self, source: Any, sink: Any) -> None:
        self._source = source
        self._sink = sink
        self._mover: Any = None
        self._rounds = ROUNDS
        self._is_over = False
        self._is_paused = False  # by the user, while it moves
        self._is_unpiped = False  # likewise
        source._move_in = sink._move_out = self
        source.pause, source.resume, source.unpipe = self._pause, self._resume, self._unpipe
        source._await_zero_copy()

    def go_on(self, error: BaseException | None = None) -> None:
        """Begin, once both stages are open and what was there before is written."""
        source, sink = self._source, self._sink
        if self._is_over or error is not None or source.destroyed or sink.destroyed:
            self._forget()
            return
        for stage in (source, sink):
            if getattr(stage, "connecting", False):
                stage.once("connect", self.go_on)
                return
            if opening := getattr(stage, "_opens_by", None):
                stage.once(opening, self.go_on)
                return
        if not source._zero_copy_source() or not sink._zero_copy_sink() or self._rounds == 0:
            self._pipe()
        elif source.readable_length or sink.writable_length:
            self._rounds -= 1
            sink.write(source.read() if source.readable_length else b"", callback=self.go_on)
        else:
            self._mover = source._begin_zero_copy(sink._zero_copy_stream(), self._moved)
            type(source).resume(source)  # it flows, as far as anybody can see

    def interrupt(self) -> None:
        """Somebody is about to look: let a pipe go on."""
        if self._is_over:
            return
        if self._mover is None:
            self._pipe()
        else:
            self._mover.stop()

    def interrupt_sink(self) -> None:
        """Something else is written. While the move waits to begin that goes first, whatever it is."""
        if self._mover is not None:
            self._mover.stop()

    def _pause(self) -> Any:
        self.interrupt()
        self._is_paused = True
        return type(self._source).pause(self._source)

    def _resume(self) -> Any:
        self._is_paused = False
        return type(self._source).resume(self._source)

    def _unpipe(self, destination: Any = None) -> Any:
        if destination is None or destination is self._sink:
            self._is_unpiped = True
            self.interrupt()
        return type(self._source).unpipe(self._source, destination)

    def _moved(self, error: BaseException | None, moved: int) -> None:
        source, sink, mover = self._source, self._sink, self._mover
        self._mover = None
        if getattr(error, "errno", None) in CANNOT and not source.destroyed and not sink.destroyed:
            self._pipe(moved)
        elif error is not None:
            self._forget()
            if not source.destroyed and not sink.destroyed:  # else they have told already
                source.destroy(error)
        elif mover.is_complete:
            self._forget()
            if not source.destroyed:
                source._end_zero_copy(moved, is_complete=True)
            sink.emit("unpipe", source, {"has_unpiped": False})
        else:
            self._pipe(moved)

    def _pipe(self, moved: int = 0) -> None:
        source, is_paused = self._source, self._is_paused
        self._forget()
        if not source.destroyed:
            source._end_zero_copy(moved, is_complete=False)
            if self._is_unpiped:
                source.pause()
                self._sink.emit("unpipe", source, {"has_unpiped": False})
                return
            source.pipe(self._sink, end=False)
            if is_paused:
                source.pause()

    def _forget(self) -> None:
        source, sink = self._source, self._sink
        self._is_over = True
        if source._move_in is self:
            source._move_in = None
            del source.pause, source.resume, source.unpipe
        if sink._move_out is self:
            sink._move_out = None
