"""Ciphers at work: bytes in, bytes out, and a tag where they authenticate. All of the mathematics is cryptography's.

Invariant: what has ended, well or not, takes no more bytes. Not here: names and lengths (_cipher_names.py), texts, streams and
the order of calls (_cipher.py).
"""

import hmac
from typing import Any, Final, Protocol

from treadle._base.errors import TreadleError
from treadle.crypto._cipher_names import Suite
from treadle.crypto._library import cryptography_module

__all__ = ["BLOCK_BYTES", "TAG_BYTES", "Engine", "make_engine"]

BLOCK_BYTES: Final = 16  # of AES
TAG_BYTES: Final = 16  # of GCM and of Poly1305; a shorter tag is the beginning of it
CHACHA20_BYTES_MAX: Final = (2**32 - 1) * 64  # of one message: the counter has 32 bits; RFC 8439 section 2.8


class Engine(Protocol):
    """One message being enciphered or deciphered. finish() is the last call; tag is there behind it."""

    tag: bytes | None  # enciphering: what was made

    def authenticate(self, data: bytes) -> None: ...
    def update(self, data: Any) -> bytes: ...
    def finish(self, tag: bytes | None) -> bytes: ...


def make_engine(suite: Suite, key: bytes, iv: bytes, *, enciphers: bool, pads: bool) -> Engine:
    """What does the work. Raises TreadleError: ERR_EXTRA_NOT_INSTALLED."""
    if suite.mode == "cbc":
        return _Cbc(key, iv, enciphers, pads)
    if suite.mode == "chacha20-poly1305":
        return _ChaCha20Poly1305(key, iv, enciphers)
    return _Gcm(key, iv, enciphers) if suite.mode == "gcm" else _Ctr(key, iv, enciphers)


def _context(algorithm: Any, mode: Any, enciphers: bool) -> Any:
    cipher = cryptography_module("hazmat.primitives.ciphers").Cipher(algorithm, mode)
    return cipher.encryptor() if enciphers else cipher.decryptor()


def _aes(key: bytes, mode: str, iv: bytes, enciphers: bool, **options: Any) -> Any:
    algorithms = cryptography_module("hazmat.primitives.ciphers.algorithms")
    modes = cryptography_module("hazmat.primitives.ciphers.modes")
    return _context(algorithms.AES(key), getattr(modes, mode)(iv, **options), enciphers)


class _Ctr:
    tag: bytes | None = None

    def __init__(self, key: bytes, iv: bytes, enciphers: bool) -> None:
        self._context = _aes(key, "CTR", iv, enciphers)

    def authenticate(self, data: bytes) -> None:
        raise NotImplementedError

    def update(self, data: Any) -> bytes:
        made: bytes = self._context.update(data)
        return made

    def finish(self, tag: bytes | None) -> bytes:
        made: bytes = self._context.finalize()
        return made


class _Cbc:
    tag: bytes | None = None

    def __init__(self, key: bytes, iv: bytes, enciphers: bool, pads: bool) -> None:
        self._context = _aes(key, "CBC", iv, enciphers)
        padding = cryptography_module("hazmat.primitives.padding").PKCS7(BLOCK_BYTES * 8)
        self._padder = padding.padder() if enciphers and pads else None
        self._unpadder = padding.unpadder() if pads and not enciphers else None

    def authenticate(self, data: bytes) -> None:
        raise NotImplementedError

    def update(self, data: Any) -> bytes:
        made: bytes = self._context.update(data if self._padder is None else self._padder.update(data))
        whole: bytes = made if self._unpadder is None else self._unpadder.update(made)
        return whole

    def finish(self, tag: bytes | None) -> bytes:
        last: bytes = b"" if self._padder is None else self._context.update(self._padder.finalize())
        try:
            last += self._context.finalize()
        except ValueError:
            raise TreadleError("ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH") from None
        if self._unpadder is None:
            return last
        try:
            made: bytes = self._unpadder.update(last) + self._unpadder.finalize()
        except ValueError:
            raise TreadleError("ERR_OSSL_BAD_DECRYPT") from None
        return made


class _Gcm:
    def __init__(self, key: bytes, iv: bytes, enciphers: bool) -> None:
        self._context = _aes(key, "GCM", iv, enciphers, min_tag_length=4)
        self._enciphers = enciphers
        self.tag: bytes | None = None

    def authenticate(self, data: bytes) -> None:
        self._context.authenticate_additional_data(data)

    def update(self, data: Any) -> bytes:
        made: bytes = self._context.update(data)
        return made

    def finish(self, tag: bytes | None) -> bytes:
        if self._enciphers:
            self._context.finalize()
            self.tag = self._context.tag
            return b""
        if tag is None:
            raise TreadleError("ERR_CRYPTO_AUTHENTICATION_FAILED")
        from cryptography.exceptions import InvalidTag

        try:
            self._context.finalize_with_tag(tag)
        except InvalidTag:
            raise TreadleError("ERR_CRYPTO_AUTHENTICATION_FAILED") from None
        return b""


class _ChaCha20Poly1305:
    """ChaCha20 and Poly1305, put together as RFC 8439 section 2.8 says: the library has both, and both together only for messages
    that are whole. The message that is authenticated:

        additional data │ zeros │ ciphertext │ zeros │ both lengths, 8 bytes each          zeros: up to a multiple of 16
    """

    def __init__(self, key: bytes, nonce: bytes, enciphers: bool) -> None:
        algorithms = cryptography_module("hazmat.primitives.ciphers.algorithms")
        one_time_key = _context(algorithms.ChaCha20(key, bytes(4) + nonce), None, True).update(bytes(32))
        self._context = _context(algorithms.ChaCha20(key, (1).to_bytes(4, "little") + nonce), None, enciphers)
        self._mac = cryptography_module("hazmat.primitives.poly1305").Poly1305(one_time_key)
        self._enciphers = enciphers
        self._additional_bytes = 0
        self._text_bytes = 0
        self.tag: bytes | None = None

    def authenticate(self, data: bytes) -> None:
        self._mac.update(data)
        self._additional_bytes += len(data)

    def update(self, data: Any) -> bytes:
        if not data:
            return b""
        if self._text_bytes + len(data) > CHACHA20_BYTES_MAX:
            most = f"at most {CHACHA20_BYTES_MAX} bytes in a message"
            raise TreadleError("ERR_OUT_OF_RANGE", name="data", expected=most, received=self._text_bytes + len(data))
        if not self._text_bytes:
            self._fill_up(self._additional_bytes)
        self._text_bytes += len(data)
        made: bytes = self._context.update(data)
        self._mac.update(made if self._enciphers else data)
        return made

    def finish(self, tag: bytes | None) -> bytes:
        self._fill_up(self._text_bytes if self._text_bytes else self._additional_bytes)
        self._mac.update(self._additional_bytes.to_bytes(8, "little") + self._text_bytes.to_bytes(8, "little"))
        made: bytes = self._mac.finalize()
        if self._enciphers:
            self.tag = made
        elif tag is None or not hmac.compare_digest(made[: len(tag)], tag):
            raise TreadleError("ERR_CRYPTO_AUTHENTICATION_FAILED")
        return b""

    def _fill_up(self, length: int) -> None:
        self._mac.update(bytes(-length % 16))
