"""``make http-suites``: the tests of HTTP servers and frameworks against a live treadle, and what came out.

    make http-suites ARGS='granian'                only this one
    make http-suites ARGS='--anchor starlette'     on uvicorn, too, through the same adapter: what that itself loses

The exit status is 1 if a test fails that verdicts.toml does not explain, or passes though it is explained there.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping

from tests.suites import children
from tests.suites.environment import WORK, Environment, Unavailable
from tests.suites.http import REQUIREMENTS
from tests.suites.http.catalogue import SUITES, HTTPSuite
from tests.suites.http.verdicts import Verdicts, judge, reasons_of
from tests.suites.outcomes import count

LOOP = "asyncio:SelectorEventLoop"  # of the tests themselves; a server has its own
ANCHOR = "uvicorn"


def main() -> int:
    """Run what is asked for. The exit status."""
    parser = argparse.ArgumentParser(
        prog="make http-suites", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [suite.name for suite in SUITES]
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--anchor", action="store_true", help=f"{ANCHOR}, too")
    parser.add_argument("--all", action="store_true", help="list the tests that deviate or say nothing, too, one by one")
    options = parser.parse_args()
    chosen = options.suites or names
    if unknown := set(chosen) - set(names):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of every finally: no child stays behind
    environment = Environment("http", REQUIREMENTS)
    environment.prepare()
    is_good = True
    for suite in SUITES:
        if suite.name in chosen:
            is_good &= _run(suite, environment, "treadle", is_all=options.all)
            if options.anchor:
                _run(suite, environment, ANCHOR, is_all=options.all)
    return 0 if is_good else 1


def _run(suite: HTTPSuite, environment: Environment, server: str, *, is_all: bool) -> bool:
    began_s = time.monotonic()
    log = WORK / f"{suite.name}-on-{server}.log"
    log.unlink(missing_ok=True)
    try:
        outcomes = children.run(suite.command(environment, server), LOOP, log)
    except Unavailable as reason:
        print(f"\n{suite.name}: not run: {reason}", flush=True)
        return True
    name = f"\n{suite.name} {environment.version_of(suite.name)} on {server}, {time.monotonic() - began_s:.0f} s"
    if server == ANCHOR:  # the reasons are of treadle
        print(f"{name}: {count(outcomes.values())} pass", flush=True)
        return True
    verdicts = judge(outcomes, reasons_of(suite.name))
    print(f"{name}: {verdicts}")
    _tell(verdicts, is_all=is_all)
    return not verdicts.unexplained and not verdicts.recovered


def _tell(verdicts: Verdicts, *, is_all: bool) -> None:
    for title, tests in (("deviating", verdicts.deviating), ("not meaningful", verdicts.meaningless)):
        for reason, number in Counter(tests.values()).most_common():
            print(f"    {title}: {number}, {reason}")
            if is_all:
                _list({test: "" for test, why in tests.items() if why == reason})
    for title, tests in (("UNEXPLAINED", verdicts.unexplained), ("passes, though explained", verdicts.recovered)):
        if tests:
            print(f"    {title}: {len(tests)}")
            _list(tests)
    sys.stdout.flush()


def _list(tests: Mapping[str, str]) -> None:
    for test, text in tests.items():
        print(f"        {test}  {text}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
