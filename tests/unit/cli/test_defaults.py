"""The defaults that `treadle serve --help` shows are those of the classes they are given to."""

import pytest

from treadle.asgi import ServeConfig
from treadle.cli.serve import serve
from treadle.http import Limits, Timeouts

CONFIG = ServeConfig()


@pytest.mark.parametrize(
    ("option", "default"),
    [
        ("host", CONFIG.host),
        ("port", CONFIG.port),
        ("backlog", CONFIG.backlog),
        ("root_path", CONFIG.root_path),
        ("lifespan", CONFIG.lifespan),
        ("timeout_graceful_shutdown", CONFIG.graceful_s),
        ("timeout_keep_alive", Timeouts().keep_alive_s),
        ("max_requests_per_socket", CONFIG.max_requests_per_socket),
        ("min_body_rate", Limits().body_bytes_per_s),
    ],
)
def test_a_default_is_stated_once_in_effect(option: str, default: object) -> None:
    (found,) = (parameter for parameter in serve.params if parameter.name == option)
    assert found.default == default
