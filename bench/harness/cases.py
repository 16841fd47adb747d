"""What the commands of the cases have in common: their options, their environment, the peers that can run.

Not here: what a case measures, and its goals (bench/*/command.py).
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence

from . import environment
from .environment import Environment, say
from .interpreter import NoInterpreterError


def parser(name: str, doc: str | None, rounds: int, figures: Sequence[str], peers: Sequence[str]) -> argparse.ArgumentParser:
    """Of `run.py name`, with the options that all have; rounds is what it does when not told."""
    made = argparse.ArgumentParser(prog=f"run.py {name}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, help=f"default {rounds}")
    made.add_argument("--quick", action="store_true", help="one round: whether it works, not a figure to quote")
    made.add_argument("--only", help=f"by commas, of {', '.join(figures)}")
    made.add_argument("--peers", help=f"by commas, of {', '.join(peers)}")
    made.add_argument("--check", action="store_true", help="exit status 2 when a goal is missed")
    return made


def rounds_of(args: argparse.Namespace, rounds: int) -> int:
    """How many were asked for."""
    return int(args.rounds or (1 if args.quick else rounds))


def prepare() -> Environment:
    """Everything that is measured. From here on SIGTERM unwinds, so that what runs is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return environment.prepare()
    except NoInterpreterError as error:
        raise SystemExit(str(error)) from None


def available(wanted: Sequence[str], why_not: Callable[[str], str]) -> list[str]:
    """The peers that can run, and a line for each that cannot."""
    reasons = {peer: why_not(peer) for peer in wanted}
    for peer, reason in reasons.items():
        if reason:
            say(f"SKIPPED {peer}: {reason}")
    return [peer for peer, reason in reasons.items() if not reason]
