"""Passwords as they are stored: one text that says how it was made, and whether a password is the one that it was made of.

Invariant: what verify_password() takes is bounded, whatever the text asks for. Not in Node, whose programs take a package for
it. Engines: Argon2id (RFC 9106) of cryptography, and bcrypt; both belong to the extra "crypto".
"""

import os
import re
from asyncio import Future
from collections.abc import Callable
from typing import Any, Final, overload

from treadle._base.errors import TreadleError
from treadle.crypto._inputs import bytes_of, require_str
from treadle.crypto._jobs import begin, begin_lanes
from treadle.crypto._library import bcrypt_module, cryptography_module

__all__ = ["hash_password", "verify_password"]

# Memory and passes of the second setting that RFC 9106 section 4 recommends: 64 MiB, some 150 ms of CPU time. Lanes: OWASP's one.
# The RFC's four would share one log-in among four cores; one lane leaves cores to log-ins side by side (docs/adr/0013).
ARGON2_MEMORY_KIB: Final = 64 * 1024
ARGON2_PASSES: Final = 3
ARGON2_LANES: Final = 1
ARGON2_SALT_BYTES: Final = 16
ARGON2_TAG_BYTES: Final = 32

BCRYPT_ROUNDS: Final = 12  # 2**12 of them; bcrypt's default, some 200 ms
BCRYPT_BYTES_MAX: Final = 72  # bcrypt looks at no more, and so two long passwords could be one

PASSWORD_BYTES_MAX: Final = 4096  # more is no password, and costs whoever hashes it
ENCODED_CHARACTERS_MAX: Final = 512
ENCODED_MEMORY_KIB_MAX: Final = 1024 * 1024  # 1 GiB: sixteen times what hash_password() takes
ENCODED_PASSES_MAX: Final = 64
ENCODED_LANES_MAX: Final = ENCODED_MEMORY_KIB_MAX // 8  # RFC 9106 section 3.1: 8 KiB each at least
ENCODED_ROUNDS_MAX: Final = 18  # 64 times what hash_password() takes

_ARGON2: Final = re.compile(
    r"\$(argon2(?:id|i|d))\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,10})\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+", re.ASCII
)
_BCRYPT: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
_CLASSES: Final = {"argon2d": "Argon2d", "argon2i": "Argon2i", "argon2id": "Argon2id"}


@overload
def hash_password(password: str | bytes, algorithm: str = "argon2id", callback: None = None) -> Future[str]: ...
@overload
def hash_password(
    password: str | bytes, algorithm: str = "argon2id", *, callback: Callable[[Exception | None, str | None], object]
) -> None: ...
def hash_password(
    password: str | bytes,
    algorithm: str = "argon2id",
    callback: Callable[[Exception | None, str | None], object] | None = None,
) -> Future[str] | None:
    """The text to store in the place of a password, "$argon2id$v=19$m=65536,t=3,p=1$..."; made on a thread of the pool.

    algorithm: "argon2id", or "bcrypt", which takes 72 bytes at most. Callback, future, cancelling: as pbkdf2.

    Raises TreadleError, at once: ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE, ERR_OUT_OF_RANGE (too long),
    ERR_EXTRA_NOT_INSTALLED, ERR_NO_LOOP, ERR_POOL_SATURATED.
    """
    if algorithm not in ("argon2id", "bcrypt"):
        raise TreadleError("ERR_INVALID_ARG_VALUE", name="algorithm", expected="'argon2id' or 'bcrypt'", received=algorithm)
    word = _word(password, BCRYPT_BYTES_MAX if algorithm == "bcrypt" else PASSWORD_BYTES_MAX)
    if algorithm == "bcrypt":
        return begin("crypto.hash_password", callback, _hash_by_bcrypt, bcrypt_module(), word, is_long=True)
    kdf: Any = cryptography_module("hazmat.primitives.kdf.argon2").Argon2id(
        salt=os.urandom(ARGON2_SALT_BYTES),
        length=ARGON2_TAG_BYTES,
        iterations=ARGON2_PASSES,
        lanes=ARGON2_LANES,
        memory_cost=ARGON2_MEMORY_KIB,
    )
    return begin_lanes("crypto.hash_password", ARGON2_LANES, callback, kdf.derive_phc_encoded, word)


