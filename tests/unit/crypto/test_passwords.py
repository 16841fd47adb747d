"""Passwords as they are stored."""

from typing import Any

import bcrypt
import pytest

import treadle
from treadle import TreadleError, crypto
from treadle.crypto import _passwords

# Of other makers: argon2-cffi (its README).
ARGON2_CFFI = "$argon2id$v=19$m=65536,t=3,p=4$MIIRqgvgQbgj220jfp0MPA$YfwJSVjtjSU0zzV/P3S9nnQ/USre2wvJMjfCIjrTQbg"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_passwords, "ARGON2_MEMORY_KIB", 64)
    monkeypatch.setattr(_passwords, "BCRYPT_ROUNDS", 4)


def verify(encoded: Any, password: Any) -> bool:
    async def main() -> bool:
        return await crypto.verify_password(encoded, password)

    return treadle.run(main)


@pytest.mark.parametrize(("algorithm", "prefix"), [("argon2id", "$argon2id$v=19$m=64,t=3,p=4$"), ("bcrypt", "$2b$04$")])
@pytest.mark.parametrize("password", ["correct horse", "pässword", b"\xff\xfe", ""])
def test_a_password_is_known_again(algorithm: str, prefix: str, password: str | bytes) -> None:
    async def main() -> str:
        first, second = await crypto.hash_password(password, algorithm), await crypto.hash_password(password, algorithm)
        assert first != second  # each has a salt of its own
        return first

    encoded = treadle.run(main)
    assert encoded.startswith(prefix)
    assert verify(encoded, password)
    assert not verify(encoded, b"another")


def test_a_callback_gets_the_text_and_then_the_answer() -> None:
    log: list[object] = []

    def on_text(error: Exception | None, encoded: str | None) -> None:
        assert error is None
        assert encoded is not None
        crypto.verify_password(encoded, "secret", lambda error, is_right: log.append((error, is_right)))

    treadle.run(lambda: crypto.hash_password("secret", callback=on_text))
    assert log == [(None, True)]


@pytest.mark.slow  # 64 MiB, twice
def test_texts_of_other_makers() -> None:
    assert verify(ARGON2_CFFI, "correct horse battery staple")
    assert not verify(ARGON2_CFFI, "correct horse battery stapler")
    assert verify(bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode(), "secret")


@pytest.mark.parametrize("algorithm", ["argon2id", "bcrypt"])
def test_a_password_that_is_too_long(algorithm: str) -> None:
    limit = {"argon2id": 4096, "bcrypt": 72}[algorithm]

    async def main() -> str:
        with pytest.raises(TreadleError) as raised:
            crypto.hash_password("x" * (limit + 1), algorithm)
        assert (raised.value.code, raised.value.data["name"]) == ("ERR_OUT_OF_RANGE", "password")
        return await crypto.hash_password("x" * limit, algorithm)

    encoded = treadle.run(main)
    assert verify(encoded, "x" * limit)
    assert not verify(encoded, "x" * (limit + 1))


SALT_AND_TAG = "$MIIRqgvgQbgj220jfp0MPA$YfwJSVjtjSU0zzV/P3S9nnQ/USre2wvJMjfCIjrTQbg"


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        ("", "ERR_INVALID_ARG_VALUE"),
        ("secret", "ERR_INVALID_ARG_VALUE"),
        (ARGON2_CFFI[:40], "ERR_INVALID_ARG_VALUE"),
        ("$argon2id$v=16$m=64,t=3,p=4" + SALT_AND_TAG, "ERR_INVALID_ARG_VALUE"),
        ("$2b$04$short", "ERR_INVALID_ARG_VALUE"),
        ("$2x$04$" + "." * 53, "ERR_INVALID_ARG_VALUE"),
        ("$2b$03$" + "." * 53, "ERR_INVALID_ARG_VALUE"),
        ("$argon2id$v=19$m=64,t=0,p=4" + SALT_AND_TAG, "ERR_INVALID_ARG_VALUE"),
        ("$argon2id$v=19$m=8,t=1,p=4" + SALT_AND_TAG, "ERR_INVALID_ARG_VALUE"),
        ("$argon2id$v=19$m=1048577,t=3,p=4" + SALT_AND_TAG, "ERR_OUT_OF_RANGE"),
        ("$argon2id$v=19$m=64,t=65,p=4" + SALT_AND_TAG, "ERR_OUT_OF_RANGE"),
        ("$argon2id$v=19$m=64,t=3,p=9999999999" + SALT_AND_TAG, "ERR_OUT_OF_RANGE"),
        ("$argon2id$v=19$m=\u0666\u0664,t=3,p=4" + SALT_AND_TAG, "ERR_INVALID_ARG_VALUE"),  # digits, but no argon2's
        ("$2b$19$" + "a" * 53, "ERR_OUT_OF_RANGE"),
        ("$argon2id$" + "x" * 1000, "ERR_OUT_OF_RANGE"),
        (None, "ERR_INVALID_ARG_TYPE"),
        (b"$2b$", "ERR_INVALID_ARG_TYPE"),
    ],
)
def test_what_is_no_such_text_or_asks_for_too_much(encoded: Any, code: str) -> None:
    with pytest.raises(TreadleError) as raised:
        verify(encoded, "secret")
    assert raised.value.code == code


def test_an_unknown_algorithm() -> None:
    with pytest.raises(TreadleError) as raised:
        treadle.run(lambda: crypto.hash_password("secret", "md5"))
    assert raised.value.code == "ERR_INVALID_ARG_VALUE"
