"""Ciphers however the message is cut, as streams, and beside the library's own whole messages. Not here: single calls and what
they refuse (test_node_facts.py)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

import treadle
from treadle import TreadleError, crypto
from treadle.crypto import _cipher
from treadle.streams import Readable, Writable, pipeline

LARGE = bytes(range(256)) * (max(_cipher.POOLED_BYTES_MIN.values()) // 256)
KEY = bytes(range(32))
AEAD = {"aes-256-gcm": AESGCM, "chacha20-poly1305": ChaCha20Poly1305}


def iv_of(name: str) -> bytes:
    return bytes(12) if name in AEAD or "gcm" in name else bytes(range(16))


def key_of(name: str) -> bytes:
    return KEY[: int(name.split("-")[1]) // 8] if name.startswith("aes") else KEY


def by_hand(cipher: Any, parts: list[bytes]) -> bytes:
    return b"".join([*map(cipher.update, parts), cipher.final()])


PARTS = st.lists(st.binary(max_size=70), max_size=6)


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(crypto.get_ciphers()), parts=PARTS, cut=st.integers(1, 40), aad=st.binary(max_size=40))
def test_what_is_enciphered_is_deciphered_however_both_are_cut(name: str, parts: list[bytes], cut: int, aad: bytes) -> None:
    cipher = crypto.create_cipheriv(name, key_of(name), iv_of(name))
    decipher = crypto.create_decipheriv(name, key_of(name), iv_of(name))
    authenticates = cipher._suite.tag_lengths
    if authenticates:
        cipher.set_aad(aad)
        decipher.set_aad(aad[:7]).set_aad(aad[7:])
    sealed = by_hand(cipher, parts)
    if authenticates:
        decipher.set_auth_tag(cipher.get_auth_tag())
    assert by_hand(decipher, [sealed[at : at + cut] for at in range(0, len(sealed), cut)]) == b"".join(parts)


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(sorted(AEAD)), parts=PARTS, aad=st.lists(st.binary(max_size=40), max_size=3))
def test_parts_give_what_the_library_gives_of_the_whole(name: str, parts: list[bytes], aad: list[bytes]) -> None:
    cipher = crypto.create_cipheriv(name, KEY, iv_of(name))
    for one in aad:
        cipher.set_aad(one)
    sealed = by_hand(cipher, parts) + cipher.get_auth_tag()
    assert sealed == AEAD[name](KEY).encrypt(iv_of(name), b"".join(parts), b"".join(aad))


def test_the_example_of_rfc_8439() -> None:
    # Section 2.8.2
    key = bytes(range(0x80, 0xA0))
    nonce = bytes.fromhex("070000004041424344454647")
    text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
    cipher = crypto.create_cipheriv("chacha20-poly1305", key, nonce).set_aad(bytes.fromhex("50515253c0c1c2c3c4c5c6c7"))
    sealed = by_hand(cipher, [text])
    assert sealed.hex().startswith("d31a8d34648e60db7b86afbc53ef7ec2")
    assert sealed.hex().endswith("fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116")
    assert cipher.get_auth_tag().hex() == "1ae10b594f09e26a7e902ecbd0600691"


@pytest.mark.parametrize("change", ["text", "tag", "aad", "iv", "key"])
@pytest.mark.parametrize("name", sorted(AEAD))
def test_any_change_of_a_message_is_found(name: str, change: str) -> None:
    cipher = crypto.create_cipheriv(name, KEY, iv_of(name)).set_aad(b"head")
    sealed = by_hand(cipher, [b"message"])
    given = {"text": sealed, "tag": cipher.get_auth_tag(), "aad": b"head", "iv": iv_of(name), "key": KEY}
    given[change] = bytes([given[change][0] ^ 1]) + given[change][1:]
    decipher = crypto.create_decipheriv(name, given["key"], given["iv"]).set_aad(given["aad"]).set_auth_tag(given["tag"])
    decipher.update(given["text"])
    with pytest.raises(TreadleError) as raised:
        decipher.final()
    assert raised.value.code == "ERR_CRYPTO_AUTHENTICATION_FAILED"
    with pytest.raises(TreadleError) as raised:
        decipher.final()
    assert raised.value.code == "ERR_CRYPTO_INVALID_STATE"


def test_base64_goes_on_from_one_call_to_the_next() -> None:
    whole = crypto.create_cipheriv("aes-128-ctr", bytes(16), bytes(16))
    parts = crypto.create_cipheriv("aes-128-ctr", bytes(16), bytes(16))
    text = "".join(parts.update(letter, "utf8", "base64") for letter in "hello") + parts.final("base64")
    assert text == whole.update("hello", "utf8", "base64") + whole.final("base64")


# ---- as streams


class Jobs:
    """Counts what goes to the pool, or refuses it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kinds: list[str] = []
        self.is_full = False
        self._run = _cipher.pool.run
        monkeypatch.setattr(_cipher.pool, "run", self.run)

    def run(self, kind: str, function: Callable[..., Any], *arguments: Any) -> Any:
        if self.is_full:
            raise TreadleError("ERR_POOL_SATURATED", limit=1)
        self.kinds.append(kind)
        return self._run(kind, function, *arguments)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    return Jobs(monkeypatch)


