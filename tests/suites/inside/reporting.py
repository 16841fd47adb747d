"""How a child says what became of its tests: a line of JSON for each that starts and for each that ends, one at the very end.

Each line is written at once, so that the parent knows which test hung or crashed the child. The file SUITES_CHOICE names the
tests that a child before has run, and those that alone are wanted. Not here: what the parent makes of it (tests.suites.children).
"""

import json
import os
import signal

import tested_loop

with open(os.environ["SUITES_CHOICE"]) as _file:
    _choice = json.load(_file)
DONE, ONLY = frozenset(_choice["done"]), frozenset(_choice["only"])

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background by a shell: tests interrupt themselves
    signal.signal(signal.SIGINT, signal.default_int_handler)


def is_wanted(test):
    """Whether this child shall run the test."""
    return test not in DONE and (not ONLY or test in ONLY)


class Report:
    """The lines of one child."""

    def __init__(self):
        self._file = open(os.environ["SUITES_REPORT"], "a", buffering=1)  # noqa: SIM115  # as long as the child
        self._loops = 0

    def _line(self, **what):
        self._file.write(json.dumps(what) + "\n")

    def started(self, test):
        """It runs now."""
        self._loops = tested_loop.made
        self._line(start=test)

    def ended(self, test, outcome, text=""):
        """It passed, failed, had an error or was skipped; text says why, in a line."""
        line = "".join(text.splitlines()[:1])[:200]
        self._line(test=test, outcome=outcome, text=line, made_loop=tested_loop.made > self._loops)

    def all_ended(self):
        """Nothing is left to run."""
        self._line(end=True)
