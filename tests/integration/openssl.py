"""A TLS client that can say what Python's ssl cannot: other keys, asked for at will. OpenSSL's own functions, by ctypes.

Invariant: it has no socket; bytes go in and come out. Skips where the library of Python's ssl shows no such functions.
"""

from __future__ import annotations

import _ssl
import contextlib
import ctypes
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

CTRL_SET_MIN_PROTO, CTRL_SET_MAX_PROTO = 123, 124
CTRL_SET_HOST_NAME = 55
ROOM_BYTES = 1024 * 1024


def _library() -> Any:
    try:
        library = ctypes.CDLL(_ssl.__file__)
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new", "BIO_s_mem", "BIO_new"):
            getattr(library, name).restype = ctypes.c_void_p
        library.SSL_key_update.restype = ctypes.c_int
    except (OSError, AttributeError):
        pytest.skip("the functions of Python's OpenSSL cannot be called")
    return library


class Client:
    """One client, which trusts everybody."""

    def __init__(self, library: Any, context: int) -> None:
        self._library = library
        self._tls = ctypes.c_void_p(library.SSL_new(ctypes.c_void_p(context)))
        memory = ctypes.c_void_p(library.BIO_s_mem())
        self._incoming, self._outgoing = [ctypes.c_void_p(library.BIO_new(memory)) for _ in range(2)]
        library.SSL_set_bio(self._tls, self._incoming, self._outgoing)  # OWNER: the SSL
        library.SSL_set_connect_state(self._tls)
        self._room = ctypes.create_string_buffer(ROOM_BYTES)

    def free(self) -> None:
        """No more use of it."""
        self._library.SSL_free(self._tls)

    def ask_for(self, name: bytes) -> None:
        """Of a server of this name, whatever is in it."""
        assert self._library.SSL_ctrl(self._tls, CTRL_SET_HOST_NAME, 0, name) == 1

    def shake_hands(self, received: bytes = b"") -> bytes:
        """What it has to send next."""
        self._library.BIO_write(self._incoming, received, len(received))
        self._library.SSL_do_handshake(self._tls)
        return self._drain()

    @property
    def is_done(self) -> bool:
        """Hands are shaken."""
        return bool(self._library.SSL_is_init_finished(self._tls))

    def records(self, data: bytes) -> bytes:
        """Data, at least one record."""
        assert self._library.SSL_write(self._tls, data, len(data)) == len(data)
        return self._drain()

    def key_updates(self, count: int, *, asks: bool = False) -> bytes:
        """So many records that say that other keys follow; asks: the peer has to do the same."""
        for _ in range(count):
            assert self._library.SSL_key_update(self._tls, int(asks)) == 1
            assert self._library.SSL_do_handshake(self._tls) == 1
        return self._drain()

    def read(self, received: bytes) -> bytes:
        """What these records say, as far as one read goes."""
        self._library.BIO_write(self._incoming, received, len(received))
        size = self._library.SSL_read(self._tls, self._room, ROOM_BYTES)
        return self._room.raw[: max(size, 0)]

    def _drain(self) -> bytes:
        found = b""
        while (size := self._library.BIO_read(self._outgoing, self._room, ROOM_BYTES)) > 0:
            found += self._room.raw[:size]
        return found


@contextlib.contextmanager
def client(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Iterator[Client]:
    """One, of this version alone."""
    library = _library()
    context = library.SSL_CTX_new(ctypes.c_void_p(library.TLS_client_method()))
    for control in (CTRL_SET_MIN_PROTO, CTRL_SET_MAX_PROTO):
        library.SSL_CTX_ctrl(ctypes.c_void_p(context), control, ctypes.c_long(version), None)
    made = Client(library, context)
    try:
        yield made
    finally:
        made.free()
        library.SSL_CTX_free(ctypes.c_void_p(context))
