"""Runs one module of CPython's test_asyncio, or of uvloop's tests, on the loop under test, and reports each test's outcome.

python unittest_child.py cpython test_events
python unittest_child.py uvloop DIRECTORY test_tcp      (its tests in asyncio's flavour: what they expect of asyncio's loop)
"""

import asyncio
import importlib
import os
import sys
import unittest

import tested_loop
from reporting import Report, is_wanted

RESOURCES = ("cpu", "subprocess", "walltime", "decimal", "largefile")  # of test.support; the network is not for tests
SAME_AGAIN = ("EPollEventLoopTests", "PollEventLoopTests", "KqueueEventLoopTests")  # once more per selector: ours has none


def load_cpython(module):
    """A module of test.test_asyncio, with the loop under test in it."""
    from test import support
    from test.test_asyncio import functional, utils  # noqa: F401  # imported before asyncio's names change their meaning

    support.use_resources = dict.fromkeys(RESOURCES) if sys.version_info >= (3, 12) else list(RESOURCES)
    tested_loop.replace_in_policy()
    tested_loop.replace_classes()
    return importlib.import_module(f"test.test_asyncio.{module}")


def load_uvloop(directory, module):
    """A module of uvloop's tests, whose base classes make the loop under test."""
    import uvloop
    from uvloop import _testbase as testbase

    class Policy(asyncio.DefaultEventLoopPolicy):
        _loop_factory = tested_loop.LoopUnderTest

    for case in (testbase.AIOTestCase, testbase.UVTestCase):
        case.new_loop = lambda self: tested_loop.LoopUnderTest()
        case.new_policy = lambda self: Policy()
    # Its own attach a child watcher on 3.11, which takes asyncio's very loop.
    testbase.AIOTestCase.setUp = testbase.BaseTestCase.setUp
    testbase.AIOTestCase.tearDown = testbase.BaseTestCase.tearDown
    uvloop.new_event_loop = tested_loop.LoopUnderTest
    uvloop.EventLoopPolicy = Policy
    uvloop.Loop = tested_loop.TARGET  # a test derives from it
    sys.path.insert(0, os.path.dirname(directory))
    loaded = importlib.import_module(f"{os.path.basename(directory)}.{module}")
    for case in vars(loaded).values():
        if getattr(case, "NEW_LOOP", None):  # source, for a process that a test starts
            package, _, name = tested_loop.SPEC.partition(":")
            case.NEW_LOOP = f"__import__('importlib').import_module({package!r}).{name}()"
    return loaded


def tests_of(suite):
    """The single tests of a suite."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def is_chosen(test):
    """Not one that a child before ran, nor a repetition, nor one that expects uvloop's ways."""
    if type(test).__name__ in SAME_AGAIN or not is_wanted(test.id()):
        return False
    testbase = sys.modules.get("uvloop._testbase")
    return testbase is None or isinstance(test, testbase.AIOTestCase)


class Result(unittest.TestResult):
    """Passes on what unittest finds. A failing subtest fails its test."""

    def __init__(self, report):
        super().__init__()
        self.report = report
        self.outcome, self.text = "passed", ""

    def startTest(self, test):
        super().startTest(test)
        self.outcome, self.text = "passed", ""
        self.report.started(test.id())

    def _is_bad(self, outcome, error):
        if self.outcome not in ("failed", "error"):
            self.outcome, self.text = outcome, f"{error[0].__name__}: {error[1]}"

    def addFailure(self, test, error):
        self._is_bad("failed", error)

    def addError(self, test, error):
        if isinstance(test, unittest.TestCase):
            self._is_bad("error", error)
        else:  # of a class or a module
            self.report.ended(str(test), "error", str(error[1]))

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._is_bad("failed" if issubclass(error[0], test.failureException) else "error", error)

    def addSkip(self, test, reason):
        if isinstance(test, unittest.TestCase):
            self.outcome, self.text = "skipped", reason

    def addUnexpectedSuccess(self, test):
        self.outcome, self.text = "failed", "unexpected success"

    def stopTest(self, test):
        super().stopTest(test)
        self.report.ended(test.id(), self.outcome, self.text)


def main(kind, *where):
    """Load, choose, run."""
    module = {"cpython": load_cpython, "uvloop": load_uvloop}[kind](*where)
    report = Report()
    loaded = unittest.defaultTestLoader.loadTestsFromModule(module)
    unittest.TestSuite(test for test in tests_of(loaded) if is_chosen(test)).run(Result(report))
    report.all_ended()
    os._exit(0)  # a thread that a test left behind must not hold the child


if __name__ == "__main__":
    main(*sys.argv[1:])
