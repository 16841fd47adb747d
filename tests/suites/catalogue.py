"""The suites, and how each is run.

Those of asyncio itself and of uvloop say something about a loop only where they make it: they are counted so, without what looks
into asyncio's private parts (private-3.x.txt). Not here: processes (children.py), where sources come from (environment.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.suites.children import INSIDE, Command
from tests.suites.environment import Environment, Unavailable
from tests.suites.redis_server import private_redis

# Not here: tests of asyncio's private classes on mocks (test_base_events, test_selector_events, test_transports, test_protocols).
CPYTHON_LOOP = """test_events test_sock_lowlevel test_sendfile test_server test_buffered_proto test_streams test_subprocess
    test_ssl test_sslproto test_unix_events"""
CPYTHON_ABOVE = """test_tasks test_futures test_futures2 test_taskgroups test_timeouts test_waitfor test_runners test_locks
    test_queues test_threads test_context test_pep492 test_eager_task_factory test_staggered test_free_threading"""
# Not here: libuv's own interface, uvloop's sources, its Cython.
UVLOOP = """test_base test_context test_dns test_executors test_pipes test_process test_process_spawning test_runner test_signals
    test_sockets test_tcp test_udp test_unix test_aiohttp test_regr1"""
PYTEST = "-m pytest -p pytest_child -p no:cacheprovider -q --no-header --tb=short --continue-on-collection-errors"


@dataclass(frozen=True)
class Suite:
    """A name, whether only tests that make a loop count, and the commands of one run, as a context manager."""

    name: str
    only_with_loop: bool
    commands: Callable[[Environment], AbstractContextManager[list[Command]]]


@contextmanager
def _cpython(environment: Environment) -> Iterator[list[Command]]:
    import test  # type: ignore[import-not-found]

    folder = Path(test.__path__[0]) / "test_asyncio"
    if not folder.is_dir():
        raise Unavailable("this interpreter came without its test package: take one built from source")
    yield _modules(environment, f"{CPYTHON_LOOP} {CPYTHON_ABOVE}", folder, ["cpython"])


@contextmanager
def _uvloop(environment: Environment) -> Iterator[list[Command]]:
    folder = environment.source("uvloop") / "tests"
    yield _modules(environment, UVLOOP, folder, ["uvloop", str(folder)])


def _modules(environment: Environment, names: str, folder: Path, arguments: list[str]) -> list[Command]:
    child = [str(environment.python), str(INSIDE / "unittest_child.py"), *arguments]
    return [Command([*child, name], folder) for name in names.split() if (folder / f"{name}.py").exists()]


@contextmanager
def _aiohttp(environment: Environment) -> Iterator[list[Command]]:
    plugins = ["-p", "no:anyio", "-p", "no:asyncio", "-W", "ignore", "--aiohttp-loop", "pyloop"]
    ignored = ["--ignore-glob=*/test_benchmarks_*", "--ignore=tests/autobahn", "--ignore=tests/test_circular_imports.py"]
    yield [_pytest(environment, environment.tests_apart("aiohttp"), *plugins, *ignored, "-m", "not dev_mode", "tests")]


@contextmanager
def _anyio(environment: Environment) -> Iterator[list[Command]]:
    chosen = ["-k", "asyncio and not uvloop and not eager and not trio", "-m", "not network"]
    yield [_pytest(environment, environment.source("anyio"), *chosen, "tests", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")]


@contextmanager
def _redis(environment: Environment) -> Iterator[list[Command]]:
    chosen = ["-m", "not onlycluster and not redismod and not ssl and not cp_integration and not multidb_integration"]
    ignored = ["--ignore=tests/test_asyncio/test_scenario"]  # needs a farm of servers
    with private_redis() as url:
        yield [_pytest(environment, environment.source("redis"), f"--redis-url={url}", *chosen, *ignored, "tests/test_asyncio")]


@contextmanager
def _websockets(environment: Environment) -> Iterator[list[Command]]:
    # Its test_server and test_client look into the private attributes of asyncio's own server.
    files = [f"tests/asyncio/{name}.py" for name in ("test_connection", "test_messages")]
    yield [_pytest(environment, environment.websockets(), "-p", "no:anyio", "-p", "no:asyncio", "-W", "ignore", *files)]


def _pytest(environment: Environment, directory: Path, *arguments: str, **variables: str) -> Command:
    return Command([str(environment.python), *PYTEST.split(), *arguments], directory, variables)


SUITES = (
    Suite("cpython", True, _cpython),
    Suite("uvloop", True, _uvloop),
    Suite("aiohttp", False, _aiohttp),
    Suite("anyio", False, _anyio),
    Suite("redis", False, _redis),
    Suite("websockets", False, _websockets),
)
