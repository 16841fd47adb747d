"""Random bytes, numbers and UUIDs. Not here: what is refused (test_node_facts.py)."""

import re
from collections import Counter

import pytest

import treadle
from treadle import crypto
from treadle.crypto import _random


def test_random_bytes_without_a_callback_need_no_loop() -> None:
    assert {len(crypto.random_bytes(size)) for size in (0, 1, 1000)} == {0, 1, 1000}
    assert crypto.random_bytes(16) != crypto.random_bytes(16)


def test_a_random_int_covers_its_range_evenly() -> None:
    # Six standard deviations of a count: chance fails one run in some fifty million.
    counts = Counter(crypto.random_int(3, 13) for _ in range(20_000))
    assert set(counts) == set(range(3, 13))
    assert max(counts.values()) - 2000 < 6 * 42.4
    assert 2000 - min(counts.values()) < 6 * 42.4


def test_a_random_int_of_a_range_that_is_no_power_of_two_is_drawn_again_not_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    # A remainder would make 5 of 3 bits a 0 of range 5; drawing again passes 7, 6 and 5 over.
    drawn = iter([7, 6, 5, 4])
    monkeypatch.setattr(_random._system, "getrandbits", lambda bits: next(drawn))
    assert crypto.random_int(5) == 4


def test_a_random_int_for_a_callback_comes_on_the_next_tick() -> None:
    log: list[object] = []

    def main() -> None:
        crypto.random_int(7, 8, callback=lambda error, value: log.append((error, value)))
        treadle.queue_microtask(lambda: log.append("microtask"))
        log.append("main")

    treadle.run(main)
    assert log == ["main", (None, 7), "microtask"]


def test_a_uuid_is_one_of_version_4() -> None:
    pattern = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    made = {crypto.random_uuid() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(pattern, one) for one in made)