@overload
def verify_password(encoded: str, password: str | bytes, callback: None = None) -> Future[bool]: ...
@overload
def verify_password(encoded: str, password: str | bytes, callback: Callable[[Exception | None, bool | None], object]) -> None: ...
def verify_password(
    encoded: str,
    password: str | bytes,
    callback: Callable[[Exception | None, bool | None], object] | None = None,
) -> Future[bool] | None:
    """Whether the stored text was made of that password; found out on a thread of the pool. A password that is too long is none.

    encoded: of hash_password(), or of any other maker of Argon2 or bcrypt texts. Of texts with several lanes (p=4) one is
    verified at a time in the whole process; those that wait hold no thread. Callback, future, cancelling: as pbkdf2.

    Raises TreadleError, at once: ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE (no such text; what only the library finds, as 0
    passes, fails later, with the same code), ERR_OUT_OF_RANGE (it asks for more than 1 GiB, 64 passes or 18 rounds),
    ERR_EXTRA_NOT_INSTALLED, ERR_NO_LOOP, ERR_POOL_SATURATED, ERR_POOL_FORKED (several lanes).
    """
    require_str(encoded, "encoded")
    word = _word(password, None)
    if len(encoded) > ENCODED_CHARACTERS_MAX:
        raise TreadleError("ERR_OUT_OF_RANGE", name="encoded", expected="at most 512 characters", received=len(encoded))
    if argon2 := _ARGON2.fullmatch(encoded):
        _require_at_most("memory", int(argon2[2]), ENCODED_MEMORY_KIB_MAX)
        _require_at_most("passes", int(argon2[3]), ENCODED_PASSES_MAX)
        _require_at_most("lanes", int(argon2[4]), ENCODED_LANES_MAX)
        module = cryptography_module("hazmat.primitives.kdf.argon2")
        kdf: Any = getattr(module, _CLASSES[argon2[1]])
        return begin_lanes("crypto.verify_password", int(argon2[4]), callback, _verify_by_argon2, kdf, encoded, word)
    if bcrypt := _BCRYPT.fullmatch(encoded):
        _require_at_most("rounds", int(bcrypt[1]), ENCODED_ROUNDS_MAX)
        return begin("crypto.verify_password", callback, _verify_by_bcrypt, bcrypt_module(), encoded, word, is_long=True)
    raise _no_such_text(encoded)


def _no_such_text(encoded: str) -> TreadleError:
    hint = "Give what hash_password() has made; it may have been cut where it was stored"
    expected = "a text that begins with $argon2 or $2b$"
    return TreadleError("ERR_INVALID_ARG_VALUE", name="encoded", expected=expected, received=encoded[:12], hint=hint)


def _word(password: object, bytes_max: int | None) -> bytes:
    word = bytes_of(password, "password")
    if bytes_max is not None and len(word) > bytes_max:
        raise TreadleError("ERR_OUT_OF_RANGE", name="password", expected=f"at most {bytes_max} bytes", received=len(word))
    return word


def _require_at_most(name: str, value: int, most: int) -> None:
    if value > most:
        raise TreadleError("ERR_OUT_OF_RANGE", name=f"encoded.{name}", expected=f"at most {most}", received=value)


# ---- on a thread of the pool


def _hash_by_bcrypt(bcrypt: Any, word: bytes) -> str:
    encoded: bytes = bcrypt.hashpw(word, bcrypt.gensalt(BCRYPT_ROUNDS))
    return encoded.decode("ascii")


def _verify_by_bcrypt(bcrypt: Any, encoded: str, word: bytes) -> bool:
    if len(word) > BCRYPT_BYTES_MAX:
        return False
    try:
        return bool(bcrypt.checkpw(word, encoded.encode("ascii")))
    except ValueError:
        raise _no_such_text(encoded) from None


def _verify_by_argon2(kdf: Any, encoded: str, word: bytes) -> bool:
    from cryptography.exceptions import InvalidKey

    if len(word) > PASSWORD_BYTES_MAX:
        return False
    try:
        kdf.verify_phc_encoded(word, encoded)
    except InvalidKey:
        return False
    except ValueError:
        raise _no_such_text(encoded) from None
    return True
