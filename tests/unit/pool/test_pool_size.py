"""How many threads a pool may have, as the environment says."""

import pytest

import treadle
from treadle._base.errors import TreadleError
from treadle._native.loop import LoopCore
from treadle.pool import pool_of, pool_size


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREADLE_THREADPOOL_SIZE", raising=False)
    monkeypatch.delenv("UV_THREADPOOL_SIZE", raising=False)


@pytest.mark.parametrize(
    ("treadle_size", "uv_size", "expected"),
    [
        (None, None, 4),
        ("8", None, 8),
        (None, "16", 16),
        ("8", "16", 8),
        ("", "16", 16),
        (" 2 ", None, 2),
        ("0", None, 1),
        ("-3", None, 1),
        ("1024", None, 1024),
        ("5000", None, 1024),
    ],
)
def test_size(monkeypatch: pytest.MonkeyPatch, treadle_size: str | None, uv_size: str | None, expected: int) -> None:
    for name, value in (("TREADLE_THREADPOOL_SIZE", treadle_size), ("UV_THREADPOOL_SIZE", uv_size)):
        if value is not None:
            monkeypatch.setenv(name, value)
    assert pool_size() == expected


@pytest.mark.parametrize("name", ["TREADLE_THREADPOOL_SIZE", "UV_THREADPOOL_SIZE"])
def test_what_is_no_number(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "many")
    with pytest.raises(TreadleError) as raised:
        pool_size()
    assert raised.value.code == "ERR_INVALID_ARG_VALUE"
    assert raised.value.data["name"] == name
    assert raised.value.data["received"] == "many"


def test_a_loop_has_one_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREADLE_THREADPOOL_SIZE", "7")
    loop = LoopCore()
    pool = pool_of(loop)
    assert pool is pool_of(loop)
    assert pool is loop.pool
    assert pool.statistics()["size"] == 7
    pool.close()
    loop.close_core()


def test_loops_do_not_share_it() -> None:
    first, second = treadle.new_event_loop(), treadle.new_event_loop()
    assert pool_of(first) is not pool_of(second)
    first.close()
    second.close()
