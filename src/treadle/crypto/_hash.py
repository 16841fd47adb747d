"""Hash and Hmac: updated by hand, or written to as streams. Source: Node, crypto.Hash, crypto.Hmac and crypto.hash.

    update(), write()  ──►  state of hashlib  ──digest(), end()──►  bytes or text, once

Invariant: chunks count in the order in which they were given, also where a pool's thread works on one: a stream writes the next
when that is done. Not here: the mathematics (hashlib), names of digests (_digests.py).
"""

import hashlib
import hmac
from asyncio import Future
from collections.abc import Callable
from typing import Any, Final, Literal, Self, overload

from treadle import pool
from treadle._base.errors import TreadleError
from treadle.crypto._digests import digest_size, is_of_any_length, known_digest, require_digest, with_fixed_length
from treadle.crypto._inputs import Data, bytes_of, require_int, require_str, view_of
from treadle.crypto._late import LateTransform
from treadle.streams._text import decode, known_encoding

__all__ = ["Hash", "Hmac", "create_hash", "create_hmac", "hash"]

POOLED_BYTES_MIN: Final = 128 * 1024  # one chunk of a stream: 80 us of SHA-256 and more, as the hand-over to a thread takes 20
OUTPUT_LENGTH_MAX: Final = 2**29  # bytes; what hashlib gives of SHAKE
_XOF_LENGTHS: Final = {"shake_128": 16, "shake_256": 32}  # bytes, unless output_length says another; OpenSSL 3.5, as in Node


class _Digesting(LateTransform):
    """What Hash and Hmac have in common."""

    _digest_made: bytes | None = None
    _is_finalized = False  # set once: by digest()
    _pooled: Future[None] | None = None  # the chunk that a thread works on

    def __init__(self, state: Any, length: int, **options: Any) -> None:
        self._digest_state = state
        self._digest_length = length  # 0: its own
        super().__init__(**options)

    def update(self, data: Data, input_encoding: str = "utf8") -> Self:
        """Add data, at once and on this thread; text in input_encoding. Returns the object.

        Raises TreadleError: ERR_CRYPTO_HASH_FINALIZED, ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_ENCODING.
        """
        if self._is_finalized:
            raise TreadleError("ERR_CRYPTO_HASH_FINALIZED")
        self._digest_state.update(data if type(data) is bytes else view_of(data, "data", input_encoding))
        return self

    @overload
    def digest(self, encoding: None = None) -> bytes: ...
    @overload
    def digest(self, encoding: str) -> str: ...
    def digest(self, encoding: str | None = None) -> bytes | str:
        """The digest of all data: bytes, or text in that encoding ("hex", "base64", "base64url", "latin1"). Once; then the object
        takes no more. A stream that has ended may still be asked.

        Raises TreadleError: ERR_CRYPTO_HASH_FINALIZED, ERR_UNKNOWN_ENCODING.
        """
        name = None if encoding is None or encoding == "buffer" else known_encoding(encoding)
        self._require_open()
        self._is_finalized = True
        made = self._make_digest()
        if name == "hex":
            return made.hex()
        return made if name is None else decode(made, name)

    def _make_digest(self) -> bytes:
        if self._digest_made is None:
            self._digest_made = _digest_of(self._digest_state, self._digest_length)
        return self._digest_made

    def _require_open(self) -> None:
        if self._is_finalized:
            raise TreadleError("ERR_CRYPTO_HASH_FINALIZED")

    # -- as a stream -----------------------------------------------------------------------------------------------

    def _transform(self, chunk: Any, encoding: str, callback: Callable[..., None]) -> None:
        data = view_of(chunk, "chunk", "utf8" if encoding == "buffer" else encoding)
        try:
            self._require_open()
        except TreadleError as error:
            callback(error)
            return
        if len(data) < POOLED_BYTES_MIN or not self._update_in_pool(bytes(data), callback):
            self._digest_state.update(data)
            callback()

    def _update_in_pool(self, data: bytes, callback: Callable[..., None]) -> bool:
        # A future and no callback: streams go on while a program that has ended cleans up.
        try:
            pooled = self._pooled = pool.run("crypto.hash", self._digest_state.update, data)
        except TreadleError:  # the pool is full: this thread has to do it
            return False

        def on_done(done: "Future[None]") -> None:
            self._pooled = None
            if not done.cancelled():  # else the stream was destroyed
                callback(done.exception())

        pooled.add_done_callback(on_done)
        return True

    def _flush(self, callback: Callable[..., None]) -> None:
        try:
            self._require_open()
        except TreadleError as error:
            callback(error)
        else:
            callback(None, self._make_digest())

    def _destroy(self, error: BaseException | None, callback: Callable[..., None]) -> None:
        if self._pooled is not None:
            self._pooled.cancel()
        callback(error)


