#!/usr/bin/env python3
"""What a place that may publish costs while nobody subscribes, and with one subscriber; beside the standard library's own ways to
say something that mostly nobody hears: a logger whose level is off, and sys.audit without a hook. In one process, interleaved.

    python3 bench/diagnostics_channel.py [--rounds 9]

Each figure is that of a statement in a loop, less the empty loop.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from harness import environment
from harness.table import number, table

CALLS = 200_000


def cases() -> dict[str, Callable[[], object]]:
    """Name -> CALLS times that statement."""
    import logging

    from treadle.diagnostics_channel import channel, tracing_channel

    silent, heard, tracing = channel("bench:silent"), channel("bench:heard"), tracing_channel("bench:tracing")
    heard.subscribe(lambda message, name: None)
    logger = logging.getLogger("bench")
    logger.setLevel(logging.WARNING)
    message = {"sql": "SELECT 1"}
    beats = range(CALLS)

    def nothing() -> None:
        for _ in beats:
            pass

    def guard() -> None:
        for _ in beats:
            if silent.has_subscribers:
                silent.publish(message)

    def publish() -> None:
        for _ in beats:
            silent.publish(message)

    def publish_to_one() -> None:
        for _ in beats:
            if heard.has_subscribers:
                heard.publish(message)

    def call() -> None:
        for _ in beats:
            len(message)

    def trace() -> None:
        for _ in beats:
            tracing.trace_sync(len, None, message)

    def log_guard() -> None:
        for _ in beats:
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug(message)

    def audit() -> None:
        for _ in beats:
            sys.audit("bench", message)

    return {
        "": nothing,
        "if channel.has_subscribers: ...": guard,
        "channel.publish(message)": publish,
        "the same, one subscriber": publish_to_one,
        "a call, len(x)": call,
        "the call by trace_sync": trace,
        "if logger.isEnabledFor(DEBUG): ...": log_guard,
        'sys.audit("bench", message)': audit,
    }


def measure(rounds: int) -> None:
    """Print nanoseconds per statement, the median over the rounds."""
    every = cases()
    times: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(rounds):
        for name, case in every.items():
            start = time.process_time_ns()
            case()
            times[name].append((time.process_time_ns() - start) / CALLS)
    median = {name: statistics.median(spent) for name, spent in times.items()}
    rows = [(name, number(spent - median[""])) for name, spent in median.items() if name]
    print(table(("statement", "ns"), rows, texts=1))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure in the bench's environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.inside:
        measure(args.rounds)
        return 0
    python = environment.prepare(peers=False).venv / "bin" / "python"
    return subprocess.run([str(python), __file__, "--inside", "--rounds", str(args.rounds)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
