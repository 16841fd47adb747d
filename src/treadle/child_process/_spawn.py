"""spawn(): a program is started, and what it reads and writes is streams here. Source: Node, child_process.spawn.

Invariants: it returns when the program was executed, or is known not to be; what fails then is an 'error' event, as in Node, and
everything that was opened is closed. Not here: what becomes of the child (_process.py).
"""

import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from treadle._base.arguments import require_number
from treadle._base.errors import TreadleError
from treadle._native import spawn as native
from treadle.child_process._order import Order, Text, order_of
from treadle.child_process._process import ChildProcess, Limits
from treadle.child_process._stdio import Descriptors, checked, listed
from treadle.child_process._watched import sendable
from treadle.events import AbortSignal
from treadle.events.abort import require_signal
from treadle.loop.current import get_loop

__all__ = ["spawn"]

TOLD_LATER: Final = (errno.EACCES, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOENT)  # COMPAT(node): others are raised
TIMEOUT_MAX: Final = 2**31 - 1  # ms; of a longer one Node's timers make 1 ms, and the child would be killed at once


def spawn(
    command: Text,
    args: Iterable[Text] = (),
    *,
    cwd: Text | None = None,
    env: Mapping[Any, Any] | None = None,
    argv0: Text | None = None,
    stdio: str | Sequence[Any] = "pipe",
    detached: bool = False,
    uid: int | None = None,
    gid: int | None = None,
    shell: bool | Text = False,
    signal: AbortSignal | None = None,
    timeout: float = 0,
    kill_signal: str | int = "SIGTERM",
    kill_group: bool = False,
    force_kill_after: float | None = None,
) -> ChildProcess:
    """Start a program: `command` with `args`, looked for in the PATH of its environment, which is `env` or ours.

    It is executed, or is known not to be, when this returns: some 0.2 ms, whatever the size of this process. Events: see
    ChildProcess; 'spawn' in the next tick, or 'error', an OSError.

    stdio: "pipe", "ignore", "inherit", or a list of these for each descriptor, in which an int, a file or a stream stands for its
    descriptor. argv0: the name that it sees. shell: True for /bin/sh, or its path: `command` is a script then. detached: a
    session of its own, which outlives this program. timeout: ms, after which it is sent kill_signal; so it is when `signal`
    aborts. kill_group: it leads a process group, and what it is sent goes to all of that. force_kill_after: ms, after which what
    was killed, and still runs, is sent SIGKILL.

    Raises TreadleError: ERR_NO_LOOP, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE, ERR_UNKNOWN_SIGNAL; OSError,
    where it is not one of those that 'error' tells: EBADF in stdio, EPERM for a uid, E2BIG. Source: Node, child_process.spawn.
    """
    loop = get_loop()
    order = order_of(
        command,
        args,
        cwd=cwd,
        env=env,
        argv0=argv0,
        shell=shell,
        detached=detached,
        kill_group=kill_group,
        uid=uid,
        gid=gid,
    )
    limits = limits_of(timeout, kill_signal, force_kill_after)
    if signal is not None:
        require_signal(signal, "signal")
    given = listed(stdio)
    items = checked(given)
    child = ChildProcess(loop, order, limits)
    try:
        descriptors = Descriptors(items)
    except OSError as error:
        if error.errno not in TOLD_LATER:
            raise
        child._fail(error)  # COMPAT(node): without streams
        return child
    try:
        pid, failed, step = _start(order, descriptors)
        if failed and failed not in TOLD_LATER:
            raise _error(failed, step, order)
    except BaseException:
        descriptors.close()
        raise
    child._have(descriptors.streams(loop))
    if failed:
        child._fail(_error(failed, step, order))
    else:
        child._begin(pid, signal)
    return child


def _start(order: Order, descriptors: Descriptors) -> tuple[int, int, int]:
    return native.spawn(
        order.programs,
        order.arguments,
        order.environment,
        order.directory,
        descriptors.given,
        has_own_session=order.has_own_session,
        has_own_group=order.has_own_group,
        uid=order.uid,
        gid=order.gid,
    )


def _error(number: int, step: int, order: Order) -> OSError:
    """Node names the program where the directory is missing."""
    filename = order.file
    if step == native.STEP_CHDIR and order.directory is not None:
        filename = os.fsdecode(order.directory)
    return OSError(number, os.strerror(number), filename)


def limits_of(timeout: float, kill_signal: str | int, force_kill_after: float | None) -> Limits:
    """Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_UNKNOWN_SIGNAL."""
    for name, value in (("timeout", timeout), ("force_kill_after", force_kill_after)):
        if value is not None:
            require_number(value, name)
            if not 0 <= value <= TIMEOUT_MAX:
                raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected=f"from 0 to {TIMEOUT_MAX}", received=value)
    return Limits(timeout, sendable(kill_signal), force_kill_after)
