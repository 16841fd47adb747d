"""A server for each test, and a Resolver that asks it."""

from collections.abc import Callable, Iterator

import pycares
import pytest

from tests.unit.dns.server import Server
from treadle import dns

# pycares takes channels apart in a thread of its own, which begins with the first and never ends: it is no leak of a test.
pycares.Channel(sock_state_cb=lambda fd, is_read, is_written: None).close()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def resolver(server: Server) -> Callable[..., dns.Resolver]:
    """Makes one that asks the server alone."""

    def make(**options: int) -> dns.Resolver:
        made = dns.Resolver(**{"timeout": 1000, "tries": 2, **options})
        made.set_servers([server.address])
        return made

    return make
