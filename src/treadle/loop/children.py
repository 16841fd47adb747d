"""The child processes of one loop. Each is watched by a descriptor of its own (pidfd_open(2)): no thread waits for it, and it
holds the program until it has ended, as in Node. Where the kernel has no such descriptors, or a sandbox forbids them, a thread
waits for each child: asyncio's watcher for those of asyncio.

Invariant: a child that was started is reaped, by its end or by the end of the loop, in the process that started it; a forked
child that goes on with the loop lets go of its parent's, which have ended there, with a code that is not known. Not here: pipes
and protocols of asyncio's children (base_subprocess.py), and the pipes' end with the loop (left_open.py); children as streams
(treadle.child_process).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import subprocess
import threading
import time
from asyncio import unix_events
from asyncio.log import logger
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from treadle._native.callbacks import at_any_rate

if TYPE_CHECKING:
    from treadle.loop.event_loop import EventLoop

REAP_S = 1.0  # what was killed ends at once, unless it hangs in the kernel
REAP_STEP_S = 0.001
NO_MORE_NOW = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # of descriptors, which there are
CODE_UNKNOWN = 255  # COMPAT(asyncio): where somebody else has reaped it


@functools.cache
def can_watch() -> bool:
    """Whether there are such descriptors here."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return error.errno in NO_MORE_NOW
    return True


class Child(Protocol):
    """A child process, as who watches it has to know it. All of it is called on the loop's thread."""

    @property
    def pid(self) -> int:
        """Of this process's child, until that is reaped."""

    def ended(self) -> None:
        """It has ended, and is not reaped yet: that is yours to do. Called once, in the poll phase."""

    def abandon(self) -> None:
        """Its loop is closed: end it, or leave it to `leave()`. Nobody is told."""

    def let_go(self) -> None:
        """This is a forked child: the process is its parent's. Who waits hears that it has ended, with a code nobody knows."""


class Children:
    """Those of one loop, on whose thread all of it happens."""

    def __init__(self) -> None:
        self._watched: dict[int, Child] = {}  # by their descriptors
        self._waited_for: dict[int, Child] = {}  # by their pids: those that a thread waits for
        self._unrefed: set[Child] = set()  # of these, such as do not hold the program
        self._unreaped: set[Child] = set()  # that have ended, and whose numbers are still needed
        self._held: dict[int, Any] = {}  # pid -> transport, of those that asyncio watches
        self._pid = os.getpid()  # whose children they are

    # ---- any child

    def watch(self, loop: EventLoop, child: Child) -> None:
        """Tell it when it has ended; until then it holds the program. Raises OSError (no descriptor is left), ProcessLookupError
        (it has ended, and the system has reaped it, since SIGCHLD is ignored)."""
        self.renew_if_forked(loop)
        reap_left()
        if can_watch():
            fd = os.pidfd_open(child.pid)
            self._watched[fd] = child
            try:
                loop._add_reader(fd, self._ended, loop, fd)
            except OSError:  # the kernel has no room for one more watch
                self._release(loop, fd)
                raise
        else:
            try:
                threading.Thread(target=_wait, args=(loop, self._waited, child), daemon=True).start()
            except RuntimeError as error:  # the system has no room for one
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
            self._waited_for[child.pid] = child
            loop.ref_request()

    def set_ref(self, loop: EventLoop, child: Child, is_refed: bool) -> None:
        """Say whether it holds the program."""
        for fd, other in self._watched.items():
            if other is child:
                loop.set_fd_ref(fd, is_refed)
        if self._waited_for.get(child.pid) is child and is_refed == (child in self._unrefed):
            if is_refed:
                self._unrefed.remove(child)
                loop.ref_request()
            else:
                self._unrefed.add(child)
                loop.unref_request()

    def keep(self, child: Child) -> None:
        """It has ended, and is not to be reaped before `forget()`, or the end of the loop."""
        self._unreaped.add(child)

    def forget(self, child: Child) -> None:
        """It is reaped."""
        self._unreaped.discard(child)

    def _ended(self, loop: EventLoop, fd: int) -> None:
        if self._pid == os.getpid():  # else it was found ready before the fork: it is the parent's
            self._release(loop, fd).ended()

    def _release(self, loop: EventLoop, fd: int) -> Child:
        child = self._watched.pop(fd)
        loop._remove_reader(fd)
        at_any_rate(os.close, fd)
        return child

    def _waited(self, loop: EventLoop, child: Child) -> None:
        if self._waited_for.pop(child.pid, None) is not None:
            self._drop_ref(loop, child)
            child.ended()

    def _drop_ref(self, loop: EventLoop, child: Child) -> None:
        if child in self._unrefed:
            self._unrefed.remove(child)
        else:
            loop.unref_request()

    def renew_if_forked(self, loop: EventLoop) -> None:
        """A forked child has none of its parent's: they go on, and are let go of with their pipes. Who waits for one hears that
        it has ended, as of one that somebody else has reaped."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        _left.clear()
        let_go = [*self._unreaped, *(self._release(loop, fd) for fd in list(self._watched))]
        self._unreaped.clear()
        while self._waited_for:
            _, child = self._waited_for.popitem()
            self._drop_ref(loop, child)
            let_go.append(child)
        while self._held:
            _, transport = self._held.popitem()
            loop.unref_request()
            let_go.append(_OfAsyncio(transport))
        for child in let_go:
            child.let_go()

    def abandon(self, loop: EventLoop) -> None:
        """The loop is closed: each says what becomes of it. Nobody is told."""
        self.renew_if_forked(loop)
        left = [*self._unreaped, *(self._release(loop, fd) for fd in list(self._watched))]
        self._unreaped.clear()
        while self._waited_for:
            left.append(self._waited_for.popitem()[1])
        for child in left:
            at_any_rate(child.abandon)
        reap_left()

    # ---- asyncio's

    async def start(self, loop: EventLoop, *arguments: Any, extra: Any = None, **kwargs: Any) -> Any:
        """The transport of a new child, its pipes connected. The arguments are asyncio's, of _make_subprocess_transport."""
        self.renew_if_forked(loop)
        waiter = loop.create_future()
        transport = unix_events._UnixSubprocessTransport(  # type: ignore[attr-defined]
            loop, *arguments, waiter=waiter, extra=extra, **kwargs
        )
        try:
            self.watch(loop, _OfAsyncio(transport))
        except ProcessLookupError:
            loop.call_soon(transport._process_exited, CODE_UNKNOWN)
        except BaseException:  # no descriptor is left
            transport.close()
            transport._proc.wait()
            raise
        try:
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            transport.close()
            await transport._wait()
            raise
        return transport

    # ---- watched by asyncio

    def hold(self, loop: EventLoop, transport: Any) -> None:
        """Let a child that asyncio watches hold the program."""
        self.renew_if_forked(loop)
        if transport.get_returncode() is None:
            self._held[transport.get_pid()] = transport
            loop.ref_request()

    def exited(self, loop: EventLoop, transport: Any, code: int) -> None:
        """It has ended."""
        if transport.get_returncode() is None:  # else a forked child has let go of it meanwhile
            transport._process_exited(code)
        if self._held.pop(transport.get_pid(), None) is not None:
            loop.unref_request()


