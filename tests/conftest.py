"""What every test leans on. Invariants: the tests exercise this checkout, not a treadle installed elsewhere; whoever passes, a
test, a module or the whole session, leaves no native object, descriptor, thread or child process behind."""

import gc
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.census import Holdings, left_since, native_types
from treadle._native import census

ROOT = Path(__file__).resolve().parent.parent
HAS_RAISED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets that are connected, and do not block."""
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        yield left, right


def pytest_sessionstart() -> None:
    import treadle

    origin = Path(treadle.__file__).resolve()
    if not origin.is_relative_to(ROOT):
        pytest.exit(f"treadle is imported from {origin.parent}, not from this checkout: run `make test`", returncode=3)

    census.watch(native_types())
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, lambda *_: None)):
        if signal.getsignal(number) is signal.SIG_IGN:  # in the background, or by nohup: their programs would inherit it
            signal.signal(number, handler)


# ---- nothing is left behind
#
# Each scope compares with what was there before its own fixtures were made: a server that a module shares is no leak of the test
# that came first, and is one of the module if it stays. Autouse fixtures of this file are the first of their scope to be made,
# and the last to be torn down.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    # Its traceback holds what its frames held: who fails, is expected to, or skips is not asked.
    if call.excinfo is not None:
        item.stash[HAS_RAISED] = True
    return (yield)


def compare(request: pytest.FixtureRequest) -> Iterator[None]:
    before, failed_before = Holdings.now(), request.session.testsfailed
    yield
    if request.session.testsfailed == failed_before and not request.node.stash.get(HAS_RAISED, False):
        sys.__dict__.pop("last_value", None)  # of an expected failure, which pytest keeps until the next test
        sys.__dict__.pop("last_traceback", None)
        left = left_since(before)
        if left:
            pytest.fail(f"left behind by this {request.scope}:\n{left}", pytrace=False)


@pytest.fixture(scope="session", autouse=True)
def session_leaves_nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    comparison = compare(request)
    yield next(comparison)
    gc.unfreeze()
    yield from comparison


@pytest.fixture(scope="module", autouse=True)
def module_leaves_nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    # What is there by now stays: six thousand tests, their modules, the reports on those that ran. Set aside, it is not looked at
    # by every collection of a test and behind one.
    census.watch_subclasses()  # whose instances it asks the collector for
    gc.collect()
    gc.freeze()
    yield from compare(request)


@pytest.fixture(autouse=True)
def test_leaves_nothing(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    comparison = compare(request)
    yield next(comparison)
    request.node.funcargs.clear()  # the values of its fixtures, all of them torn down by now
    for phase in ("setup", "call"):
        caplog.get_records(phase).clear()  # with what was logged
    yield from comparison
