"""Socket: one stream connection. Source: https://nodejs.org/api/net.html#class-netsocket

Invariants: 'close' is the last event, in the close phase, when the descriptor is closed; while the buffer is full the kernel
keeps what comes; what listens to a socket on its own behalf does not hold it. Not here: the descriptor (_native.socket_stream),
how a connection comes about (_connecting.py).
"""

import contextlib
import errno
import os
import socket as sockets
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from treadle._base.arguments import require_callable, require_number
from treadle._base.errors import TreadleError
from treadle._native.socket_stream import SocketStream
from treadle._native.splice import Splice, splice_streams
from treadle.events import AbortSignal
from treadle.loop.current import get_loop
from treadle.net._addresses import Address, address_of
from treadle.net._connecting import ATTEMPT_TIMEOUT_MS, Connecting, Target, target_of
from treadle.net._descriptors import adopt, borrowed
from treadle.streams import Duplex, DuplexStatistics, ReadableStatistics, WritableStatistics
from treadle.streams._stream import give_up
from treadle.streams._weakly import Weakly

if TYPE_CHECKING:
    from treadle.net._server import Server
    from treadle.streams._zero_copy import Move

__all__ = ["Socket", "SocketStatistics", "connect", "create_connection"]

ReadyState = Literal["opening", "open", "readOnly", "writeOnly", "closed"]
_Callback = Callable[..., object]


@dataclass(frozen=True)
class SocketStatistics(DuplexStatistics):
    """How a socket stands."""

    bytes_read: int
    bytes_written: int  # handed to the kernel, or waiting to be
    unsent: int  # of these, what the kernel has not taken yet
    is_reading: bool  # False: what comes stays in the kernel
    moves: Mapping[str, Mapping[str, Any]]  # zero-copy moves under way: "in", "out"


def connect(
    port: int | None = None,
    host: str = "127.0.0.1",
    callback: Callable[[], object] | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    family: int = 0,
    local_address: str | None = None,
    local_port: int = 0,
    connect_timeout: float | None = None,
    attempt_timeout: float = ATTEMPT_TIMEOUT_MS,
    timeout: float = 0,
    **options: Any,
) -> "Socket":
    """A new Socket that connects to a TCP port, or to a Unix socket at `path`; `options` are those of Socket. See
    Socket.connect()."""
    socket = Socket(**options)
    if timeout:
        socket.set_timeout(timeout)
    return socket.connect(
        port,
        host,
        callback,
        path=path,
        family=family,
        local_address=local_address,
        local_port=local_port,
        connect_timeout=connect_timeout,
        attempt_timeout=attempt_timeout,
    )


create_connection = connect


class Keeper(Protocol):
    """Whose connections sockets are, for as long as they are open."""

    def _adopt(self, socket: "Socket", former: "Socket") -> None:
        """It has taken over the connection of another one, which is about to be destroyed."""

    def _forget(self, socket: "Socket") -> None:
        """It is destroyed."""

    def _server_shown(self) -> "Server | None":
        """Socket.server."""


