"""Cipheriv and Decipheriv: one message, enciphered or deciphered by hand or as a stream. Source: Node, crypto.createCipheriv.

    NEW ──update()──► STARTED ──final(), or the end of the stream──► FINAL
     set_aad(), set_auto_padding()                get_auth_tag() of what was enciphered
     └──── set_auth_tag() of what is deciphered, until final() ────┘

Invariants: a message is final once; what is deciphered is not authentic before final() has returned, or the stream has ended
without an error. Not here: the mathematics (_cipher_modes.py).
"""

from asyncio import Future
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, Self, overload

from treadle import pool
from treadle._base.errors import TreadleError
from treadle.crypto._cipher_modes import TAG_BYTES, Engine, make_engine
from treadle.crypto._cipher_names import Suite, suite_of
from treadle.crypto._inputs import INT32_MAX, Data, bytes_of, require_int, view_of
from treadle.crypto._late import LateTransform
from treadle.crypto._library import cryptography_module
from treadle.streams._text import Decoder, known_encoding, make_decoder

__all__ = ["Cipheriv", "Decipheriv", "create_cipheriv", "create_decipheriv"]

# One chunk of a stream, by mode: what takes some 70 us or more, as the hand-over to a thread takes 20.
POOLED_BYTES_MIN: Final = {"cbc": 128 * 1024, "chacha20-poly1305": 256 * 1024, "ctr": 512 * 1024, "gcm": 512 * 1024}


class _State(Enum):
    NEW = "new"
    STARTED = "started"
    FINAL = "final"


