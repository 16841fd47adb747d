"""That what is left behind is seen: a test of what every other test is checked by (tests/census.py)."""

import gc
import os
import subprocess
import sys
import threading
from collections import Counter

import pytest

import treadle
from tests import census
from tests.census import Holdings, left_since, native_types
from treadle._native.census import watch
from treadle._native.loop import LoopCore
from treadle._native.queues import Handle


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "PATIENCE_S", 0)


def test_every_native_class_is_counted() -> None:
    assert {"Handle", "Timeout", "Alarm", "LoopCore", "Transport", "Connection", "Pool", "FileRead", "Deadline"} <= {
        made.__name__ for made in native_types()
    }


def test_what_is_kept_is_left() -> None:
    before = Holdings.now()
    loop = LoopCore()
    kept = [loop.set_timeout(print, 1), loop.set_immediate(print), loop.call_later(1, print)]
    loop.close_core()
    left = left_since(before)
    assert {made.__name__: count for made, count in left.objects.items()}.items() >= {
        "LoopCore": 1,
        "Timeout": 1,
        "Immediate": 1,
        "Alarm": 1,
    }.items()
    assert "1 Timeout of treadle._native.timers\n    <Timeout timeout 1 ms closed>" in str(left)
    assert left.others == Counter()
    del loop, kept
    assert not left_since(before)


def test_what_the_collector_frees_is_not() -> None:
    before = Holdings.now()
    gc.disable()
    try:
        loop = LoopCore()
        loop.uncaught_hook = lambda _, loop=loop: False
        loop.close_core()
        loop.uncaught_hook = lambda _, loop=loop: False
        del loop
        assert Holdings.now().since(before)
        assert not left_since(before)
    finally:
        gc.enable()


def test_an_instance_of_a_class_that_python_derived_since_counts_as_one_of_its_base() -> None:
    before = Holdings.now()

    class Derived(treadle.EventLoop): ...

    class Late(Derived): ...

    loops = [Derived(), Late()]
    for loop in loops:
        loop.close()
    assert left_since(before).objects[LoopCore] == 2
    del loop, loops
    assert not left_since(before)


def test_a_type_is_watched_once() -> None:
    with pytest.raises(ValueError, match="Handle"):
        watch([Handle])


def test_a_descriptor() -> None:
    before = Holdings.now()
    fds = os.pipe()
    assert sum(left_since(before).others.values()) == 2
    for fd in fds:
        os.close(fd)
    assert not left_since(before)


def test_threads() -> None:
    before = Holdings.now()
    gate = threading.Event()
    several = [threading.Thread(target=gate.wait) for _ in range(3)]  # the one that watched the test before may just be going
    for thread in several:
        thread.start()
    try:
        (name,) = left_since(before).others
        assert name.startswith("thread ")
    finally:
        gate.set()
        for thread in several:
            thread.join()


def test_a_child() -> None:
    before = Holdings.now()
    child = subprocess.Popen([sys.executable, "-c", ""])
    assert left_since(before).others == {"child processes": 1}
    child.wait()
    assert not left_since(before)