class Socket(Duplex):
    """A connection over TCP or a Unix socket.

    Events: those of Duplex, and 'lookup' (error, address, family, host), 'connect', 'ready', 'timeout', 'close' (had_error).
    Errors of the connection are OSErrors. allow_half_open: False ends our side when the peer has ended its own. `sock` or `fd`:
    a connected socket, which is this one's from then on.

    Raises TreadleError: ERR_NO_LOOP, ERR_INVALID_ARG_VALUE; OSError, for an `fd` that is no stream socket.
    """

    _takes_objects = False
    _open_event = "connect"  # what wait_connected() waits for

    def __init__(
        self,
        *,
        sock: sockets.socket | None = None,
        fd: int | None = None,
        allow_half_open: bool = False,
        readable: bool = True,
        writable: bool = True,
        no_delay: bool = True,
        keep_alive: bool = False,
        keep_alive_initial_delay: float = 0,
        high_water_mark: int | None = None,
        readable_high_water_mark: int | None = None,
        writable_high_water_mark: int | None = None,
        encoding: str | None = None,
        signal: AbortSignal | None = None,
        pause_on_create: bool = False,
        handle: SocketStream | None = None,
    ) -> None:
        self._loop = get_loop()
        self._handle: SocketStream | None = None
        self._way: Connecting | None = None
        self._keeper: Keeper | None = None  # whose connection it is
        self._timer: Any = None
        self._deadline: Any = None
        self._no_delay = no_delay
        self._keep_alive = (keep_alive, keep_alive_initial_delay)
        self._is_refed = True
        self._progress = 0
        self._held: tuple[Callable[[SocketStream], object], _Callback] | None = None  # a write while it connects, its callback
        self._final_held: _Callback | None = None  # likewise, of the end
        self._move_in: Move | None = None  # what moves bytes from it unseen
        self._move_out: Move | None = None  # ... to it
        self._last: dict[str, Any] = {}  # what was asked of the handle, once that is gone
        self.connecting = False
        self.timeout: float = 0
        super().__init__(
            allow_half_open=allow_half_open,
            readable=readable,
            writable=writable,
            high_water_mark=high_water_mark,
            readable_high_water_mark=readable_high_water_mark,
            writable_high_water_mark=writable_high_water_mark,
            encoding=encoding,
            emit_close=False,  # the handle's end says when: in the close phase
            signal=signal,
        )
        self.on("end", Weakly(self, "_note_end"))
        if handle is None and (sock is not None or fd is not None):
            handle = SocketStream(self._loop, adopt(sock, fd))
        if handle is not None:
            handle.belong_to(self)
            self._begin_open(handle)
            if pause_on_create:
                self.pause()
            else:
                self.read(0)

    # -- connecting ------------------------------------------------------------------------------------------------

    def connect(
        self,
        port: int | None = None,
        host: str = "127.0.0.1",
        callback: Callable[[], object] | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        family: int = 0,
        local_address: str | None = None,
        local_port: int = 0,
        connect_timeout: float | None = None,
        attempt_timeout: float = ATTEMPT_TIMEOUT_MS,
    ) -> Self:
        """Connect to a TCP port, or to a Unix socket at `path`. 'connect' follows, and calls `callback`; else 'error', an
        OSError.

        A name is looked up, and its addresses are tried in turn, IPv6 and IPv4 alternating, each for attempt_timeout ms but the
        last. `family`: 4 or 6 tries only those. connect_timeout: ms for all of it (TimeoutError). What is written before is sent
        once it is connected. Destroying the socket ends the attempt.

        Raises TreadleError: ERR_MISSING_ARGS, ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE,
        ERR_SOCKET_CONNECTED.
        """
        target = target_of(port, host, path, family, local_address, local_port, attempt_timeout)
        if self.connecting or self._handle is not None or self.destroyed:
            raise TreadleError("ERR_SOCKET_CONNECTED")
        if callback is not None:
            require_callable(callback, "callback")
            self.once("connect", callback)
        if connect_timeout is not None:
            require_number(connect_timeout, "connect_timeout")
            self._deadline = self._loop.set_timeout(self._connect_timed_out, connect_timeout, target)
        self.connecting = True
        self._touch()
        self._way = Connecting(self, target, self._connected, self._failed_to_connect)
        self._way.is_refed = self._is_refed
        self._way.begin()
        return self

    def _connect_timed_out(self, target: Target) -> None:
        self._deadline = None
        message = f"{os.strerror(errno.ETIMEDOUT)}: cannot connect to {target}"
        self.destroy(OSError(errno.ETIMEDOUT, message))

    def _connected(self, handle: SocketStream) -> None:
        handle.belong_to(self)
        handle.remote_name()  # which it remembers, once nobody could be asked
        self._way = None
        self._end_deadline()
        self.connecting = False
        self._begin_open(handle)
        self._touch()
        self.emit("connect")
        self.emit("ready")
        if self._handle is not None and not self.is_paused():
            self.read(0)  # so that the end is seen, whoever reads

    def _failed_to_connect(self, error: Exception) -> None:
        self._way = None
        self.destroy(error)

    def _begin_open(self, handle: SocketStream) -> None:
        self._handle = handle
        handle.timer = self._timer
        handle.set_no_delay(self._no_delay)
        if self._keep_alive[0]:
            self._set_keep_alive()
        if not self._is_refed:
            handle.set_ref(False)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.close()
            self._deadline = None

    async def wait_connected(self) -> Self:
        """Wait until it is connected. Raises what connecting failed with, or TreadleError:
        ERR_SOCKET_CLOSED_BEFORE_CONNECTION."""
        if self._is_opening() or (self.errored is not None and not self._has_emitted_error()):
            waiter = self._make_future()

            def settle(error: Any = None) -> None:
                if not waiter.done():
                    if isinstance(error, BaseException):
                        waiter.set_exception(error)
                    else:
                        waiter.set_result(None)

            for event in (self._open_event, "error", "close"):
                self.on(event, settle)
            try:
                await waiter
            finally:
                for event in (self._open_event, "error", "close"):
                    self.off(event, settle)
        if self.errored is not None:
            self._note_raised(self.errored)
            raise self.errored
        if self.pending:
            raise TreadleError("ERR_SOCKET_CLOSED_BEFORE_CONNECTION")
        return self

    def _is_opening(self) -> bool:
        return self.connecting

    async def __aenter__(self) -> Self:
        """Wait until it is connected. Where that fails, or is cancelled, the socket is closed: no block will."""
        try:
            await self.wait_connected()
        except BaseException as error:
            await give_up(self, error)
            raise
        return await super().__aenter__()

    # -- hooks of the stream ---------------------------------------------------------------------------------------

    def _read(self, size: int) -> None:
        if self._move_in is not None:
            return  # the kernel reads
        if self._handle is not None:
            self._handle.start_reading()
        else:  # also of a socket that nobody has told to connect
            self.once("connect", Weakly(self, "_read_on"))

    def _read_on(self) -> None:
        if self._handle is not None and self._move_in is None:
            self._handle.start_reading()

    def _write(self, chunk: Any, encoding: str, callback: _Callback) -> None:
        if self._move_out is not None:
            self._move_out.interrupt_sink()
        if self._handle is not None:
            self._handle.write(chunk, callback)
        else:
            self._once_open(lambda handle: handle.write(chunk, callback), callback)

    def _writev(self, requests: list[dict[str, Any]], callback: _Callback) -> None:
        if self._move_out is not None:
            self._move_out.interrupt_sink()
        if self._handle is not None:
            self._handle.writev(requests, callback)
        else:
            self._once_open(lambda handle: handle.writev(requests, callback), callback)

    def _once_open(self, act: Callable[[SocketStream], object], callback: _Callback) -> None:
        if not self.connecting:
            callback(TreadleError("ERR_SOCKET_CLOSED"))
            return

        self._held = act, callback
        self.once("connect", Weakly(self, "_act_on_held"))
        self.once("close", Weakly(self, "_fail_held"))

    def _act_on_held(self) -> None:
        self.off("close", Weakly(self, "_fail_held"))
        held, self._held = self._held, None
        if held is None:
            return
        act, callback = held
        if self._handle is None:
            callback(TreadleError("ERR_SOCKET_CLOSED"))
        else:
            act(self._handle)

    def _fail_held(self, _: object = None) -> None:
        held, self._held = self._held, None
        if held is not None:
            held[1](TreadleError("ERR_SOCKET_CLOSED_BEFORE_CONNECTION"))

    def _final(self, callback: _Callback) -> None:
        if self._move_out is not None:
            self._move_out.interrupt_sink()
        if self.connecting:
            self._final_held = callback
            self.once("connect", Weakly(self, "_final_on"))
        elif self._handle is None:
            callback()
        else:
            self._handle.shutdown(callback)

    def _final_on(self) -> None:
        callback, self._final_held = self._final_held, None
        if callback is not None:
            self._final(callback)

    def _destroy(self, error: BaseException | None, callback: _Callback) -> None:
        self.connecting = False
        self._end_deadline()
        self._final_held = None
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        if self._way is not None:
            self._way.cancel()
            self._way = None
        handle, self._handle = self._handle, None
        had_error = error is not None
        if handle is None:
            callback(error)
            self._loop.next_tick(self._closed, had_error)
        else:
            self._last |= {
                "bytes_read": handle.bytes_read,
                "bytes_written": handle.bytes_written,
                "remote": address_of(handle.remote_name()),
            }
            end = handle.reset if self._last.get("resets") else handle.close
            end(partial(self._closed, had_error))
            callback(error)
        if self._keeper is not None:
            self._keeper._forget(self)
            self._keeper = None

    def _let_go_of_handle(self, closed: Callable[..., object]) -> None:
        # All that comes has come, and may be read for long yet: the descriptor is closed. closed(None) in the close phase.
        handle, self._handle = self._handle, None
        if handle is not None:
            self._last |= {"bytes_read": handle.bytes_read, "bytes_written": handle.bytes_written, "remote": None}
            handle.close(closed)

    def _closed(self, had_error: bool, _: object = None) -> None:
        self.emit("close", had_error)

    def _note_end(self) -> None:
        if not self.allow_half_open:
            self.write = Weakly(self, "_write_after_end")  # type: ignore[method-assign]

    def _write_after_end(self, chunk: Any, encoding: Any = None, callback: Any = None) -> bool:
        # The peer has ended its side, and with it ours: 'write after end' would blame the user.
        if not self.writable_ended:
            return super().write(chunk, encoding, callback)
        error = OSError(errno.EPIPE, f"{os.strerror(errno.EPIPE)}: the peer has ended the connection")
        if callable(callback):
            self._loop.next_tick(callback, error)
        self.destroy(error)
        return False

    # -- zero copy: see treadle.streams._zero_copy ------------------------------------------------------------------

    def _zero_copy_source(self) -> bool:
        return (
            type(self)._looks_at_nothing()
            and self.readable
            and self._supply() == "SUPPLYING"
            and self.readable_encoding is None
            and (self._handle is not None or self.connecting)
            and (self._handle is None or self._handle.security is None)
            and not any(map(self.listener_count, ("data", "readable", "pause", "resume")))
            and not self.readable_statistics().pipes
        )

    def _zero_copy_sink(self) -> bool:
        return (
            type(self)._looks_at_nothing()
            and "write" not in self.__dict__
            and self.writable
            and not self.writable_corked
            and not self.listener_count("drain")
            and (self._handle is not None or self.connecting)
            and (self._handle is None or (self._handle.security is None and "out" not in self._handle.moves()))
        )

    @classmethod
    def _looks_at_nothing(cls) -> bool:
        # Not a class of the user's that has a hook or a method of its own in the way of the bytes.
        return cls is Socket or all(
            getattr(cls, name) is getattr(Socket, name) for name in ("_read", "_write", "_writev", "push", "write", "emit")
        )

    def _zero_copy_stream(self) -> SocketStream:
        assert self._handle is not None
        return self._handle

    def _await_zero_copy(self) -> None:
        if self._handle is not None:
            self._handle.stop_reading()

    def _begin_zero_copy(self, stream: SocketStream, callback: Callable[[OSError | None, int], object]) -> Splice:
        assert self._handle is not None
        return splice_streams(self._handle, stream, callback)

    def _end_zero_copy(self, moved: int, *, is_complete: bool) -> None:
        if is_complete:
            self.push(None)
            self.read(0)
        elif self._handle is not None:
            self._handle.start_reading()

    def _heard(self, event: Hashable) -> None:
        if self._move_in is not None:
            self._move_in.interrupt()
        super()._heard(event)

    def set_encoding(self, encoding: str) -> Self:
        """As Readable.set_encoding."""
        if self._move_in is not None:
            self._move_in.interrupt()
        return super().set_encoding(encoding)

    # -- ending ----------------------------------------------------------------------------------------------------

    def destroy_soon(self) -> None:
        """End our side, and destroy the socket once all is sent."""
        if self.writable:
            self.end()
        if self.writable_finished:
            self.destroy()
        else:
            self.once("finish", Weakly(self, "destroy"))

    def reset_and_destroy(self) -> Self:
        """Destroy it, and let the peer see a reset (RST). Once it is connected, if it connects now.

        Raises TreadleError: ERR_INVALID_STATE, of a Unix socket, which has no such thing.
        """
        if self.connecting:
            self.once("connect", Weakly(self, "reset_and_destroy"))
        elif self._handle is None:
            self.destroy(TreadleError("ERR_SOCKET_CLOSED"))
        elif not isinstance(self._handle.own_name(), tuple):
            raise TreadleError("ERR_INVALID_STATE", state="a Unix socket cannot be reset")
        else:
            self._last["resets"] = True
            self.destroy()
        return self

    # -- time ------------------------------------------------------------------------------------------------------

    def set_timeout(self, delay_ms: float, callback: Callable[[], object] | None = None) -> Self:
        """Emit 'timeout' once nothing was received or sent for so long; 0: never. What follows from it is the listener's to
        decide.

        callback: a listener, for once; with 0 it is removed. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE.
        """
        require_number(delay_ms, "delay_ms")
        if not delay_ms >= 0:
            raise TreadleError("ERR_OUT_OF_RANGE", name="delay_ms", expected="at least 0", received=delay_ms)
        if callback is not None:
            require_callable(callback, "callback")
        if self.destroyed:
            return self
        self.timeout = delay_ms
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        if delay_ms:
            self._timer = self._loop.set_timeout(self._timed_out, delay_ms).unref()
            if callback is not None:
                self.once("timeout", callback)
        elif callback is not None:
            self.off("timeout", callback)
        if self._handle is not None:
            self._handle.timer = self._timer
        return self

    def _touch(self) -> None:
        if self._timer is not None:
            self._timer.refresh()

    def _timed_out(self) -> None:
        before, self._progress = self._progress, 0 if self._handle is None else self._handle.progress
        if self._handle is not None and self._progress != before and (self._handle.unsent or self._moves()):
            self._touch()  # what waits is on its way, or bytes are moved without being looked at
        else:
            self.emit("timeout")

    # -- options of the socket -------------------------------------------------------------------------------------

    def set_no_delay(self, enable: bool = True) -> Self:
        """Send small chunks at once, which is the default here: Nagle's algorithm is off."""
        self._no_delay = enable
        if self._handle is not None:
            self._handle.set_no_delay(enable)
        return self

    def set_keep_alive(self, enable: bool = False, initial_delay_ms: float = 0) -> Self:
        """Let the kernel probe a connection that is quiet for initial_delay_ms (whole seconds; 0: as the system says)."""
        self._keep_alive = (enable, initial_delay_ms)
        if self._handle is not None:
            self._set_keep_alive()
        return self

    def _set_keep_alive(self) -> None:
        assert self._handle is not None
        enable, delay_ms = self._keep_alive
        with borrowed(self._handle.fileno()) as sock, contextlib.suppress(OSError):  # Unix sockets have none
            sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, int(enable))
            if enable and delay_ms >= 1000:
                sock.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_KEEPIDLE, int(delay_ms // 1000))

    def ref(self) -> Self:
        """Let it hold the program while it is open (the default)."""
        return self._set_ref(True)

    def unref(self) -> Self:
        """Let the program end although it is open."""
        return self._set_ref(False)

    def _set_ref(self, is_refed: bool) -> Self:
        self._is_refed = is_refed
        if self._handle is not None:
            self._handle.set_ref(is_refed)
        if self._way is not None:
            self._way.set_ref(is_refed)
        return self

    # -- looking ---------------------------------------------------------------------------------------------------

    def fileno(self) -> int:
        """The descriptor; -1 while it is not connected."""
        return -1 if self._handle is None else self._handle.fileno()

    def address(self) -> Address | None:
        """Our end of the connection; None where there is none, or of a Unix socket."""
        return None if self._handle is None else address_of(self._handle.own_name())

    @property
    def local_address(self) -> str | None:
        """Our IP address."""
        return None if (ours := self.address()) is None else ours.address

    @property
    def local_port(self) -> int | None:
        """Our port."""
        return None if (ours := self.address()) is None else ours.port

    @property
    def local_family(self) -> str | None:
        """IPv4 or IPv6."""
        return None if (ours := self.address()) is None else ours.family

    def _remote(self) -> Address | None:
        if self._handle is None:
            return self._last.get("remote")
        return address_of(self._handle.remote_name())

    @property
    def remote_address(self) -> str | None:
        """The peer's IP address, also once the socket is destroyed."""
        return None if (theirs := self._remote()) is None else theirs.address

    @property
    def remote_port(self) -> int | None:
        """The peer's port, likewise."""
        return None if (theirs := self._remote()) is None else theirs.port

    @property
    def remote_family(self) -> str | None:
        """IPv4 or IPv6, likewise."""
        return None if (theirs := self._remote()) is None else theirs.family

    @property
    def bytes_read(self) -> int:
        """Bytes received so far."""
        return int(self._last.get("bytes_read", 0)) if self._handle is None else self._handle.bytes_read

    @property
    def bytes_written(self) -> int:
        """Bytes sent so far, and those that wait."""
        if self._handle is None:
            return int(self._last.get("bytes_written", 0)) + (self.writable_length if self.connecting else 0)
        return self._handle.bytes_written + max(self.writable_length - self._handle.unsent, 0)

    @property
    def pending(self) -> bool:
        """Whether it is not connected: not yet, or no longer."""
        return self._handle is None

    @property
    def ready_state(self) -> ReadyState:
        """What it is good for now."""
        if self.connecting:
            return "opening"
        if self.readable:
            return "open" if self.writable else "readOnly"
        return "writeOnly" if self.writable else "closed"

    @property
    def server(self) -> "Server | None":
        """The server that accepted it, while it is open."""
        return None if self._keeper is None else self._keeper._server_shown()

    def _moves(self) -> Mapping[str, Mapping[str, Any]]:
        return {} if self._handle is None else self._handle.moves()

    def statistics(self) -> SocketStatistics:
        """How it stands: a frozen snapshot."""
        readable: ReadableStatistics = self.readable_statistics()
        writable: WritableStatistics = self.writable_statistics()
        handle = self._handle
        return SocketStatistics(
            readable,
            writable,
            bytes_read=self.bytes_read,
            bytes_written=self.bytes_written,
            unsent=0 if handle is None else handle.unsent,
            is_reading=handle is not None and handle.is_reading,
            moves=self._moves(),
        )
