"""Passwords as they are stored."""

import asyncio
import threading
from typing import Any

import bcrypt
import pytest

import treadle
from tests.unit.native.support import eventually, in_child
from treadle import TreadleError, crypto, pool
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


@pytest.mark.parametrize(("algorithm", "prefix"), [("argon2id", "$argon2id$v=19$m=64,t=3,p=1$"), ("bcrypt", "$2b$04$")])
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


FOUR_LANES = "$argon2id$v=19$m=4096,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$BjyJHmW7oc3bO8a7Qm8xIRJJZ4MXqUxMtUNk8lPhQqA"
AT_ONCE = 24  # log-ins; four of them filled the pool, for ever
DEADLINE_S = 20.0


@pytest.mark.parametrize("encoded", [FOUR_LANES, FOUR_LANES.replace("p=4", "p=1")])
def test_many_are_verified_at_once(encoded: str) -> None:
    """OpenSSL lends a process a thread per core, and a derivation with several lanes keeps those that it has."""

    async def main() -> list[bool]:
        jobs = [crypto.verify_password(encoded, "secret") for _ in range(AT_ONCE)]
        return await asyncio.wait_for(asyncio.gather(*jobs), DEADLINE_S)

    assert treadle.run(main) == [False] * AT_ONCE


def test_several_loops_verify_at_once() -> None:
    found: list[bool] = []

    async def main() -> None:
        jobs = [crypto.verify_password(FOUR_LANES, "secret") for _ in range(AT_ONCE)]
        found.extend(await asyncio.wait_for(asyncio.gather(*jobs), DEADLINE_S))

    threads = [threading.Thread(target=treadle.run, args=(main,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert found == [False] * AT_ONCE * 3


def test_what_waits_for_its_turn_holds_no_thread_and_can_be_cancelled() -> None:
    gate = threading.Event()

    async def main() -> None:
        held = pool.run_alone("gate", gate.wait, DEADLINE_S)
        verified = crypto.verify_password(FOUR_LANES, "secret")
        derived = crypto.argon2("argon2id", message="secret", nonce="somesalt", parallelism=2, tag_length=8, memory=64, passes=1)
        never = crypto.verify_password(FOUR_LANES, "secret")
        assert await crypto.verify_password(FOUR_LANES.replace("p=4", "p=1"), "secret") is False  # it needs no turn
        never.cancel()
        while not pool.statistics().active:  # until its thread is let run
            await asyncio.sleep(0)
        now = pool.statistics()
        assert now.busy_with == {"gate": 1}
        kinds = {name: kind.queued for name, kind in now.kinds.items() if kind.queued}
        assert kinds == {"crypto.verify_password of several lanes": 1, "crypto.argon2 of several lanes": 1}
        assert now.oldest_queued == "crypto.verify_password of several lanes"
        gate.set()
        assert await held is True
        assert await verified is False
        assert len(await derived) == 8

    treadle.run(main)


def test_a_callback_of_one_that_waited() -> None:
    log: list[object] = []

    def main() -> None:
        crypto.verify_password(FOUR_LANES, "secret", lambda *outcome: log.append(outcome))

    treadle.run(main)
    assert log == [(None, False)]


def test_in_a_child_that_was_forked_off_amid_one() -> None:
    gate, entered = threading.Event(), threading.Event()

    def wait() -> bool:
        entered.set()
        return gate.wait(DEADLINE_S)

    async def refused() -> bool:
        with pytest.raises(TreadleError) as raised:
            crypto.verify_password(FOUR_LANES, "secret")
        assert await crypto.verify_password(FOUR_LANES.replace("p=4", "p=1"), "secret") is False
        told = (raised.value.code, raised.value.data["kind"])
        return told == ("ERR_POOL_FORKED", "crypto.verify_password of several lanes")

    async def main() -> None:
        held = pool.run_alone("gate", wait)
        eventually(entered.is_set, "it is under way")
        assert in_child(lambda: treadle.run(refused)) == 0
        gate.set()
        assert await held is True

    treadle.run(main)
