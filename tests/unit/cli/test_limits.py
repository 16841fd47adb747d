"""The flags of `treadle serve` that bound something, as the server gets them."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

import treadle.asgi
from treadle import TreadleError
from treadle.asgi import ServeConfig
from treadle.cli.serve import serve
from treadle.http import Limits


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function: flags -> the ServeConfig that is served by."""

    def configure(*flags: str) -> ServeConfig:
        seen: list[ServeConfig] = []
        monkeypatch.setattr("treadle.cli.logs.set_up", lambda *_: None)
        monkeypatch.setattr(treadle.asgi, "load_app", lambda *_, **__: None)
        monkeypatch.setattr(treadle.asgi, "serve", lambda _, config, **__: seen.append(config))
        result = CliRunner().invoke(serve, ["app:app", *flags])
        assert result.exit_code == 0, result.output
        return seen[0]

    return configure


def test_without_flags_they_are_the_servers_own(configured: Any) -> None:
    config, own = configured(), ServeConfig()
    assert (config.limits, config.max_connections, config.max_requests_per_socket) == (
        own.limits, own.max_connections, own.max_requests_per_socket,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        (("--min-body-rate", "1000"), "limits", Limits(body_bytes_per_s=1000)),
        (("--min-body-rate", "0"), "limits", Limits(body_bytes_per_s=None)),
        (("--max-connections", "10"), "max_connections", 10),
        (("--max-requests-per-socket", "100"), "max_requests_per_socket", 100),
    ],
)
def test_a_flag_sets_its_limit(configured: Any, flags: tuple[str, ...], field: str, value: object) -> None:
    assert getattr(configured(*flags), field) == value


@pytest.mark.parametrize("limit", [{"max_connections": 0}, {"max_requests_per_socket": -1}])
def test_what_bounds_nothing_is_refused(limit: dict[str, int]) -> None:
    with pytest.raises(TreadleError) as caught:
        ServeConfig(**limit)  # type: ignore[arg-type]
    assert caught.value.code == "ERR_OUT_OF_RANGE"
