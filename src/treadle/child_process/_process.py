"""ChildProcess: one program that was started, and what is told of it. Source: Node, class ChildProcess.

    spawn() ── 'spawn' ──────────► runs ── it ends ──► 'exit' (code, signal) ── its pipes have closed ──► 'close' (code, signal)
       └── it cannot be executed ──► 'error' ──────────────────────────────────────────────────────────► 'close' (-errno, None)

Invariants: 'exit' at most once, and 'close' once, last; a grandchild that holds a pipe open puts off 'close', not 'exit'; it is
reaped before 'exit', but the leader of a group of its own, whose number the group goes by, before 'close'. Not here: how it is
started (_spawn.py), its descriptors (_stdio.py).
"""

import os
import signal as signals
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from treadle._base.errors import TreadleError
from treadle.child_process._order import Order
from treadle.child_process._rest import is_untouched, keep_rest
from treadle.child_process._watched import Watched, sendable
from treadle.events import AbortSignal, EventEmitter
from treadle.net import Socket

if TYPE_CHECKING:
    from treadle._native.timers import Timeout
    from treadle.loop.event_loop import EventLoop

__all__ = ["ChildProcess", "Exit", "Limits"]

LEFT_MS: Final = 5000  # for a child whose block has failed, before it is sent SIGKILL; execa's forceKillAfterDelay


@dataclass(frozen=True)
class Limits:
    """When a child is killed, and how."""

    timeout_ms: float  # 0: never
    kill_signal: int
    force_kill_after_ms: float | None  # after any kill()


class Exit(NamedTuple):
    """How a child has ended: with a code, or by a signal."""

    code: int | None
    signal: str | None


