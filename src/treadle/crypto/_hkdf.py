"""HKDF (RFC 5869). Source: Node, crypto.hkdf. Engine: the library of the extra "crypto"."""

from asyncio import Future
from collections.abc import Callable
from typing import Any, Final, overload

from treadle._base.errors import TreadleError
from treadle.crypto._digests import digest_size, with_fixed_length
from treadle.crypto._inputs import INT32_MAX, Data, bytes_of, require_int
from treadle.crypto._jobs import begin
from treadle.crypto._library import cryptography_digest, cryptography_module

__all__ = ["hkdf"]

INFO_BYTES_MAX: Final = 1024  # Node
BLOCKS_MAX: Final = 255  # each as long as the digest; RFC 5869 section 2.3

KeyCallback = Callable[[Exception | None, bytes | None], object]


@overload
def hkdf(digest: str, ikm: Data, salt: Data, info: Data, keylen: int, callback: None = None) -> Future[bytes]: ...
@overload
def hkdf(digest: str, ikm: Data, salt: Data, info: Data, keylen: int, callback: KeyCallback) -> None: ...
def hkdf(
    digest: str, ikm: Data, salt: Data, info: Data, keylen: int, callback: KeyCallback | None = None
) -> Future[bytes] | None:
    """A key of keylen bytes, made of another key (ikm), for the purpose that info names. Not for passwords: it is quick.

    On a thread of the pool; callback, future, cancelling: as pbkdf2.

    Raises TreadleError, at once: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_CRYPTO_INVALID_DIGEST, ERR_CRYPTO_INVALID_KEYLEN
    (more than 255 times the digest), ERR_EXTRA_NOT_INSTALLED, ERR_NO_LOOP, ERR_POOL_SATURATED.
    """
    known = with_fixed_length(digest, "digest")
    key, salted, purpose = bytes_of(ikm, "ikm"), bytes_of(salt, "salt"), bytes_of(info, "info")
    if len(purpose) > INFO_BYTES_MAX:
        raise TreadleError("ERR_OUT_OF_RANGE", name="info", expected=f"at most {INFO_BYTES_MAX} bytes", received=len(purpose))
    require_int(keylen, "keylen", 1, INT32_MAX)
    if keylen > BLOCKS_MAX * digest_size(known):
        raise TreadleError("ERR_CRYPTO_INVALID_KEYLEN", length=keylen, expected=f"at most {BLOCKS_MAX * digest_size(known)}")
    algorithm = cryptography_digest(known)
    if algorithm is None:
        raise TreadleError("ERR_CRYPTO_INVALID_DIGEST", digest=digest)
    make: Any = cryptography_module("hazmat.primitives.kdf.hkdf").HKDF
    return begin("crypto.hkdf", callback, make(algorithm, keylen, salted, purpose).derive, key)