class Hash(_Digesting):
    """A digest that grows: update() and digest(), or a Transform that gives it when it is ended. Made by create_hash()."""

    def copy(self, *, output_length: int | None = None, **options: Any) -> "Hash":
        """Another one with what was added so far. Raises TreadleError: ERR_CRYPTO_HASH_FINALIZED."""
        self._require_open()
        state = self._digest_state.copy()
        return Hash(state, _length_of(state.name, output_length) if output_length is not None else self._digest_length, **options)


class Hmac(_Digesting):
    """The same with a key (RFC 2104). Made by create_hmac()."""


def create_hash(algorithm: str, *, output_length: int | None = None, **options: Any) -> Hash:
    """A Hash of an algorithm of get_hashes(); "SHA256", "RSA-SHA256" and Python's names do as well.

    output_length: in bytes, for SHAKE. options: those of a Transform. Source: Node, crypto.createHash.

    Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_CRYPTO_INVALID_DIGEST, ERR_OUT_OF_RANGE.
    """
    known = require_digest(algorithm, "algorithm")
    return Hash(hashlib.new(known), _length_of(known, output_length), **options)


def create_hmac(algorithm: str, key: Data, **options: Any) -> Hmac:
    """An Hmac with that digest and key. options: those of a Transform. Source: Node, crypto.createHmac.

    Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_CRYPTO_INVALID_DIGEST.
    """
    known = with_fixed_length(algorithm, "algorithm")
    return Hmac(hmac.new(bytes_of(key, "key"), digestmod=known), 0, **options)


@overload
def hash(  # type: ignore[overload-overlap]  # "buffer" is a str, too
    algorithm: str, data: Data, output_encoding: Literal["buffer"], *, output_length: int | None = None
) -> bytes: ...
@overload
def hash(algorithm: str, data: Data, output_encoding: str = "hex", *, output_length: int | None = None) -> str: ...
def hash(algorithm: str, data: Data, output_encoding: str = "hex", *, output_length: int | None = None) -> bytes | str:
    """The digest of data that is here already, at once, without a stream. output_encoding: "buffer" for bytes, or as of digest().

    Source: Node, crypto.hash. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_CRYPTO_INVALID_DIGEST, ERR_OUT_OF_RANGE,
    ERR_UNKNOWN_ENCODING.
    """
    known = require_digest(algorithm, "algorithm")
    state = hashlib.new(known, view_of(data, "data"))
    length = _length_of(known, output_length)
    if output_encoding == "hex" and not length:
        return state.hexdigest()
    encoding = None if output_encoding == "buffer" else known_encoding(require_str(output_encoding, "output_encoding"))
    made = _digest_of(state, length)
    return made if encoding is None else decode(made, encoding)


def _digest_of(state: Any, length: int) -> bytes:
    made: bytes = state.digest() if state.digest_size else state.digest(length)
    return made


def _length_of(algorithm: str, output_length: int | None) -> int:
    """How many bytes the digest has; 0: its own."""
    known = known_digest(algorithm) or algorithm
    if output_length is None:
        return _XOF_LENGTHS.get(known, 0)
    if is_of_any_length(known):
        return require_int(output_length, "output_length", 0, OUTPUT_LENGTH_MAX)
    size = digest_size(known)
    if require_int(output_length, "output_length", 0, OUTPUT_LENGTH_MAX) != size:
        hint = "Only SHAKE gives as many bytes as one asks for: cut what another digest gives"
        raise TreadleError("ERR_OUT_OF_RANGE", name="output_length", expected=f"{size}", received=output_length, hint=hint)
    return 0
