"""The libraries behind the extra "crypto". Not here: what each module does with them."""

from typing import Any, Final

from treadle._base.extras import extra_module

__all__ = ["bcrypt_module", "cryptography_digest", "cryptography_module"]

VERSION_MIN: Final = 50  # of cryptography: the first that lets go of the GIL in its key derivations, digests and ciphers

_DIGESTS: Final = {  # hashlib's names
    "md5": "MD5", "sha1": "SHA1", "sha224": "SHA224", "sha256": "SHA256", "sha384": "SHA384", "sha512": "SHA512",
    "sha512_224": "SHA512_224", "sha512_256": "SHA512_256", "sha3_224": "SHA3_224", "sha3_256": "SHA3_256",
    "sha3_384": "SHA3_384", "sha3_512": "SHA3_512", "sm3": "SM3",
}  # fmt: skip


def cryptography_module(name: str) -> Any:
    """A module of cryptography, named from there on. Raises TreadleError: ERR_EXTRA_NOT_INSTALLED."""
    return extra_module(f"cryptography.{name}", extra="crypto", version_min=VERSION_MIN)


def cryptography_digest(known: str) -> Any:
    """Its digest of that name of hashlib's, or None where it has none. Raises TreadleError: ERR_EXTRA_NOT_INSTALLED."""
    hashes = cryptography_module("hazmat.primitives.hashes")
    if known in ("blake2b", "blake2s"):
        return hashes.BLAKE2b(64) if known == "blake2b" else hashes.BLAKE2s(32)
    return getattr(hashes, _DIGESTS[known])() if known in _DIGESTS else None


def bcrypt_module() -> Any:
    """The module bcrypt. Raises TreadleError: ERR_EXTRA_NOT_INSTALLED."""
    return extra_module("bcrypt", extra="crypto")
