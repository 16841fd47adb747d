"""The suites of HTTP servers and frameworks, and how each is run against a live server. Not here: what comes out (run.py)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.suites.catalogue import PYTEST
from tests.suites.children import Command
from tests.suites.environment import Environment

DJANGO_SITE = Path(__file__).with_name("django_site")  # the one whose checks are ours: Django's own tests have no server in them
STUB = Path(__file__).with_name("sdist_stub")

GRANIAN = "test_asgi test_wsgi test_https test_uds test_static_files"
# What the issue asks for, and what else goes through a client. Not here: WebSockets, what has no server in it.
STARLETTE = """test_responses test_requests test_staticfiles test_background test_formparsers test_routing test_applications
    test_endpoints test_exceptions test_authentication test_templates middleware"""
# Not here: WebSockets, HTTP/2, reloading, its command line; what drives a middleware of its own instead of a server.
UVICORN = """protocols/test_http test_lifespan test_default_headers test_ssl test_server middleware/test_proxy_headers
    middleware/test_wsgi middleware/test_logging"""


@dataclass(frozen=True)
class HTTPSuite:
    """A name, where its tests come from, and the command that runs them on a server."""

    name: str
    command: Callable[[Environment, str], Command]


def _command(environment: Environment, server: str, directory: Path, plugin: str, *arguments: str) -> Command:
    words = [str(environment.python), *PYTEST.split(), "-p", plugin, *arguments]
    return Command(words, directory, {"SUITES_SERVER": server})


def _files(names: str) -> list[str]:
    return [f"tests/{name}" if name == "middleware" else f"tests/{name}.py" for name in names.split()]


def _granian(environment: Environment, server: str) -> Command:
    version = environment.version_of("granian")
    environment.source("granian", "--no-build-isolation", PYTHONPATH=str(STUB), STUB_NAME="granian", STUB_VERSION=version)
    folder = environment.tests_apart("granian")
    return _command(environment, server, folder, "granian_live", "-o", "asyncio_mode=auto", "-W", "ignore", *_files(GRANIAN))


def _starlette(environment: Environment, server: str) -> Command:
    folder = environment.tests_apart("starlette")
    return _command(environment, server, folder, "starlette_live", "-k", "not trio", "-W", "ignore", *_files(STARLETTE))


def _uvicorn(environment: Environment, server: str) -> Command:
    folder = environment.tests_apart("uvicorn")
    return _command(environment, server, folder, "uvicorn_live", "-W", "ignore", *_files(UVICORN))


def _django(environment: Environment, server: str) -> Command:
    words = [str(environment.python), *PYTEST.split(), "-W", "ignore", "-c", os.devnull, "--rootdir", ".", "site_checks.py"]
    return Command(words, DJANGO_SITE, {"SUITES_SERVER": server, "PYTHONDONTWRITEBYTECODE": "1"})


SUITES = (
    HTTPSuite("uvicorn", _uvicorn),
    HTTPSuite("granian", _granian),
    HTTPSuite("starlette", _starlette),
    HTTPSuite("django", _django),
)
