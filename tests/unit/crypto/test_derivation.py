"""Keys made of passwords, as jobs: both forms, cancelling, the end of the program, and the engine without the extra.

Not here: what they give and refuse (test_node_facts.py).
"""

import asyncio
import hashlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import treadle
from treadle import TreadleError, crypto
from treadle.crypto import _library, _pbkdf2
from treadle.loop.current import get_loop

Trace = list[Any]

FORMS: dict[str, Callable[..., Any]] = {
    "pbkdf2": lambda *callback: crypto.pbkdf2("secret", "salt", 2, 8, "sha256", *callback),
    "scrypt": lambda *callback: crypto.scrypt("secret", "salt", 8, *callback, cost=16),
    "hkdf": lambda *callback: crypto.hkdf("sha256", "key", "salt", "info", 8, *callback),
    "argon2": lambda *callback: crypto.argon2(
        "argon2id", *callback, message="secret", nonce="somesalt", parallelism=1, tag_length=8, memory=8, passes=1
    ),
    "random_bytes": lambda callback: crypto.random_bytes(8, callback),
}
AWAITED = [name for name in FORMS if name != "random_bytes"]


@pytest.mark.parametrize("name", AWAITED)
def test_a_future_and_a_callback_give_the_same(name: str) -> None:
    log: Trace = []

    async def main() -> bytes:
        assert FORMS[name](lambda error, key: log.append((error, key))) is None
        key: bytes = await FORMS[name]()
        return key

    key = treadle.run(main)
    assert len(key) == 8
    assert log == [(None, key)]


@pytest.mark.parametrize("name", FORMS)
def test_a_callback_holds_the_program_and_is_in_the_poll_phase(name: str) -> None:
    log: Trace = []

    def on_key(error: Exception | None, key: bytes | None) -> None:
        loop = get_loop()
        loop.set_timeout(log.append, 0, "timeout")
        loop.set_immediate(log.append, "immediate")
        log.append((error, len(key or b"")))

    treadle.run(lambda: FORMS[name](on_key))
    assert log == [(None, 8), "immediate", "timeout"]


@pytest.mark.parametrize("name", FORMS)
def test_a_callback_must_be_callable(name: str) -> None:
    with pytest.raises(TreadleError) as raised:
        treadle.run(lambda: FORMS[name](5))
    assert (raised.value.code, raised.value.data["name"]) == ("ERR_INVALID_ARG_TYPE", "callback")


@pytest.mark.parametrize("name", AWAITED)
def test_without_a_loop(name: str) -> None:
    with pytest.raises(TreadleError) as raised:
        FORMS[name]()
    assert raised.value.code == "ERR_NO_LOOP"


def test_a_derivation_can_be_cancelled() -> None:
    async def main() -> None:
        future = crypto.pbkdf2("secret", "salt", 200_000, 8, "sha512")
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future

    treadle.run(main)


def test_a_password_may_be_wiped_once_it_was_given() -> None:
    async def main() -> bytes:
        password = bytearray(b"secret")
        future = crypto.pbkdf2(password, "salt", 2, 8, "sha256")
        password[:] = bytes(len(password))
        return await future

    assert treadle.run(main) == hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 2, 8)


# ---- the libraries of the extra


class Absent:
    """Hides modules, as where they are not installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, *libraries: str) -> None:
        for name in list(sys.modules):
            if name.partition(".")[0] in libraries:
                self._monkeypatch.delitem(sys.modules, name)
        for name in libraries:
            self._monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Absent]:
    _pbkdf2._engine.cache_clear()
    yield Absent(monkeypatch)
    _pbkdf2._engine.cache_clear()


def test_pbkdf2_needs_no_extra(absent: Absent) -> None:
    absent("cryptography")

    async def main() -> bytes:
        return await crypto.pbkdf2("secret", "salt", 2, 8, "sha256")

    assert treadle.run(main) == hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 2, 8)


def test_a_library_that_holds_the_gil_is_not_used(monkeypatch: pytest.MonkeyPatch, absent: Absent) -> None:
    monkeypatch.setattr(_library, "VERSION_MIN", 10_000)
    assert _pbkdf2._engine("sha256").__name__ == "derive_by_hashlib"
    with pytest.raises(TreadleError) as raised:
        FORMS["hkdf"]()
    assert raised.value.data["state"].endswith("and 10000 is needed")


@pytest.mark.parametrize(
    ("library", "call"),
    [
        ("cryptography", FORMS["hkdf"]),
        ("cryptography", FORMS["argon2"]),
        ("cryptography", lambda: crypto.create_cipheriv("aes-128-cbc", bytes(16), bytes(16))),
        ("cryptography", lambda: crypto.hash_password("secret")),
        ("bcrypt", lambda: crypto.hash_password("secret", "bcrypt")),
    ],
)
def test_what_needs_the_extra_names_it(absent: Absent, library: str, call: Callable[[], object]) -> None:
    absent(library)
    with pytest.raises(ImportError) as raised:
        treadle.run(call)
    assert isinstance(raised.value, TreadleError)
    assert (raised.value.code, raised.value.data["library"]) == ("ERR_EXTRA_NOT_INSTALLED", library)
    assert 'pip install "treadle[crypto]"' in raised.value.hint


@pytest.mark.slow
def test_importing_the_package_imports_no_extra() -> None:
    import subprocess

    code = "import sys, treadle.crypto, treadle.dns; print({'cryptography', 'bcrypt', 'pycares'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("algorithm", [None, 5, ["argon2id"]])
def test_an_algorithm_that_is_no_name(algorithm: Any) -> None:
    with pytest.raises(TreadleError) as raised:
        crypto.argon2(algorithm, message="a", nonce=bytes(8), parallelism=1, tag_length=8, memory=8, passes=1)
    assert raised.value.code == "ERR_INVALID_ARG_TYPE"
