"""Hash and Hmac as streams, and where chunks are worked on. Not here: what they give (test_node_facts.py)."""

import asyncio
import gc
import hashlib
import hmac
import io
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import treadle
from treadle import TreadleError, crypto
from treadle.crypto import _hash
from treadle.streams import Readable, Writable, pipeline

SMALL = b"small"
LARGE = bytes(range(256)) * (_hash.POOLED_BYTES_MIN // 256)


class Jobs:
    """Counts what goes to the pool, or refuses it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kinds: list[str] = []
        self.is_full = False
        self._run = _hash.pool.run
        monkeypatch.setattr(_hash.pool, "run", self.run)

    def run(self, kind: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self.is_full:
            raise TreadleError("ERR_POOL_SATURATED", limit=1)
        self.kinds.append(kind)
        return self._run(kind, function, *arguments, **options)


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    return Jobs(monkeypatch)


def test_a_pipeline_through_a_hash_gives_the_digest() -> None:
    out: list[bytes] = []

    async def main() -> None:
        sink = Writable(write=lambda chunk, encoding, callback: (out.append(chunk), callback()))
        await pipeline(Readable.from_(io.BytesIO(LARGE * 3)), crypto.create_hash("sha256"), sink)

    treadle.run(main)
    assert out == [hashlib.sha256(LARGE * 3).digest()]


def test_a_hash_at_the_end_of_a_pipeline_is_asked_afterwards() -> None:
    async def main() -> str:
        digest = crypto.create_hash("sha256")
        await pipeline(Readable.from_([SMALL, LARGE, SMALL]), digest)
        return digest.digest("hex")

    assert treadle.run(main) == hashlib.sha256(SMALL + LARGE + SMALL).hexdigest()


def test_an_hmac_is_a_stream_too_and_gives_text_in_an_encoding() -> None:
    async def main() -> list[str]:
        mac = crypto.create_hmac("sha256", "key", encoding="hex")
        mac.write("text")
        mac.write("00ff", "hex")
        mac.end()
        return [chunk async for chunk in mac]

    assert treadle.run(main) == [hmac.new(b"key", b"text\x00\xff", "sha256").hexdigest()]


def test_large_chunks_of_a_stream_go_through_the_pool_in_order(jobs: Jobs) -> None:
    async def main() -> bytes:
        digest = crypto.create_hash("sha1")
        await pipeline(Readable.from_([SMALL, LARGE, b"x", LARGE[:-1], LARGE + b"y"]), digest)
        return digest.digest()

    assert treadle.run(main) == hashlib.sha1(SMALL + LARGE + b"x" + LARGE[:-1] + LARGE + b"y").digest()
    assert jobs.kinds == ["crypto.hash", "crypto.hash"]


def test_a_bytearray_may_be_changed_once_it_was_written(jobs: Jobs) -> None:
    async def main() -> bytes:
        digest = crypto.create_hash("sha256")
        buffer = bytearray(LARGE)
        digest.write(buffer)
        buffer[:] = bytes(len(buffer))
        digest.end()
        [made] = [chunk async for chunk in digest]
        return made

    assert treadle.run(main) == hashlib.sha256(LARGE).digest()
    assert jobs.kinds == ["crypto.hash"]


def test_where_the_pool_is_full_the_loops_thread_does_it(jobs: Jobs) -> None:
    jobs.is_full = True

    async def main() -> bytes:
        digest = crypto.create_hash("sha256")
        await pipeline(Readable.from_([LARGE, LARGE]), digest)
        return digest.digest()

    assert treadle.run(main) == hashlib.sha256(LARGE * 2).digest()


def test_a_hash_that_is_destroyed_amid_a_chunk_closes(jobs: Jobs) -> None:
    log: list[object] = []

    async def main() -> None:
        digest = crypto.create_hash("sha256")
        digest.on("error", lambda error: log.append(str(error))).on("close", lambda: log.append("close"))
        digest.write(LARGE * 8)
        assert jobs.kinds == ["crypto.hash"]
        digest.destroy(ValueError("enough"))
        while "close" not in log:
            await asyncio.sleep(0)

    treadle.run(main)
    assert log == ["enough", "close"]


def test_a_stream_goes_on_while_a_program_that_has_ended_cleans_up(jobs: Jobs) -> None:
    log: list[str] = []

    async def clean_up() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            digest = crypto.create_hash("sha256")
            await pipeline(Readable.from_([LARGE]), digest)
            log.append(digest.digest("hex"))

    async def main() -> None:
        task = asyncio.create_task(clean_up())
        await asyncio.sleep(0)
        assert not task.done()

    treadle.run(main)
    assert log == [hashlib.sha256(LARGE).hexdigest()]
    assert jobs.kinds == ["crypto.hash"]


def test_what_is_written_behind_digest_is_an_error() -> None:
    async def main() -> None:
        digest = crypto.create_hash("sha256")
        digest.update("a").digest()
        with pytest.raises(TreadleError) as raised:
            await pipeline(Readable.from_([SMALL]), digest)
        assert raised.value.code == "ERR_CRYPTO_HASH_FINALIZED"

    treadle.run(main)


def test_update_and_digest_need_no_loop() -> None:
    assert crypto.create_hash("sha256").update(b"a").copy().update(b"b").digest() == hashlib.sha256(b"ab").digest()
    assert crypto.hash("sha3_256", b"a") == hashlib.sha3_256(b"a").hexdigest()


@pytest.mark.parametrize("view", [memoryview(b"abcdef"), memoryview(b"abcdef")[::2], memoryview(b"abcd").cast("I")])
def test_any_buffer_counts_with_all_its_bytes(view: memoryview) -> None:
    assert crypto.create_hash("sha256").update(view).digest() == hashlib.sha256(view.tobytes()).digest()


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("SHA-256", "sha256"),
        ("sha-1", "sha1"),
        ("SHA2-512", "sha512"),
        ("SHA-512/256", "sha512-256"),
        ("SHA2-512/224", "sha512-224"),
        ("SHA512-256", "sha512-256"),
        ("SHA3-256", "sha3-256"),
        ("RSA-SHA3-256", "sha3-256"),
        ("id-rsassa-pkcs1-v1_5-with-sha3-256", "sha3-256"),
        ("BLAKE2B-512", "blake2b512"),
        ("BLAKE2S-256", "blake2s256"),
        ("RIPEMD-160", "ripemd160"),
        ("SHAKE-128", "shake128"),
    ],
)
def test_names_that_node_knows(name: str, known: str) -> None:
    if known not in crypto.get_hashes():
        pytest.skip("not in this OpenSSL")
    assert crypto.hash(name, b"a") == crypto.hash(known, b"a")


@pytest.mark.parametrize("name", ["sha", "sha-", "sha256-", "sha2-2-256", "sha-3-256", "SHA2", "sha1-1", "blake2b-256"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(TreadleError) as raised:
        crypto.create_hash(name)
    assert raised.value.code == "ERR_CRYPTO_INVALID_DIGEST"


def test_every_hash_that_is_named_can_be_made() -> None:
    names = crypto.get_hashes()
    assert {"sha256", "sha512", "sha3-256", "shake128", "blake2b512"} <= set(names)
    assert names == sorted(set(names))
    for name in names:
        assert len(crypto.create_hash(name).update("a").digest()) >= 16


@pytest.mark.parametrize("size", [10, _hash.POOLED_BYTES_MIN])
def test_a_hash_that_is_through_and_let_go_of_is_freed_by_counting(size: int) -> None:
    async def main() -> None:
        digest = crypto.create_hash("sha256")
        await pipeline(Readable.from_([bytes(size)] * 3), digest)
        digest.digest()
        gone = weakref.ref(digest)
        del digest
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert gone() is None

    gc.collect()
    gc.disable()
    try:
        treadle.run(main)
    finally:
        gc.enable()