class _OfAsyncio:
    """A child of asyncio's transport."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.pid: int = transport.get_pid()

    def ended(self) -> None:
        transport = self._transport
        code = reap(self.pid)
        if code is None:
            code = transport._proc.returncode  # of Popen, which reaps it when it is sent a signal or polled
            if code is None:
                code = CODE_UNKNOWN
                logger.warning("child process pid %d exit status already read: will report returncode 255", self.pid)
        transport._loop.call_soon(transport._process_exited, code)

    def abandon(self) -> None:
        """It is killed, as by its transport's close(), and reaped."""
        transport = self._transport
        transport._closed = True  # COMPAT(asyncio): or its finalizer would warn, and write to the closed loop
        process = transport._proc
        process.kill()
        try:
            process.wait(REAP_S)
        except subprocess.TimeoutExpired:
            logger.error("child process pid %d does not end although it was killed", process.pid)

    def let_go(self) -> None:
        transport = self._transport
        transport._closed = True  # COMPAT(asyncio): as in abandon()
        if transport.get_returncode() is None:
            transport._process_exited(CODE_UNKNOWN)  # of Popen, too, whose finalizer would warn, and ask for it
        transport._proc = None  # COMPAT(asyncio): no signal is sent; from 3.13 on it asks for nothing else, and would send it
        for protocol in transport._pipes.values():
            if protocol is not None and protocol.pipe is not None:
                at_any_rate(_let_go_of, protocol.pipe)


def _let_go_of(pipe: Any) -> None:
    if not isinstance(pipe, asyncio.WriteTransport):
        pipe.close()
    elif not pipe.is_closing() or pipe.get_write_buffer_size():  # what is left in there the parent sends
        pipe.abort()


# ---- without a loop


def reap(pid: int) -> int | None:
    """The exit code of a child that has ended, negative for a signal; None where somebody else has reaped it."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return None


def reap_killed(pid: int) -> bool:
    """Wait for a child that was sent SIGKILL, and reap it. False where it does not end."""
    end_s = time.monotonic() + REAP_S
    while True:
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return True
        except ChildProcessError:
            return True
        if time.monotonic() >= end_s:
            return False
        time.sleep(REAP_STEP_S)


def leave(pid: int) -> None:
    """It goes on without its loop. Where it ends before this process, the next child that is started, and the next loop that is
    closed, reap it."""
    _left.add(pid)


_left: set[int] = set()  # of this process


def reap_left() -> None:
    """Those that were left and have ended."""
    for pid in list(_left):
        try:
            if os.waitpid(pid, os.WNOHANG)[0]:
                _left.discard(pid)
        except ChildProcessError:
            _left.discard(pid)


def _wait(loop: EventLoop, tell: Callable[[EventLoop, Child], None], child: Child) -> None:
    """On a thread of its own."""
    with contextlib.suppress(ChildProcessError):  # somebody else has reaped it
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(tell, loop, child)
