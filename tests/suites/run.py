"""``make suites``: each suite on asyncio's loop and on treadle's, and what differs.

    make suites ARGS='cpython uvloop'     only these
    make suites PYTHON=python3.13

What is bad on treadle's loop only is run again there, by itself: what then passes is unsteady (a busy machine, a race in the
test), and said to be. The exit status is 1 if something is bad on treadle's loop only, again and again, that deviations.txt does
not name: each line there has its reason in docs/adr/0004-tests-of-others-that-fail-here.md.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from tests.suites import children
from tests.suites.catalogue import SUITES, Suite
from tests.suites.children import Command
from tests.suites.environment import HERE, WORK, Environment, Unavailable
from tests.suites.outcomes import Outcomes, bad_only_on, count, missing_on

STOCK, TREADLE = "asyncio:SelectorEventLoop", "treadle:EventLoop"
AGAIN = 2  # times that a difference is tried again
LISTED_MAX = 50  # tests of one kind
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def main() -> int:
    """Run what is asked for. The exit status."""
    parser = argparse.ArgumentParser(
        prog="make suites", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [suite.name for suite in SUITES]
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(names)} (default: all)")
    chosen = parser.parse_args().suites or names
    if unknown := set(chosen) - set(names):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it, and nohup the next
    signal.signal(signal.SIGHUP, lambda *_: None)  # tests send both, and would inherit that
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of every finally: no child stays behind
    WORK.mkdir(exist_ok=True)
    environment = Environment()
    environment.prepare()
    print(f"# CPython {sys.version.split()[0]}, {TREADLE} beside {STOCK}", flush=True)
    unexplained = [test for suite in SUITES if suite.name in chosen for test in compare(suite, environment)]
    return 1 if unexplained else 0


def compare(suite: Suite, environment: Environment) -> list[str]:
    """Run one suite, and print what came out. The tests that are bad on treadle's loop only, and nobody says why."""
    began_s = time.monotonic()
    log = WORK / f"{suite.name}-{VERSION}.log"
    log.unlink(missing_ok=True)
    try:
        with suite.commands(environment) as commands:
            both = Pair(commands, log)
            both.run()
            unsteady = both.run_again()
    except Unavailable as reason:
        print(f"\n{suite.name}: not run: {reason}", flush=True)
        return []
    private = _lines(HERE / f"private-{VERSION}.txt") if suite.name == "cpython" else set()
    return _told(suite, both, unsteady, private, time.monotonic() - began_s)


class Pair:
    """The outcomes of the same commands on both loops."""

    def __init__(self, commands: Sequence[Command], log: Path) -> None:
        self._commands = commands
        self._log = log
        self.stock: Outcomes = {}
        self.treadle: Outcomes = {}
        self._command_of: dict[str, Command] = {}

    def run(self) -> None:
        """All tests, on either loop."""
        for command in self._commands:
            for loop, outcomes in ((STOCK, self.stock), (TREADLE, self.treadle)):
                new = children.run(command, loop, self._log)
                outcomes.update(new)
                self._command_of.update(dict.fromkeys(new, command))

    def differing(self) -> list[str]:
        """Tests that passed on the stock loop only."""
        return bad_only_on(self.treadle, self.stock) + missing_on(self.treadle, self.stock)

    def run_again(self) -> list[str]:
        """Where they differ, up to AGAIN times. Those that differ no more."""
        at_first = self.differing()
        for _ in range(AGAIN):
            for command in self._commands:
                only = [test for test in self.differing() if self._command_of[test] is command]
                if only:
                    self.treadle.update(children.run(command, TREADLE, self._log, only))
        return sorted(set(at_first) - set(self.differing()))


def _told(suite: Suite, both: Pair, unsteady: Sequence[str], private: Collection[str], took_s: float) -> list[str]:
    def figure(outcomes: Outcomes) -> str:
        return str(count(
            outcome for test, outcome in outcomes.items()
            if test not in private and (outcome.made_loop or not suite.only_with_loop)
        ))  # fmt: skip

    deviations = _lines(HERE / "deviations.txt")
    differing = [test for test in both.differing() if test not in private]
    bad_on_both = [
        test for test, outcome in both.treadle.items() if outcome.is_bad and test not in differing and test not in private
    ]
    counted = " (tests that make a loop)" if suite.only_with_loop else ""
    print(f"\n{suite.name}{counted}, {took_s:.0f} s")
    print(f"    asyncio  {figure(both.stock)}\n    treadle  {figure(both.treadle)}")
    hangs = [test for test, outcome in both.treadle.items() if outcome.result in ("hang", "crash")]
    print(f"    hangs and crashes on treadle: {len(hangs)}")
    for title, tests in (
        ("fails on treadle only", [test for test in differing if test not in deviations]),
        ("fails on treadle only, see ADR 0004", [test for test in differing if test in deviations]),
        ("failed on treadle, passed when run again", unsteady),
    ):
        print(f"    {title}: {len(tests) or 'nothing'}")
        for test in tests[:LISTED_MAX]:
            outcome = both.treadle.get(test)
            print(f"        {test}  {f'{outcome.result}: {outcome.text}' if outcome else 'was not run'}")
    print(f"    fails on both: {len(bad_on_both) or 'nothing'}, see .suites/{suite.name}-{VERSION}.both", flush=True)
    (WORK / f"{suite.name}-{VERSION}.both").write_text("".join(f"{test}  {both.treadle[test]}\n" for test in bad_on_both))
    return [test for test in differing if test not in deviations] + [test for test in hangs if test.startswith("<")]


def _lines(path: Path) -> set[str]:
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


if __name__ == "__main__":
    sys.exit(main())
