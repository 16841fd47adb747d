"""PBKDF2 (RFC 8018 section 5.2). Source: Node, crypto.pbkdf2.

Engine: the library of the extra "crypto", which carries an OpenSSL of its own; hashlib where it is not installed, is too old to
let go of the GIL, or lacks the digest. PERF: bench/pool, `hashes`: hashlib on a distribution's OpenSSL 3.0 takes twice as long.
"""

import hashlib
from asyncio import Future
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, overload

from treadle._base.errors import TreadleError
from treadle.crypto._digests import with_fixed_length
from treadle.crypto._inputs import INT32_MAX, Data, bytes_of, require_int
from treadle.crypto._jobs import begin
from treadle.crypto._library import cryptography_digest, cryptography_module

__all__ = ["pbkdf2"]

DIGESTS_MAX: Final = 64  # that are remembered; there are some twenty

KeyCallback = Callable[[Exception | None, bytes | None], object]


@overload
def pbkdf2(password: Data, salt: Data, iterations: int, keylen: int, digest: str, callback: None = None) -> Future[bytes]: ...
@overload
def pbkdf2(password: Data, salt: Data, iterations: int, keylen: int, digest: str, callback: KeyCallback) -> None: ...
def pbkdf2(
    password: Data, salt: Data, iterations: int, keylen: int, digest: str, callback: KeyCallback | None = None
) -> Future[bytes] | None:
    """A key of keylen bytes, made of a password, on a thread of the pool. It begins at once.

    With a callback: callback(error, key) in the poll phase. Without: a future; cancelling it drops the key, and the job too if no
    thread has it yet.

    Raises TreadleError, at once: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_CRYPTO_INVALID_DIGEST, ERR_NO_LOOP,
    ERR_POOL_SATURATED.
    """
    known = with_fixed_length(digest, "digest")
    arguments = (
        bytes_of(password, "password"),
        bytes_of(salt, "salt"),
        require_int(iterations, "iterations", 1, INT32_MAX),
        require_int(keylen, "keylen", 1, INT32_MAX),
    )
    return begin("crypto.pbkdf2", callback, _engine(known), *arguments, is_long=True)


@lru_cache(DIGESTS_MAX)
def _engine(known: str) -> Callable[[bytes, bytes, int, int], bytes]:
    try:
        algorithm = cryptography_digest(known)
        make: Any = cryptography_module("hazmat.primitives.kdf.pbkdf2").PBKDF2HMAC
    except TreadleError:
        algorithm = None

    # Each on a thread of the pool.
    def derive(password: bytes, salt: bytes, iterations: int, keylen: int) -> bytes:
        key: bytes = make(algorithm, keylen, salt, iterations).derive(password)
        return key

    def derive_by_hashlib(password: bytes, salt: bytes, iterations: int, keylen: int) -> bytes:
        return hashlib.pbkdf2_hmac(known, password, salt, iterations, keylen)

    return derive_by_hashlib if algorithm is None else derive
