"""Every class that treadle.http and treadle.timers give out, made by hand: a TypeError, or an object that may be used; no crash.

Each in a process of its own: a crash is an exit code there, and a failure of one test here.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap

import pytest

import treadle.http
import treadle.timers

pytestmark = pytest.mark.slow

USE = textwrap.dedent("""
    import importlib, inspect, sys, warnings

    warnings.simplefilter("ignore")  # coroutines that nobody awaits
    module, name, how = sys.argv[1:]
    made = getattr(importlib.import_module(module), name)

    def attempt(action, *arguments):
        try:
            return action(*arguments)
        except Exception as error:
            return error

    def use(subject):
        for name in [name for name in dir(subject) if not name.startswith("__")] + ["__repr__", "__hash__"]:
            attribute = attempt(getattr, subject, name)
            if callable(attribute) and not inspect.isclass(attribute):
                for arguments in [(), ("x",), (b"x",), (200,), (None,), ("x", "1"), (200, {"x": "1"})]:
                    result = attempt(attribute, *arguments)
                    if inspect.isawaitable(result):
                        attempt(lambda: result.__await__().__next__())

    if how == "call":
        try:
            subject = made()
        except TypeError:
            print("TypeError")
            sys.exit()
    else:
        subject = made.__new__(made)
        if hasattr(subject, "status_code"):
            subject.status_code = 200
    use(subject)
    del subject
    import gc
    gc.collect()
    print("usable")
""")

CLASSES = [
    (module.__name__, name)
    for module in (treadle.http, treadle.timers)
    for name in module.__all__
    if inspect.isclass(getattr(module, name))
]

SETTINGS = ("Edge", "Limits", "Origin", "RequestIdFilter", "Route", "Timeouts")  # made by hand, and with nothing said


def outcome(module: str, name: str, how: str) -> tuple[int, str]:
    command = [sys.executable, "-c", USE, module, name, how]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return result.returncode, result.stdout.strip() or result.stderr


def test_there_are_classes() -> None:
    assert len(CLASSES) >= 7


@pytest.mark.parametrize(("module", "name"), CLASSES, ids=[name for _, name in CLASSES])
def test_a_call_is_a_type_error_or_gives_something_usable(module: str, name: str) -> None:
    made_by_the_loop = name not in SETTINGS
    assert outcome(module, name, "call") == (0, "TypeError" if made_by_the_loop else "usable")


@pytest.mark.parametrize(
    ("module", "name"),
    [pytest.param(module, name, id=name) for module, name in CLASSES],
)
def test_what_new_makes_does_not_crash(module: str, name: str) -> None:
    """__new__ goes past __init__, as pickle and copy do."""
    assert outcome(module, name, "new")[0] == 0