class _Ciphering(LateTransform):
    """What both have in common."""

    _enciphers = True

    def __init__(self, suite: Suite, key: bytes, iv: bytes, tag_bytes: int, **options: Any) -> None:
        self._suite = suite
        self._key = key
        self._iv = iv
        self._tag_bytes = tag_bytes
        self._tag: bytes | None = None  # deciphering: what it has to be
        self._pads = True
        self._cipher_state = _State.NEW
        self._engine_made: Engine | None = None
        self._text: tuple[str, Decoder] | None = None  # the encoding of what is given out, once one was asked for
        self._pooled: Future[bytes] | None = None  # the chunk that a thread works on
        super().__init__(**options)

    def set_auto_padding(self, auto_padding: bool = True) -> Self:
        """Of CBC, before update(): whether the last block is filled up (PKCS #7), which then is taken off again. Else the message
        must be a multiple of 16 bytes. Raises TreadleError: ERR_CRYPTO_INVALID_STATE."""
        self._require(self._cipher_state is _State.NEW and self._engine_made is None, "set_auto_padding")
        self._pads = auto_padding
        return self

    def set_aad(self, data: Data) -> Self:
        """Authenticate data beside the message, before update(); more than once adds up. Raises TreadleError:
        ERR_CRYPTO_INVALID_STATE, also of a cipher that authenticates nothing; ERR_INVALID_ARG_TYPE."""
        self._require(bool(self._suite.tag_lengths) and self._cipher_state is _State.NEW, "set_aad")
        self._engine().authenticate(bytes_of(data, "data"))
        return self

    @overload
    def update(self, data: Data, input_encoding: str | None = None, output_encoding: None = None) -> bytes: ...
    @overload
    def update(self, data: Data, input_encoding: str | None, output_encoding: str) -> str: ...
    def update(self, data: Data, input_encoding: str | None = None, output_encoding: str | None = None) -> bytes | str:
        """What data makes, as far as it is known: at once and on this thread. Text in input_encoding ("utf8"); text in
        output_encoding, or bytes.

        Raises TreadleError: ERR_CRYPTO_INVALID_STATE behind final(), ERR_INVALID_ARG_TYPE, ERR_INVALID_STATE (another
        output_encoding than before), ERR_UNKNOWN_ENCODING.
        """
        taken = view_of(data, "data", input_encoding or "utf8")
        decoder = self._decoder(output_encoding)
        self._start()
        made = self._engine().update(taken)
        return made if decoder is None else decoder.decode(made)

    @overload
    def final(self, output_encoding: None = None) -> bytes: ...
    @overload
    def final(self, output_encoding: str) -> str: ...
    def final(self, output_encoding: str | None = None) -> bytes | str:
        """What is left of the message. Once.

        Raises TreadleError: ERR_CRYPTO_INVALID_STATE the second time; ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH, ERR_OSSL_BAD_DECRYPT
        (CBC: no such message, or another key); ERR_CRYPTO_AUTHENTICATION_FAILED (what was deciphered is not what was
        enciphered: throw it away).
        """
        decoder = self._decoder(output_encoding)
        made = self._make_final()
        return made if decoder is None else decoder.decode(made) + decoder.finish()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _engine(self) -> Engine:
        if self._engine_made is None:
            self._engine_made = make_engine(self._suite, self._key, self._iv, enciphers=self._enciphers, pads=self._pads)
        return self._engine_made

    def _start(self) -> None:
        self._require(self._cipher_state is not _State.FINAL, "update")
        self._cipher_state = _State.STARTED

    def _make_final(self) -> bytes:
        self._require(self._cipher_state is not _State.FINAL, "final")
        self._cipher_state = _State.FINAL
        return self._engine().finish(self._tag)

    def _require(self, is_allowed: bool, operation: str) -> None:
        if not is_allowed:
            raise TreadleError("ERR_CRYPTO_INVALID_STATE", operation=operation)

    def _decoder(self, output_encoding: str | None) -> Decoder | None:
        # One for all calls: what is left of a group of three bytes belongs to the next one's base64.
        name = None if output_encoding in (None, "buffer") else known_encoding(output_encoding)
        if name is None:
            return None
        if self._text is None:
            self._text = (name, make_decoder(name))
        if self._text[0] != name:
            raise TreadleError("ERR_INVALID_STATE", state=f"the output is {self._text[0]}, and cannot go on as {name}")
        return self._text[1]

    # -- as a stream -----------------------------------------------------------------------------------------------

    def _transform(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        data = view_of(chunk, "chunk", "utf8" if encoding == "buffer" else encoding)
        try:
            self._start()
            if len(data) >= POOLED_BYTES_MIN[self._suite.mode] and self._update_in_pool(bytes(data), callback):
                return
            made = self._engine().update(data)
        except TreadleError as error:
            callback(error)
        else:
            callback(None, made or None)

    def _update_in_pool(self, data: bytes, callback: Callable[..., None]) -> bool:
        # A future and no callback: streams go on while a program that has ended cleans up.
        try:
            pooled = self._pooled = pool.run("crypto.cipher", self._engine().update, data)
        except TreadleError as error:
            if error.code != "ERR_POOL_SATURATED":
                raise
            return False  # the pool is full: this thread has to do it

        def on_done(done: "Future[bytes]") -> None:
            self._pooled = None
            if done.cancelled():  # the stream was destroyed
                return
            error = done.exception()
            if error is not None:
                callback(error)
            else:
                callback(None, done.result() or None)

        pooled.add_done_callback(on_done)
        return True

    def _flush(self, callback: Callable[..., None]) -> None:
        try:
            made = self._make_final()
        except TreadleError as error:
            callback(error)
        else:
            callback(None, made or None)

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        if self._pooled is not None:
            self._pooled.cancel()
        callback(error)


class Cipheriv(_Ciphering):
    """Enciphers: update() and final(), or a Transform. Made by create_cipheriv()."""

    def get_auth_tag(self) -> bytes:
        """What the other side needs to be sure of the message, behind final() or the end of the stream. Raises TreadleError:
        ERR_CRYPTO_INVALID_STATE, also of a cipher that authenticates nothing."""
        tag = None if self._engine_made is None else self._engine_made.tag
        if tag is None:
            raise TreadleError("ERR_CRYPTO_INVALID_STATE", operation="get_auth_tag")
        return tag[: self._tag_bytes]


class Decipheriv(_Ciphering):
    """Deciphers: update() and final(), or a Transform. Made by create_decipheriv()."""

    _enciphers = False

    def set_auth_tag(self, tag: bytes | bytearray | memoryview) -> Self:
        """The tag that came with the message: once, and before final(). Raises TreadleError: ERR_CRYPTO_INVALID_STATE,
        ERR_CRYPTO_INVALID_AUTH_TAG (not auth_tag_length bytes), ERR_INVALID_ARG_TYPE."""
        is_allowed = bool(self._suite.tag_lengths) and self._tag is None and self._cipher_state is not _State.FINAL
        self._require(is_allowed, "set_auth_tag")
        taken = bytes_of(tag, "tag")
        if len(taken) != self._tag_bytes:
            raise TreadleError("ERR_CRYPTO_INVALID_AUTH_TAG", length=len(taken), expected=self._tag_bytes)
        self._tag = taken
        return self


def create_cipheriv(
    algorithm: str, key: Data, iv: Data | None, *, auth_tag_length: int | None = None, **options: Any
) -> Cipheriv:
    """A Cipheriv of an algorithm of get_ciphers().

    iv: never the same twice with one key; random_bytes(16) for CBC and CTR, 12 bytes for GCM and ChaCha20-Poly1305.
    auth_tag_length: in bytes, 16 unless given. options: those of a Transform. Source: Node, crypto.createCipheriv.

    Raises TreadleError: ERR_CRYPTO_UNKNOWN_CIPHER, ERR_CRYPTO_INVALID_KEYLEN, ERR_CRYPTO_INVALID_IV, ERR_CRYPTO_INVALID_AUTH_TAG,
    ERR_INVALID_ARG_TYPE, ERR_EXTRA_NOT_INSTALLED.
    """
    return Cipheriv(*_parameters(algorithm, key, iv, auth_tag_length), **options)


def create_decipheriv(
    algorithm: str, key: Data, iv: Data | None, *, auth_tag_length: int | None = None, **options: Any
) -> Decipheriv:
    """A Decipheriv: what undoes create_cipheriv() with the same algorithm, key and iv. Source: Node, crypto.createDecipheriv.

    Raises TreadleError: as create_cipheriv().
    """
    return Decipheriv(*_parameters(algorithm, key, iv, auth_tag_length), **options)


def _parameters(algorithm: str, key: Data, iv: Data | None, auth_tag_length: int | None) -> tuple[Suite, bytes, bytes, int]:
    suite = suite_of(algorithm)
    secret = bytes_of(key, "key")
    vector = b"" if iv is None else bytes_of(iv, "iv")
    if len(secret) != suite.key_bytes:
        raise TreadleError("ERR_CRYPTO_INVALID_KEYLEN", length=len(secret), expected=f"{suite.key_bytes}")
    low, high = suite.iv_bytes
    if not low <= len(vector) <= high:
        expected = f"{low}" if low == high else f"from {low} to {high}"
        raise TreadleError("ERR_CRYPTO_INVALID_IV", length=len(vector), expected=expected)
    tag_bytes = TAG_BYTES
    if auth_tag_length is not None and suite.tag_lengths:
        tag_bytes = require_int(auth_tag_length, "auth_tag_length", 0, INT32_MAX)
    if suite.tag_lengths and tag_bytes not in suite.tag_lengths:
        allowed = ", ".join(map(str, sorted(suite.tag_lengths)))
        raise TreadleError("ERR_CRYPTO_INVALID_AUTH_TAG", length=tag_bytes, expected=f"one of {allowed}")
    cryptography_module("hazmat.primitives.ciphers")  # ORDER: missed now, and not in the first update()
    return suite, secret, vector, tag_bytes