async def through(chunks: list[bytes], *stages: Any) -> bytes:
    out: list[bytes] = []
    sink = Writable(write=lambda chunk, encoding, callback: (out.append(chunk), callback()))
    await pipeline(Readable.from_(chunks), *stages, sink)
    return b"".join(out)


@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("name", ["aes-256-cbc", "aes-192-ctr", "aes-256-gcm", "chacha20-poly1305"])
def test_a_pipeline_enciphers_and_another_deciphers(jobs: Jobs, name: str, is_full: bool) -> None:
    large = LARGE[: _cipher.POOLED_BYTES_MIN[crypto.create_cipheriv(name, key_of(name), iv_of(name))._suite.mode]]
    chunks = [b"small", large, b"", b"x", large[3:], large * 2]
    jobs.is_full = is_full

    async def main() -> bytes:
        cipher = crypto.create_cipheriv(name, key_of(name), iv_of(name))
        sealed = await through(chunks, cipher)
        decipher = crypto.create_decipheriv(name, key_of(name), iv_of(name))
        if name in AEAD:
            decipher.set_auth_tag(cipher.get_auth_tag())
        return await through([sealed[:10], sealed[10:]], decipher)

    assert treadle.run(main) == b"".join(chunks)
    assert jobs.kinds == ([] if is_full else ["crypto.cipher"] * 3)


def test_a_pipeline_fails_where_the_message_was_changed() -> None:
    async def main() -> None:
        cipher = crypto.create_cipheriv("aes-256-gcm", KEY, bytes(12))
        sealed = bytearray(await through([b"message"], cipher))
        sealed[0] ^= 1
        decipher = crypto.create_decipheriv("aes-256-gcm", KEY, bytes(12)).set_auth_tag(cipher.get_auth_tag())
        with pytest.raises(TreadleError) as raised:
            await through([bytes(sealed)], decipher)
        assert raised.value.code == "ERR_CRYPTO_AUTHENTICATION_FAILED"
        assert decipher.destroyed

    treadle.run(main)


def test_a_cipher_that_is_destroyed_amid_a_chunk_closes(jobs: Jobs) -> None:
    log: list[object] = []

    async def main() -> None:
        cipher = crypto.create_cipheriv("aes-256-ctr", KEY, bytes(16))
        cipher.on("close", lambda: log.append("close")).on("data", log.append)
        cipher.write(LARGE * 8)
        assert jobs.kinds == ["crypto.cipher"]
        cipher.destroy()
        while not log:
            await asyncio.sleep(0)

    treadle.run(main)
    assert log == ["close"]


@pytest.mark.parametrize(
    ("length", "code"),
    [
        (3, "ERR_CRYPTO_INVALID_AUTH_TAG"),
        (17, "ERR_CRYPTO_INVALID_AUTH_TAG"),
        (True, "ERR_INVALID_ARG_TYPE"),
        (16.0, "ERR_INVALID_ARG_TYPE"),
    ],
)
def test_lengths_of_a_tag_that_are_none(length: Any, code: str) -> None:
    with pytest.raises(TreadleError) as raised:
        crypto.create_cipheriv("aes-256-gcm", bytes(32), bytes(12), auth_tag_length=length)
    assert raised.value.code == code
