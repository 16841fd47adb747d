"""Ciphers by name, and what keys and initialization vectors they take. Not here: how they work (_cipher_modes.py)."""

from typing import Final, NamedTuple

from treadle._base.errors import TreadleError
from treadle.crypto._inputs import require_str

__all__ = ["Suite", "get_ciphers", "suite_of"]


class Suite(NamedTuple):
    """What a name stands for."""

    name: str
    mode: str  # "cbc", "ctr", "gcm", "chacha20-poly1305"
    key_bytes: int
    iv_bytes: tuple[int, int]  # from, to
    tag_lengths: frozenset[int]  # in bytes, that one may ask for; empty: it authenticates nothing


_IV_BYTES: Final = {
    "cbc": (16, 16),
    "ctr": (16, 16),
    "gcm": (8, 128),  # what the library takes; Node takes shorter ones, too. 12 is what NIST SP 800-38D recommends
    "chacha20-poly1305": (12, 12),
}
_TAG_LENGTHS: Final = {
    "gcm": frozenset({4, 8, 12, 13, 14, 15, 16}),  # NIST SP 800-38D section 5.2.1.2
    "chacha20-poly1305": frozenset(range(1, 17)),
}


def _suite(name: str, mode: str, key_bytes: int) -> Suite:
    return Suite(name, mode, key_bytes, _IV_BYTES[mode], _TAG_LENGTHS.get(mode, frozenset()))


_SUITES: Final = {
    name: _suite(name, mode, bits // 8)
    for mode in ("cbc", "ctr", "gcm")
    for bits in (128, 192, 256)
    for name in (f"aes-{bits}-{mode}",)
} | {"chacha20-poly1305": _suite("chacha20-poly1305", "chacha20-poly1305", 32)}

_ALIASES: Final = {f"aes{bits}": f"aes-{bits}-cbc" for bits in (128, 192, 256)} | {
    f"id-aes{bits}-gcm": f"aes-{bits}-gcm" for bits in (128, 192, 256)
}


def suite_of(name: object) -> Suite:
    """The cipher of that name, in any case. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_CRYPTO_UNKNOWN_CIPHER."""
    folded = require_str(name, "algorithm").lower()
    suite = _SUITES.get(_ALIASES.get(folded, folded))
    if suite is None:
        raise TreadleError("ERR_CRYPTO_UNKNOWN_CIPHER", cipher=name)
    return suite


def get_ciphers() -> list[str]:
    """The ciphers that create_cipheriv() knows, sorted. Source: Node, crypto.getCiphers()."""
    return sorted(_SUITES)
