"""scrypt (RFC 7914). Source: Node, crypto.scrypt. Engine: hashlib, which lets go of the GIL meanwhile."""

import hashlib
from asyncio import Future
from collections.abc import Callable
from functools import partial
from typing import Final, overload

from treadle._base.errors import TreadleError
from treadle.crypto._inputs import INT32_MAX, Data, bytes_of, require_int
from treadle.crypto._jobs import begin

__all__ = ["scrypt"]

COST_DEFAULT: Final = 16384  # RFC 7914's N; Node
BLOCK_SIZE_DEFAULT: Final = 8  # r
PARALLELIZATION_DEFAULT: Final = 1  # p
MAXMEM_DEFAULT: Final = 32 * 1024 * 1024  # bytes; Node, OpenSSL
BLOCKS_MAX: Final = 2**30 - 1  # r times p; RFC 7914 section 2

KeyCallback = Callable[[Exception | None, bytes | None], object]


@overload
def scrypt(
    password: Data, salt: Data, keylen: int, callback: None = None, *, cost: int = ..., block_size: int = ...,
    parallelization: int = ..., maxmem: int = ...,
) -> Future[bytes]: ...  # fmt: skip
@overload
def scrypt(
    password: Data, salt: Data, keylen: int, callback: KeyCallback, *, cost: int = ..., block_size: int = ...,
    parallelization: int = ..., maxmem: int = ...,
) -> None: ...  # fmt: skip
def scrypt(
    password: Data,
    salt: Data,
    keylen: int,
    callback: KeyCallback | None = None,
    *,
    cost: int = COST_DEFAULT,
    block_size: int = BLOCK_SIZE_DEFAULT,
    parallelization: int = PARALLELIZATION_DEFAULT,
    maxmem: int = MAXMEM_DEFAULT,
) -> Future[bytes] | None:
    """A key of keylen bytes, made of a password, on a thread of the pool. It takes 128 * cost * block_size bytes and some time.

    cost: RFC 7914's N, a power of two; block_size: r; parallelization: p. maxmem: bytes that it may take, and so how much of the
    machine a caller may have. Callback, future, cancelling: as pbkdf2.

    Raises TreadleError, at once: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE, ERR_CRYPTO_INVALID_SCRYPT_PARAMS, ERR_NO_LOOP,
    ERR_POOL_SATURATED.
    """
    word, salted = bytes_of(password, "password"), bytes_of(salt, "salt")
    require_int(keylen, "keylen", 0, INT32_MAX)
    require_int(cost, "cost", 0, 2**32 - 1)
    require_int(block_size, "block_size", 0, 2**32 - 1)
    require_int(parallelization, "parallelization", 0, 2**32 - 1)
    require_int(maxmem, "maxmem", 0, 2**53 - 1)
    _require_parameters(cost, block_size, parallelization, maxmem)
    derive = partial(_derive, word, salted, cost, block_size, parallelization, maxmem, keylen)
    return begin("crypto.scrypt", callback, derive, is_long=True)


def _require_parameters(cost: int, block_size: int, parallelization: int, maxmem: int) -> None:
    # OpenSSL would refuse the same, but later, and without saying which.
    if cost < 2 or cost & (cost - 1):
        raise _refusal(f"cost must be a power of two above 1, not {cost}")
    if not 1 <= block_size * parallelization <= BLOCKS_MAX:
        raise _refusal(f"block_size * parallelization must be from 1 to {BLOCKS_MAX}")
    if cost.bit_length() - 1 >= 16 * block_size:
        raise _refusal(f"cost must be below 2 ** (16 * block_size), not {cost}")
    needed = 128 * block_size * (cost + parallelization + 2)
    if needed > min(maxmem, INT32_MAX):
        raise _refusal(f"it takes {needed} bytes, and maxmem allows {min(maxmem, INT32_MAX)}")


def _refusal(reason: str) -> TreadleError:
    return TreadleError("ERR_CRYPTO_INVALID_SCRYPT_PARAMS", problem=reason)


def _derive(password: bytes, salt: bytes, n: int, r: int, p: int, maxmem: int, keylen: int) -> bytes:
    # On a thread of the pool.
    if keylen == 0:
        return b""
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=min(maxmem, INT32_MAX), dklen=keylen)
