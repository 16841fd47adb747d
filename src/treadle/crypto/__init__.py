"""Digests, keys made of passwords, random numbers, ciphers: what takes long runs in the pool. Source: Node, "crypto".

Invariant: nothing of the mathematics is made here: it is OpenSSL's, by hashlib, or by the library of the extra "crypto".
Not here: TLS (the loop's), keys and signatures (the library cryptography has them).
"""

from treadle.crypto._argon2 import argon2
from treadle.crypto._cipher import Cipheriv, Decipheriv, create_cipheriv, create_decipheriv
from treadle.crypto._cipher_names import get_ciphers
from treadle.crypto._comparing import timing_safe_equal
from treadle.crypto._digests import get_hashes
from treadle.crypto._hash import Hash, Hmac, create_hash, create_hmac, hash
from treadle.crypto._hkdf import hkdf
from treadle.crypto._passwords import hash_password, verify_password
from treadle.crypto._pbkdf2 import pbkdf2
from treadle.crypto._random import random_bytes, random_int, random_uuid
from treadle.crypto._scrypt import scrypt

__all__ = [
    "Cipheriv",
    "Decipheriv",
    "Hash",
    "Hmac",
    "argon2",
    "create_cipheriv",
    "create_decipheriv",
    "create_hash",
    "create_hmac",
    "get_ciphers",
    "get_hashes",
    "hash",
    "hash_password",
    "hkdf",
    "pbkdf2",
    "random_bytes",
    "random_int",
    "random_uuid",
    "scrypt",
    "timing_safe_equal",
    "verify_password",
]
