"""Sockets to listen on, bound at once, with errors that say what was tried. Not here: accepting (_native.tcp)."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator

from treadle._base.errors import TreadleError

__all__ = ["bind_tcp", "bind_unix", "inherited_socket"]


def bind_tcp(host: str, port: int) -> socket.socket:
    """A socket bound to the first address of host.

    Raises OSError, and TreadleError (ERR_OUT_OF_RANGE, ERR_INVALID_ARG_TYPE) for the port."""
    if type(port) is not int:
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="port", expected="an int", received=type(port).__name__)
    if not 0 <= port <= 65535:
        raise TreadleError("ERR_OUT_OF_RANGE", name="port", expected="from 0 to 65535", received=port)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise socket.gaierror(error.errno, f"{error.strerror}: cannot listen on {host}:{port}") from None
    sock = socket.socket(family, kind, protocol)
    with _closed_on_error(sock, f"{host}:{port}"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    return sock


def bind_unix(path: str, mode: int | None = None) -> socket.socket:
    """A socket bound to path; the file of a server that is gone is replaced. mode: of the new one. Raises OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _closed_on_error(sock, path):
        _remove_stale_socket(path)
        sock.bind(path)
        if mode is not None:
            try:
                os.chmod(path, mode)  # ORDER: nobody can connect before it listens
            except OSError:
                os.unlink(path)
                raise
    return sock


def inherited_socket(fd: int) -> socket.socket:
    """The socket with this descriptor, which whoever started the process has bound. OWNER: closed with what is returned.

    Raises OSError: it is no stream socket, or nothing."""
    try:
        sock = socket.socket(fileno=fd)
    except OSError as error:
        raise OSError(error.errno, f"{os.strerror(error.errno or 0)}: cannot listen on descriptor {fd}") from None
    if sock.type != socket.SOCK_STREAM:
        sock.detach()
        raise OSError(errno.ESOCKTNOSUPPORT, f"descriptor {fd} is no stream socket")
    sock.set_inheritable(False)
    return sock


@contextlib.contextmanager
def _closed_on_error(sock: socket.socket, where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        sock.close()
        if error.errno is None:  # "AF_UNIX path too long"
            raise OSError(errno.ENAMETOOLONG, f"{error}: cannot listen on {where}") from None
        raise OSError(error.errno, f"{os.strerror(error.errno or 0)}: cannot listen on {where}") from None
    except BaseException:
        sock.close()
        raise


def _remove_stale_socket(path: str) -> None:
    """Remove a socket file that nobody listens on any more; one that somebody listens on is EADDRINUSE."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a listener whose backlog is full answers EAGAIN: it is there
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except BlockingIOError:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from None
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
