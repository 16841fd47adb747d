"""exec() and exec_file(): a program is run to its end, and what it has written is the result. Source: Node, child_process.exec.

Invariants: the callback runs once, or never where the program has ended before; no more than max_buffer of each output is kept;
whoever stops waiting has the child killed. Not here: spawn(), which starts it.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, AnyStr, Final, Generic, NamedTuple, TypedDict, Unpack, overload

from treadle._base.arguments import require_callable, require_number
from treadle._base.errors import TreadleError
from treadle.child_process._order import Text
from treadle.child_process._process import ChildProcess
from treadle.child_process._spawn import limits_of, spawn
from treadle.events import AbortSignal, EventEmitter, Listener
from treadle.loop.current import get_loop
from treadle.streams._text import decode, known_encoding

__all__ = ["MAX_BUFFER", "ExecFuture", "ExecResult", "exec", "exec_file"]

MAX_BUFFER: Final = 1024 * 1024  # bytes of each output; Node
TOLD_CHARACTERS: Final = 1000  # of what it wrote to stderr, in the text of the error


class ExecResult(NamedTuple, Generic[AnyStr]):
    """What a program has written: str, or bytes where `encoding` is None."""

    stdout: AnyStr
    stderr: AnyStr


Callback = Callable[[Exception | None, ExecResult[Any]], object]


class ExecOptions(TypedDict, total=False):
    """What exec() and exec_file() take beside the command and `encoding`, which says what the result is: see exec_file()."""

    timeout: float
    max_buffer: float
    input: str | bytes | None
    kill_signal: str | int
    kill_group: bool
    force_kill_after: float | None
    cwd: Text | None
    env: Mapping[Any, Any] | None
    argv0: Text | None
    uid: int | None
    gid: int | None
    signal: AbortSignal | None


class ExecFuture(asyncio.Future[ExecResult[AnyStr]]):
    """What is awaited. `child` is the process; cancelling the future kills it."""

    child: ChildProcess
    _run: "_Run | None" = None

    def settle(self, error: Exception | None, result: ExecResult[AnyStr]) -> None:
        self._run = None
        if self.done():
            return
        if error is not None:
            self.set_exception(error)
        else:
            self.set_result(result)

    def cancel(self, msg: Any | None = None) -> bool:
        """Stop waiting, close its pipes and kill it. See asyncio.Future.cancel."""
        is_cancelled = super().cancel(msg)
        run, self._run = self._run, None
        if is_cancelled and run is not None:
            run.stop()
        return is_cancelled


@overload
def exec(
    command: Text, *, callback: None = None, shell: bool | Text = True, encoding: str = "utf8", **options: Unpack[ExecOptions]
) -> ExecFuture[str]: ...
@overload
def exec(
    command: Text, *, callback: None = None, shell: bool | Text = True, encoding: None, **options: Unpack[ExecOptions]
) -> ExecFuture[bytes]: ...
@overload
def exec(
    command: Text, *, callback: None = None, shell: bool | Text = True, encoding: str | None, **options: Unpack[ExecOptions]
) -> ExecFuture[Any]: ...
@overload
def exec(
    command: Text, *, callback: Callback, shell: bool | Text = True, encoding: str | None = "utf8", **options: Unpack[ExecOptions]
) -> ChildProcess: ...
def exec(
    command: Text,
    *,
    callback: Callback | None = None,
    shell: bool | Text = True,
    encoding: str | None = "utf8",
    **options: Unpack[ExecOptions],
) -> ExecFuture[Any] | ChildProcess:
    """Run a script in a shell, /bin/sh: exec_file() with a shell. Never put together a script of what users have given: that is
    what exec_file() and its list are for."""
    if callback is None:
        return exec_file(command, shell=shell, encoding=encoding, **options)
    return exec_file(command, shell=shell, encoding=encoding, callback=callback, **options)


@overload
def exec_file(
    file: Text,
    args: Iterable[Text] = (),
    *,
    callback: None = None,
    shell: bool | Text = False,
    encoding: str = "utf8",
    **options: Unpack[ExecOptions],
) -> ExecFuture[str]: ...
@overload
def exec_file(
    file: Text,
    args: Iterable[Text] = (),
    *,
    callback: None = None,
    shell: bool | Text = False,
    encoding: None,
    **options: Unpack[ExecOptions],
) -> ExecFuture[bytes]: ...
@overload
def exec_file(
    file: Text,
    args: Iterable[Text] = (),
    *,
    callback: None = None,
    shell: bool | Text = False,
    encoding: str | None,
    **options: Unpack[ExecOptions],
) -> ExecFuture[Any]: ...
@overload
def exec_file(
    file: Text,
    args: Iterable[Text] = (),
    *,
    callback: Callback,
    shell: bool | Text = False,
    encoding: str | None = "utf8",
    **options: Unpack[ExecOptions],
) -> ChildProcess: ...
def exec_file(
    file: Text,
    args: Iterable[Text] = (),
    *,
    callback: Callback | None = None,
    shell: bool | Text = False,
    encoding: str | None = "utf8",
    timeout: float = 0,
    max_buffer: float = MAX_BUFFER,
    input: str | bytes | None = None,
    kill_signal: str | int = "SIGTERM",
    kill_group: bool = False,
    force_kill_after: float | None = None,
    **options: Any,
) -> ExecFuture[Any] | ChildProcess:
    """Run a program to its end, and keep what it writes.

    Without a callback: a future of ExecResult, with the process as its `child`; cancelling it kills that. With one: the
    ChildProcess, and callback(error, result) once its pipes have closed, or as soon as it could not be started or was aborted;
    the result is what it has written, with an error as well. Options beside these, and what is raised at once: see spawn().

    encoding: of what it writes; None: bytes. timeout: ms, then its pipes are closed and it is killed. max_buffer: bytes of each
    output that are kept; one more, and it is killed. input: what it reads; None leaves its stdin open, for the caller.

    The error is an OSError where it was not started; TreadleError: ERR_CHILD_PROCESS_FAILED (its code is not 0, or a signal has
    ended it), ERR_TIMED_OUT, ERR_CHILD_PROCESS_STDIO_MAXBUFFER, ABORT_ERR. `data` of the first three has command, exit_code,
    signal_code, killed, stdout and stderr.

    Raises TreadleError: ERR_UNKNOWN_ENCODING, ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.
    """
    require_number(max_buffer, "max_buffer")
    if not max_buffer >= 0:
        raise TreadleError("ERR_OUT_OF_RANGE", name="max_buffer", expected="at least 0", received=max_buffer)
    if callback is not None:
        require_callable(callback, "callback")
    known = None if encoding is None else known_encoding(encoding)
    if input is not None and not isinstance(input, str | bytes):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="input", expected="str or bytes", received=type(input).__name__)
    limits_of(timeout, kill_signal, force_kill_after)
    child = spawn(
        file,
        args,
        shell=shell,
        kill_signal=kill_signal,
        kill_group=kill_group,
        force_kill_after=force_kill_after,
        **options,
    )
    if callback is not None:
        _Run(child, callback, known, timeout, max_buffer, kill_signal, input)
        return child
    future: ExecFuture[Any] = ExecFuture(loop=get_loop())
    future.child = child
    future._run = _Run(child, future.settle, known, timeout, max_buffer, kill_signal, input)
    return future


class _Run:
    """One program until its end. Invariant: it is held by the child's listeners, and by nobody once it has called back."""

    def __init__(
        self,
        child: ChildProcess,
        callback: Callback,
        encoding: str | None,
        timeout: float,
        max_buffer: float,
        kill_signal: str | int,
        input: str | bytes | None,
    ) -> None:
        self._child = child
        self._callback: Callback | None = callback
        self._encoding = encoding
        self._timeout = timeout
        self._room = {"stdout": max_buffer, "stderr": max_buffer}
        self._kept = {"stdout": bytearray(), "stderr": bytearray()}
        self._kill_signal = kill_signal
        self._error: Exception | None = None
        self._was_killed = False
        self._timer = get_loop().set_timeout(self._time_out, timeout) if timeout else None
        self._listeners: list[tuple[EventEmitter, str, Listener]] = []
        for name, stream in (("stdout", child.stdout), ("stderr", child.stderr)):
            if stream is not None:
                self._listen(stream, "data", partial(self._keep, name))
        self._listen(child, "close", self._closed)
        self._listen(child, "error", self._failed)
        if input is not None and child.stdin is not None:
            self._listen(child.stdin, "error", self._input_failed)
            child.stdin.end(input)

    def _listen(self, emitter: EventEmitter, event: str, listener: Listener) -> None:
        self._listeners.append((emitter, event, listener))
        emitter.on(event, listener)

    def _keep(self, name: str, chunk: Any) -> None:
        if isinstance(chunk, str):  # somebody has given the stream an encoding
            chunk = chunk.encode()
        room = self._room[name]
        self._room[name] = room - len(chunk)
        if len(chunk) <= room:
            self._kept[name] += chunk
        elif room >= 0:
            self._kept[name] += chunk[: math.floor(room)]
            self._room[name] = -1
            self._error = TreadleError("ERR_CHILD_PROCESS_STDIO_MAXBUFFER", stream=name, **self._facts())
            self.stop()

    def _time_out(self) -> None:
        self._timer = None
        self.stop()

    def stop(self) -> None:
        """Close its pipes, and kill it."""
        self._was_killed = True
        self._close_outputs()
        if self._child.stdin is not None:
            self._child.stdin.destroy()
        self._child.kill(self._kill_signal)

    def _close_outputs(self) -> None:
        for stream in (self._child.stdout, self._child.stderr):
            if stream is not None:
                stream.destroy()

    def _failed(self, error: Exception) -> None:
        self._error = error
        self._close_outputs()
        self._finish()

    def _input_failed(self, error: Exception) -> None:
        if not isinstance(error, BrokenPipeError | ConnectionError):  # it has not read all of it: that is its own affair
            self._failed(error)

    def _closed(self, code: int | None, signal: str | None) -> None:
        if self._error is None and (code != 0 or signal is not None):
            self._error = self._failure()
        for emitter, event, listener in self._listeners:
            emitter.off(event, listener)
        self._listeners.clear()
        self._finish()

    def _failure(self) -> TreadleError:
        facts = self._facts()
        if self._was_killed and self._timeout:
            operation = f"The command {facts['command']!r}"
            return TreadleError("ERR_TIMED_OUT", operation=operation, delay_ms=self._timeout, **facts)
        child = self._child
        outcome = f"code {child.exit_code}" if child.signal_code is None else child.signal_code
        told = decode(bytes(self._kept["stderr"][-TOLD_CHARACTERS:]), "utf8").strip()
        return TreadleError("ERR_CHILD_PROCESS_FAILED", outcome=outcome, hint=f"It said: {told}" if told else None, **facts)

    def _facts(self) -> dict[str, Any]:
        child = self._child
        stdout, stderr = self._result()
        return {
            "command": " ".join([child.spawnfile, *child.spawnargs[1:]]),
            "exit_code": child.exit_code,
            "signal_code": child.signal_code,
            "killed": child.killed or self._was_killed,
            "stdout": stdout,
            "stderr": stderr,
        }

    def _result(self) -> ExecResult[Any]:
        written = (bytes(self._kept[name]) for name in ("stdout", "stderr"))
        return ExecResult(*(data if self._encoding is None else decode(data, self._encoding) for data in written))

    def _finish(self) -> None:
        callback, self._callback = self._callback, None
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        if callback is not None:
            error, self._error = self._error, None
            result = self._result()
            self._kept = {"stdout": bytearray(), "stderr": bytearray()}
            callback(error, result)
