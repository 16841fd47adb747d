"""What holds a program, by Node's names of it. Source: https://nodejs.org/api/process.html, process.getActiveResourcesInfo().

Invariant: what is named is what the loop counts, each as often as it counts it. Not here: ticks and microtasks, which run before
anybody could ask; whether the program ends (`is_alive`, _native.loop).
"""

from __future__ import annotations

import os
import socket
import stat
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from treadle.loop.event_loop import EventLoop

__all__ = ["holders", "summary"]

_OF_MODE: Final = {stat.S_IFIFO: "PipeWrap", stat.S_IFCHR: "TTYWrap"}


def holders(loop: EventLoop) -> list[str]:
    """One name for each thing that holds the program of this loop. `Watch` and `Request`, which Node does not have, are what
    `add_reader` and `add_writer` wait for, if it is nothing that Node knows, and what `ref_request` counts."""
    counts = loop.statistics()
    return [
        *(_name_of(fd) for fd in loop.held_fds()),
        *["Timeout"] * counts["timers_refed"],
        *["Immediate"] * counts["immediates_refed"],
        *["Request"] * counts["requests"],
    ]


def summary(loop: EventLoop) -> str:
    """The same in one line: "TCPServerWrap, 2 Timeout"; '' where nothing holds it."""
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in Counter(holders(loop)).items())


def _name_of(fd: int) -> str:
    try:
        return _name_of_open(fd)
    except OSError:  # its user has closed it, and the loop does not know
        return "Watch"


def _name_of_open(fd: int) -> str:
    mode = stat.S_IFMT(os.fstat(fd).st_mode)
    if mode in _OF_MODE:
        return _OF_MODE[mode]
    if mode != stat.S_IFSOCK:
        return "ProcessWrap" if "[pidfd]" in os.readlink(f"/proc/self/fd/{fd}") else "Watch"
    with socket.socket(fileno=fd) as sock:
        try:
            if sock.type == socket.SOCK_DGRAM:
                return "UDPWrap"
            if sock.family == socket.AF_UNIX:
                return "PipeWrap"
            return "TCPServerWrap" if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) else "TCPSocketWrap"
        finally:
            sock.detach()
