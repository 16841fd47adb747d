"""Where a server listens: at most one place at a time, a TCP port, a Unix socket or a socket that is bound already.

    ListeningPlace ── bind() ──► the address is ours ── listen() ──► a listener accepts ── close() ──► descriptor closed, file of
                                                                                                      a Unix socket removed

Invariants: a socket that does not get to listen is closed; what was opened is given back once. Not here: binding (binding.py),
accepting (_native.tcp), connections, and what a server emits.
"""

import contextlib
import logging
import os
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from treadle._base.errors import TreadleError
from treadle._native.tcp import Listener
from treadle.loop.accepting import pause_accepting
from treadle.loop.binding import bind_tcp, bind_unix
from treadle.loop.event_loop import EventLoop

__all__ = ["BACKLOG", "ListenerFactory", "ListeningPlace"]

BACKLOG = 2048  # connections the kernel holds until they are accepted; uvicorn, gunicorn

ListenerFactory = Callable[[socket.socket, Callable[[Listener, OSError], object]], Listener]
"""(bound socket, what is called when accepting has failed) -> a listener that does not accept yet"""


class _File(NamedTuple):
    # Of a Unix socket, as it was bound, and by which process.
    path: str
    status: os.stat_result
    pid: int


class ListeningPlace:
    """Where one server listens, or will."""

    def __init__(self, loop: EventLoop, logger: logging.Logger) -> None:
        self._loop = loop
        self._logger = logger
        self._sock: socket.socket | None = None  # from bind() to listen(), which gives it to the listener
        self._listener: Listener | None = None
        self._file: _File | None = None  # the one to remove
        self._is_refed = True

    @property
    def is_open(self) -> bool:
        """True from listen() to close()."""
        return self._listener is not None

    @property
    def name(self) -> Any:
        """The socket's own name: an address tuple, a path, or None while it is not open."""
        return None if self._listener is None else self._listener.sock.getsockname()

    def require_closed(self) -> None:
        """Raises TreadleError: ERR_SERVER_ALREADY_LISTEN."""
        if self._listener is not None:
            raise TreadleError("ERR_SERVER_ALREADY_LISTEN")

    def open(
        self,
        factory: ListenerFactory,
        port: int,
        host: str,
        path: str | os.PathLike[str] | None,
        sock: socket.socket | None,
        backlog: int,
    ) -> None:
        """bind() and listen()."""
        self.bind(port, host, path, sock)
        self.listen(factory, backlog)

    def bind(
        self,
        port: int,
        host: str,
        path: str | os.PathLike[str] | None,
        sock: socket.socket | None = None,
        mode: int | None = None,
    ) -> None:
        """Take the address, unless a bound sock is given. mode: of the file of a Unix socket; None: what the umask leaves.

        Raises OSError, TreadleError (ERR_OUT_OF_RANGE) for the port."""
        name = None if sock is not None or path is None else os.fspath(path)
        if name is not None:
            sock = bind_unix(name, mode)
        elif sock is None:
            sock = bind_tcp(host, port)
        self._sock = sock
        try:
            if name is not None:
                self._file = _File(name, os.stat(name), os.getpid())
            sock.setblocking(False)
        except BaseException:
            self.close()
            raise

    def listen(self, factory: ListenerFactory, backlog: int) -> None:
        """Listen where it is bound, and accept. Raises OSError; then it is not bound any more."""
        assert self._sock is not None
        sock = self._sock
        try:
            sock.listen(backlog)
            listener = factory(sock, self._pause_accepting)
            listener.set_ref(self._is_refed)
            listener.start()
        except BaseException:
            self.close()
            raise
        self._sock, self._listener = None, listener

    def close(self) -> None:
        """Stop accepting, and let go of the address; no effect where it has none."""
        listener, self._listener = self._listener, None
        sock, self._sock = self._sock, None
        if listener is not None:
            listener.retire()
        elif sock is not None:
            sock.close()
        self._unlink()

    def _unlink(self) -> None:
        file, self._file = self._file, None
        if file is not None and file.pid == os.getpid():  # else a forked child's parent still listens there
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(file.path), file.status):  # else another server's, which has replaced it
                    os.unlink(file.path)

    def set_ref(self, is_refed: bool) -> None:
        """Whether it holds the program while it is open."""
        self._is_refed = is_refed
        if self._listener is not None:
            self._listener.set_ref(is_refed)

    def _pause_accepting(self, listener: Listener, error: OSError) -> None:
        pause_accepting(self._loop, self._logger, listener, error, is_refed=self._is_refed)
