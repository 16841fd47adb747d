"""Names of digests: Node's and Python's for the same thing, in any case. Not here: computing them (_hash.py)."""

import hashlib
import re
from functools import lru_cache
from typing import Any, Final

from treadle._base.errors import TreadleError
from treadle.crypto._inputs import require_str

__all__ = ["digest_size", "get_hashes", "is_of_any_length", "known_digest", "require_digest", "with_fixed_length"]

NAMES_MAX: Final = 256  # names that are remembered, right ones and wrong ones; each digest has four to six

# Node's names where they are more than another spelling of hashlib's.
_ALIASES: Final = {
    "blake2b512": "blake2b",
    "blake2b_512": "blake2b",
    "blake2s256": "blake2s",
    "blake2s_256": "blake2s",
    "md5_sha1": "md5-sha1",
    "ripemd": "ripemd160",
    "ripemd_160": "ripemd160",
    "rmd160": "ripemd160",
    "sha1_2": "sha1",
    "shake128": "shake_128",
    "shake256": "shake_256",
    "ssl3_md5": "md5",
    "ssl3_sha1": "sha1",
}
_SHA: Final = re.compile("^sha2?_(?=1$|224|256|384|512)")  # "SHA-256", "SHA2-256", "SHA-512/256"; and not "SHA3-256"
_NODE_NAMES: Final = {"blake2b": "blake2b512", "blake2s": "blake2s256", "shake_128": "shake128", "shake_256": "shake256"}


@lru_cache(NAMES_MAX)
def known_digest(name: str) -> str | None:
    """hashlib's name of a digest, or None where there is no such digest here."""
    folded = name.lower().removeprefix("rsa-").removesuffix("withrsaencryption").removesuffix("withrsa")
    folded = folded.replace("-", "_").replace("/", "_").removeprefix("id_rsassa_pkcs1_v1_5_with_")
    folded = _SHA.sub("sha", folded)
    folded = _ALIASES.get(folded, folded)
    try:
        hashlib.new(folded)
    except (ValueError, TypeError):
        return None
    return folded


def require_digest(digest: object, name: str) -> str:
    """hashlib's name of it; `name` is the parameter it came in by. Raises TreadleError: ERR_INVALID_ARG_TYPE,
    ERR_CRYPTO_INVALID_DIGEST."""
    found = known_digest(require_str(digest, name))
    if found is None:
        raise TreadleError("ERR_CRYPTO_INVALID_DIGEST", digest=digest)
    return found


def with_fixed_length(digest: object, name: str) -> str:
    """The same for what HMAC and keys are made with, which needs a digest whose length is its own."""
    found = require_digest(digest, name)
    if is_of_any_length(found):
        hint = "A digest of any length, as SHAKE, does not do here: take one of the SHA-2 or SHA-3"
        raise TreadleError("ERR_CRYPTO_INVALID_DIGEST", digest=digest, hint=hint)
    return found


def digest_size(known: str) -> int:
    """In bytes; 0 where the caller chooses it."""
    made: Any = hashlib.new(known)
    return int(made.digest_size)


def is_of_any_length(known: str) -> bool:
    """Whether the caller chooses how long it is: SHAKE."""
    return known.startswith("shake_")


def get_hashes() -> list[str]:
    """The digests that create_hash() knows here, sorted, each by one name. Source: Node, crypto.getHashes()."""
    names = [name for name in hashlib.algorithms_available if known_digest(name) == name]
    return sorted(_NODE_NAMES.get(name, name if name == "md5-sha1" else name.replace("_", "-")) for name in names)