class ChildProcess(EventEmitter):
    """A child process. Made by spawn(), exec() and exec_file().

    Events: 'spawn'; 'error' (error): it could not be started, or sent a signal, or was aborted; 'exit' (code, signal), one of the
    two None; 'close' (code, signal), when its pipes have closed as well. It holds the program until it has ended.
    """

    def __init__(self, loop: "EventLoop", order: Order, limits: Limits) -> None:
        super().__init__()
        self._loop = loop
        self._limits = limits
        self._leads = order.has_own_group  # what it is sent goes to its group
        self._is_detached = order.has_own_session
        self._watched: Watched | None = None  # until it is reaped
        self._left = 1  # what 'close' waits for: its end, and each of its pipes
        self._failure: OSError | None = None  # it was not started
        self._signal: AbortSignal | None = None
        self._timer: Timeout | None = None
        self._force_timer: Timeout | None = None
        self.pid: int | None = None
        """Its number; None where it was not started."""
        self.exit_code: int | None = None
        """Its code once it has ended by itself; 255 where somebody else has reaped it; -errno where it was not started."""
        self.signal_code: str | None = None
        """The signal that has ended it."""
        self.killed = False
        """Whether kill() has sent it something. It may run on."""
        self.spawnfile = order.file
        """The program as it was given, or the shell."""
        self.spawnargs = [os.fsdecode(argument) for argument in order.arguments]
        """Its arguments, with the name that it sees."""
        self.stdio: list[Socket | None] = []
        """Our ends of its pipes, by number; None where it has another descriptor, or none."""

    # -- how it begins, for spawn() --------------------------------------------------------------------------------

    def _have(self, streams: "list[Socket | None]") -> None:
        self.stdio = streams
        for stream in streams:
            if stream is not None:
                self._left += 1
                stream.once("close", self._part_closed)

    def _begin(self, pid: int, signal: AbortSignal | None) -> None:
        self.pid = pid
        loop = self._loop
        watched = Watched(pid, self._ended, self._let_go, self._end_limits, leads=self._leads, is_detached=self._is_detached)
        try:
            loop.children.watch(loop, watched)
        except ProcessLookupError:
            loop.set_immediate(self._ended)
        except OSError as error:  # no descriptor is left to watch it by
            watched.abandon_at_once()
            self.pid = None
            self._fail(error)
            return
        self._watched = watched
        loop.next_tick(self.emit, "spawn")
        if self._limits.timeout_ms:
            self._timer = loop.set_timeout(self._kill_or_tell, self._limits.timeout_ms)
        if signal is not None:
            self._signal = signal
            if signal.aborted:
                loop.next_tick(self._abort)
            else:
                signal.add_event_listener("abort", self._abort)

    def _fail(self, error: OSError) -> None:
        self._failure = error
        self._loop.next_tick(self._failed)

    def _failed(self) -> None:
        assert self._failure is not None
        self.exit_code = -(self._failure.errno or 0)
        if self.stdin is not None:
            self.stdin.destroy()
        try:
            self.emit("error", self._failure)
        finally:  # a listener that fails, or none: where the program goes on, it is closed all the same
            self._over()

    # -- how it ends -----------------------------------------------------------------------------------------------

    def _ended(self) -> None:
        # In the poll phase, by the loop's watch.
        watched = self._watched
        assert watched is not None
        keeps_number = self._leads and self._left > 1
        code = watched.outcome(reaps=not keeps_number)
        if keeps_number:
            self._loop.children.keep(watched)
        else:
            self._watched = None
        self._loop.next_tick(self._exited, code)  # ORDER: what a listener raises is a tick's, as in Node

    def _exited(self, code: int) -> None:
        if code < 0:
            self.signal_code = _name_of(-code)
        else:
            self.exit_code = code
        if not self._leads:
            self._end_limits()
        if self.stdin is not None:
            self.stdin.destroy()
        try:
            self.emit("exit", self.exit_code, self.signal_code)
        finally:
            self._over()

    def _over(self) -> None:
        self._loop.next_tick(self._let_flow_away)
        self._part_closed()

    def _let_flow_away(self) -> None:
        # What nobody reads must not keep 'close' from coming.
        for stream in self.stdio:
            if stream is None or not stream.readable:
                continue
            if is_untouched(stream) and keep_rest(stream, self._part_closed):
                stream.off("close", self._part_closed)
            else:
                stream.resume()

    def _part_closed(self, _: object = None) -> None:
        self._left -= 1
        if self._left == 0:
            self._end_limits()
            self._reap()
            self.emit("close", self.exit_code, self.signal_code)

    def _reap(self) -> None:
        watched, self._watched = self._watched, None
        if watched is not None:
            self._loop.children.forget(watched)
            watched.outcome(reaps=True)

    def _end_limits(self) -> None:
        for timer in (self._timer, self._force_timer):
            if timer is not None:
                timer.close()
        self._timer = self._force_timer = None
        if self._signal is not None:
            self._signal.remove_event_listener("abort", self._abort)
            self._signal = None

    def _let_go(self, code: int) -> None:
        # A forked child goes on with this loop: the process is its parent's.
        self._watched = None
        self._destroy_streams()
        if self.exit_code is None and self.signal_code is None:
            self._loop.next_tick(self._exited, code)

    def _destroy_streams(self) -> None:
        for stream in self.stdio:
            if stream is not None:
                stream.destroy()

    # -- killing ---------------------------------------------------------------------------------------------------

    def kill(self, signal: str | int = "SIGTERM", /) -> bool:
        """Send it a signal, by name or number: with kill_group to its whole group, as long as it, or one of its pipes, is there.

        False where it has ended. It is `killed` from then on, also with 0, which only asks. What forbids it is an 'error'. Raises
        TreadleError: ERR_UNKNOWN_SIGNAL.
        """
        return self._send(sendable(signal))

    def _send(self, number: int) -> bool:
        if self._watched is None:
            return False
        try:
            self._watched.send(number)
        except ProcessLookupError:
            return False
        except PermissionError as error:
            self.emit("error", error)
            return False
        self.killed = True
        if number and self._limits.force_kill_after_ms is not None:
            self._force_after(self._limits.force_kill_after_ms)
        return True

    def _force_after(self, delay_ms: float) -> None:
        if self._force_timer is None:
            self._force_timer = self._loop.set_timeout(self._kill_or_tell, delay_ms, signals.SIGKILL)

    def _kill_or_tell(self, number: int | None = None) -> None:
        self._send(self._limits.kill_signal if number is None else number)

    def _abort(self, _: object = None) -> None:
        signal = self._signal
        if signal is not None and self._send(self._limits.kill_signal):
            self.emit("error", TreadleError("ABORT_ERR", reason=signal.reason))

    # -- waiting ---------------------------------------------------------------------------------------------------

    async def wait_exit(self) -> Exit:
        """Wait until it has ended. Raises the next 'error': OSError where it was not started, TreadleError (ABORT_ERR)."""
        if self.exit_code is None and self.signal_code is None:
            await self._next("exit")
        if self._failure is not None:
            raise self._failure
        return Exit(self.exit_code, self.signal_code)

    async def wait_closed(self) -> Exit:
        """Wait until its pipes have closed as well. Raises as wait_exit()."""
        if self._left:
            await self._next("close")
        if self._failure is not None:
            raise self._failure
        return Exit(self.exit_code, self.signal_code)

    async def _next(self, event: str) -> None:
        waiter = self._loop.create_future()
        told = partial(_settle, waiter, None)
        failed = partial(_settle, waiter)
        self.once(event, told)
        self.once("error", failed)
        try:
            await waiter
        finally:
            self.off(event, told)
            self.off("error", failed)

    async def __aenter__(self) -> Self:
        """Raises OSError where it was not started. That it has not read all of its input is its own affair: no 'error' of stdin
        ends the program."""
        if self._failure is not None:
            await self.wait_exit()
        if self.stdin is not None:
            self.stdin.on("error", _ignore)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End its stdin, and wait until it is closed; what nobody reads is dropped. Where the block has failed, or is cancelled:
        kill it, with SIGKILL after force_kill_after or 5 s, close its pipes, and wait for its end."""
        if error is None:
            try:
                if self.stdin is not None and self.stdin.writable:
                    self.stdin.end()
                for stream in (self.stdout, self.stderr):
                    if stream is not None and not (stream.listener_count("data") or stream.listener_count("readable")):
                        stream.resume()
                await self.wait_closed()
            except BaseException:
                await self._give_up()
                raise
        else:
            await self._give_up()

    async def _give_up(self) -> None:
        self._destroy_streams()
        if self._send(self._limits.kill_signal) and self._limits.force_kill_after_ms is None:
            self._force_after(LEFT_MS)
        self.on("error", _ignore)  # the block has failed with another
        try:
            if self._left:
                await self._next("close")
        except BaseException:
            self._send(signals.SIGKILL)
            raise
        finally:
            self.off("error", _ignore)

    # -- the rest --------------------------------------------------------------------------------------------------

    def ref(self) -> Self:
        """Let it hold the program until it has ended (the default)."""
        return self._set_ref(True)

    def unref(self) -> Self:
        """Let the program end although it runs: it is killed then, unless it is detached. Its pipes have their own."""
        return self._set_ref(False)

    def _set_ref(self, is_refed: bool) -> Self:
        if self._watched is not None:
            self._loop.children.set_ref(self._loop, self._watched, is_refed)
        return self

    def _stream(self, number: int) -> Socket | None:
        return self.stdio[number] if len(self.stdio) > number else None

    @property
    def stdin(self) -> Socket | None:
        """Where it reads from, to be written to; None if that is no pipe."""
        return self._stream(0)

    @property
    def stdout(self) -> Socket | None:
        """What it writes, to be read; None if that is no pipe."""
        return self._stream(1)

    @property
    def stderr(self) -> Socket | None:
        """Likewise, of its errors."""
        return self._stream(2)

    def __repr__(self) -> str:
        if self._failure is not None:
            state = f"failed: {self._failure.strerror}"
        elif self.signal_code is not None:
            state = f"ended by {self.signal_code}"
        else:
            state = "running" if self.exit_code is None else f"ended with {self.exit_code}"
        return f"<{type(self).__name__} {self.spawnfile} pid={self.pid} {state}>"


def _settle(waiter: Any, error: BaseException | None = None, *_: object) -> None:
    if not waiter.done():
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)


def _ignore(_: object) -> None:
    pass


def _name_of(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signals.SIGRTMIN}"
