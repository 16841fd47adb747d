"""Argon2 (RFC 9106). Source: Node, crypto.argon2. Engine: the library of the extra "crypto".

Not here: passwords as they are stored (_passwords.py).
"""

from asyncio import Future
from collections.abc import Callable
from typing import Any, Final, overload

from treadle._base.errors import TreadleError
from treadle.crypto._inputs import Data, bytes_of, require_int, require_str
from treadle.crypto._jobs import begin_lanes
from treadle.crypto._library import cryptography_module

__all__ = ["argon2"]

ALGORITHMS: Final = {"argon2d": "Argon2d", "argon2i": "Argon2i", "argon2id": "Argon2id"}

# RFC 9106 section 3.1
LANES_MAX: Final = 2**24 - 1
UINT32_MAX: Final = 2**32 - 1
NONCE_BYTES_MIN: Final = 8
TAG_BYTES_MIN: Final = 4
MEMORY_KIB_PER_LANE_MIN: Final = 8

KeyCallback = Callable[[Exception | None, bytes | None], object]


@overload
def argon2(
    algorithm: str, callback: None = None, *, message: Data, nonce: Data, parallelism: int, tag_length: int, memory: int,
    passes: int, secret: Data | None = None, associated_data: Data | None = None,
) -> Future[bytes]: ...  # fmt: skip
@overload
def argon2(
    algorithm: str, callback: KeyCallback, *, message: Data, nonce: Data, parallelism: int, tag_length: int, memory: int,
    passes: int, secret: Data | None = None, associated_data: Data | None = None,
) -> None: ...  # fmt: skip
def argon2(
    algorithm: str,
    callback: KeyCallback | None = None,
    *,
    message: Data,
    nonce: Data,
    parallelism: int,
    tag_length: int,
    memory: int,
    passes: int,
    secret: Data | None = None,
    associated_data: Data | None = None,
) -> Future[bytes] | None:
    """tag_length bytes, made of a message (a password, mostly), on a thread of the pool.

    algorithm: "argon2id", "argon2i" or "argon2d". nonce: the salt, 8 bytes at least. memory: KiB, at least 8 per lane; passes:
    times over it; parallelism: lanes; with more than one, one derivation runs at a time in the whole process, since the library
    cannot do two, and those that wait hold no thread. Callback, future, cancelling: as pbkdf2.

    Raises TreadleError, at once: ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (algorithm), ERR_OUT_OF_RANGE,
    ERR_EXTRA_NOT_INSTALLED, ERR_NO_LOOP, ERR_POOL_SATURATED, ERR_POOL_FORKED (several lanes).
    """
    if require_str(algorithm, "algorithm") not in ALGORITHMS:
        raise TreadleError(
            "ERR_INVALID_ARG_VALUE", name="algorithm", expected=f"one of {', '.join(ALGORITHMS)}", received=algorithm
        )
    word, salt = bytes_of(message, "message"), bytes_of(nonce, "nonce")
    if len(salt) < NONCE_BYTES_MIN:
        raise TreadleError("ERR_OUT_OF_RANGE", name="nonce", expected=f"at least {NONCE_BYTES_MIN} bytes", received=len(salt))
    require_int(parallelism, "parallelism", 1, LANES_MAX)
    make: Any = getattr(cryptography_module("hazmat.primitives.kdf.argon2"), ALGORITHMS[algorithm])
    kdf = make(
        salt=salt,
        length=require_int(tag_length, "tag_length", TAG_BYTES_MIN, UINT32_MAX),
        lanes=parallelism,
        memory_cost=require_int(memory, "memory", MEMORY_KIB_PER_LANE_MIN * parallelism, UINT32_MAX),
        iterations=require_int(passes, "passes", 1, UINT32_MAX),
        secret=None if secret is None else bytes_of(secret, "secret"),
        ad=None if associated_data is None else bytes_of(associated_data, "associated_data"),
    )
    return begin_lanes("crypto.argon2", parallelism, callback, kdf.derive, word)
