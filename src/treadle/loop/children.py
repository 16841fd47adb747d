"""The child processes of one loop. Each is watched by a descriptor of its own (pidfd_open(2)): no thread waits for it, and it
holds the program until it has ended, as in Node. Where the kernel has no such descriptors, or a sandbox forbids them, asyncio's
watcher does it, on a thread for each child.

Invariant: a child that was started is reaped, by its end or by the end of the loop, in the process that started it; a forked
child that goes on with the loop lets go of its parent's, which have ended there, with a code that is not known. Not here: pipes
and protocols of children, which are asyncio's own (base_subprocess.py), and the pipes' end with the loop (left_open.py).
"""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
from asyncio import unix_events
from asyncio.log import logger
from typing import TYPE_CHECKING, Any

from treadle._native.callbacks import at_any_rate

if TYPE_CHECKING:
    from treadle.loop.event_loop import EventLoop

REAP_S = 1.0  # what was killed ends at once, unless it hangs in the kernel
CODE_UNKNOWN = 255  # COMPAT(asyncio): where somebody else has reaped it


@functools.cache
def can_watch() -> bool:
    """Whether there are such descriptors here."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


class Children:
    """Those of one loop, on whose thread all of it happens."""

    def __init__(self) -> None:
        self._watched: dict[int, Any] = {}  # descriptor -> transport of the child, which knows its loop
        self._held: dict[int, Any] = {}  # pid -> transport, of those that asyncio watches
        self._pid = os.getpid()  # whose children they are

    async def start(self, loop: EventLoop, *arguments: Any, extra: Any = None, **kwargs: Any) -> Any:
        """The transport of a new child, its pipes connected. The arguments are asyncio's, of _make_subprocess_transport."""
        self.renew_if_forked(loop)
        waiter = loop.create_future()
        transport = unix_events._UnixSubprocessTransport(  # type: ignore[attr-defined]
            loop, *arguments, waiter=waiter, extra=extra, **kwargs
        )
        self._watch(transport)
        try:
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            transport.close()
            await transport._wait()
            raise
        return transport

    def _watch(self, transport: Any) -> None:
        try:
            fd = os.pidfd_open(transport.get_pid())
        except ProcessLookupError:  # it has ended, and somebody who ignores SIGCHLD has had it reaped
            transport._loop.call_soon(transport._process_exited, CODE_UNKNOWN)
            return
        except BaseException:  # no descriptor is left
            transport.close()
            transport._proc.wait()
            raise
        self._watched[fd] = transport
        transport._loop._add_reader(fd, self._ended, fd)

    def _ended(self, fd: int) -> None:
        if self._pid != os.getpid():  # found ready before the fork: it is the parent's
            return
        transport = self._release(fd)
        try:
            _, status = os.waitpid(transport.get_pid(), 0)
        except ChildProcessError:
            code = transport._proc.returncode  # of Popen, which reaps it when it is sent a signal or polled
            if code is None:
                code = CODE_UNKNOWN
                logger.warning("child process pid %d exit status already read: will report returncode 255", transport.get_pid())
        else:
            code = os.waitstatus_to_exitcode(status)
        transport._loop.call_soon(transport._process_exited, code)

    def _release(self, fd: int) -> Any:
        transport = self._watched.pop(fd)
        transport._loop._remove_reader(fd)
        at_any_rate(os.close, fd)
        return transport

    def renew_if_forked(self, loop: EventLoop) -> None:
        """A forked child has none of its parent's: they go on, and are let go of with their pipes. Who waits for one hears that
        it has ended, as of one that somebody else has reaped."""
        if self._pid == os.getpid():
            return
        for fd in list(self._watched):
            _end_in_child(self._release(fd))
        while self._held:
            _, transport = self._held.popitem()
            loop.unref_request()
            _end_in_child(transport)
        self._pid = os.getpid()

    def abandon(self, loop: EventLoop) -> None:
        """The loop is closed: what still runs is killed, as by its transport's close(), and reaped. Nobody is told."""
        self.renew_if_forked(loop)
        for fd in list(self._watched):
            transport = self._release(fd)
            transport._closed = True  # COMPAT(asyncio): or its finalizer would warn, and write to the closed loop
            process = transport._proc
            process.kill()
            try:
                process.wait(REAP_S)
            except subprocess.TimeoutExpired:
                logger.error("child process pid %d does not end although it was killed", process.pid)

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


def _end_in_child(transport: Any) -> None:
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
