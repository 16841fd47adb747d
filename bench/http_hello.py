#!/usr/bin/env python3
"""HTTP hello world over keep-alive connections: CPU microseconds per request, and the ratio to each peer.

Cases: a handler in Node's manner, a raw ASGI application, a FastAPI application. Servers take turns: each round starts
every one of them afresh, warms it up and drives it, so that a ratio compares neighbours in time. A figure is the
median over the rounds; a ratio is taken within a round first. How to read it: bench/README.md.

    python3 bench/http_hello.py [--quick] [--only treadle-node,node24] [--json FILE] [--check]

Exit status: 0 measured; 1 a treadle server is missing or a run of it was invalid; 2 (with --check) a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness import cpu, environment, peers
from harness.environment import Environment, say
from harness.interpreter import NoInterpreterError
from harness.load import LoadError, hidden_steal_pct
from harness.measure import Plan, Sample, sample
from harness.results import COLUMNS, Results, doubts, row
from harness.rounds import taking_turns
from harness.server import ServerError
from harness.table import table

ROUNDS = 5
QUICK = Plan(seconds=4, warm_seconds=1)
QUICK_ROUNDS = 1

RIVALS = {
    "treadle-node": ("node24", "node20", "nginx", "c-epoll", "treadle-unbatched"),
    "treadle-asgi": ("uvicorn-asgi", "granian-asgi", "freastal-asgi", "c-epoll"),
    "treadle-fastapi": ("uvicorn-fastapi", "granian-fastapi"),
}


@dataclass(frozen=True)
class Goal:
    """A bound on CPU per request, relative to a peer in the same round."""

    server: str
    peer: str
    bound: float
    is_strict: bool = False

    def is_met(self, ratio: float) -> bool:
        """Whether the ratio keeps the bound."""
        return ratio < self.bound if self.is_strict else ratio <= self.bound

    def __str__(self) -> str:
        return f"{self.server} / {self.peer} {'<' if self.is_strict else '<='} {self.bound:.2f}"


FLOOR = "c-epoll"  # parses nothing: what of a peer's figure is the kernel's, and beyond anybody's reach

GOALS = (
    Goal("treadle-node", "node24", 0.40),
    Goal("treadle-node", "c-epoll", 1.50),
    Goal("treadle-asgi", "uvicorn-asgi", 0.55),
    Goal("treadle-asgi", "granian-asgi", 1.00, is_strict=True),
)


def measure(chosen: Sequence[peers.Peer], env: Environment, plan: Plan, rounds: int) -> Results:
    """Round-robin over the servers; each round begins with another one."""
    samples: list[Sample] = []
    steals: list[list[float]] = []
    for index in range(rounds):
        steal = hidden_steal_pct(env.tools["hidden_steal"], (plan.server_cpu, plan.client_cpu))
        say(f"round {index + 1}/{rounds}: hidden steal on server and client CPU {steal[0]:.1f} % {steal[1]:.1f} %")
        steals.append(steal)
        for peer in taking_turns(chosen, index, rounds):
            try:
                one = sample(peer, env, plan, index)
            except (ServerError, LoadError, OSError) as error:
                say(f"  {peer.name}: INVALID: {error}")
                continue
            say(
                f"  {one.server}: {one.total_us:.2f} us (user {one.user_us:.2f}, system {one.system_us:.2f}), "
                f"{one.rps:,.0f} rps" + (f", INVALID: {one.problem}" if one.problem else "")
            )
            samples.append(one)
    return Results(samples, steals)


def print_report(results: Results, chosen: Sequence[peers.Peer], rounds: int) -> None:
    """The three tables, and every reason to doubt them."""
    print(f"\nCPU microseconds per request, median of {rounds} round(s)\n")
    print(table(COLUMNS, [row(peer, results, rounds) for peer in chosen], texts=2))

    print("\nCPU per request relative to peers in the same round, median (lowest to highest)\n")
    pairs = [(s, p) for s, rivals in RIVALS.items() for p in rivals if results.ratios(s, p)]
    print(
        table(
            ("server", "peer", "ratio", "range"),
            [(s, p, *_ratio_cells(results.ratios(s, p))) for s, p in pairs],
            texts=2,
        )
    )

    print("\nGoals\n")
    print(
        table(
            ("goal", "measured", "met", f"{FLOOR} / peer", "user time / peer"),
            [
                (
                    str(g),
                    _ratio(results.ratio(g.server, g.peer)),
                    met(g, results),
                    _ratio(results.ratio(FLOOR, g.peer)),
                    _ratio(results.user_ratio(g.server, g.peer)),
                )
                for g in GOALS
            ],
        )
    )
    print()
    for doubt in doubts(results):
        say(doubt)


def met(goal: Goal, results: Results) -> str:
    """yes or NO, with a mark when other processes shared the CPUs; or that it was not measured."""
    ratio = results.ratio(goal.server, goal.peer)
    if math.isnan(ratio):
        return "not measured"
    verdict = "yes" if goal.is_met(ratio) else "NO"
    return f"{verdict}, disturbed" if results.is_disturbed(goal.server, goal.peer) else verdict


def _ratio(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _ratio_cells(values: list[float]) -> tuple[str, str]:
    return f"{statistics.median(values):.2f}", f"{min(values):.2f} to {max(values):.2f}"


def as_json(results: Results, env: Environment, plan: Plan, rounds: int) -> dict[str, object]:
    """Everything that was measured."""
    return {
        "versions": peers.versions(env),
        "plan": {**asdict(plan), "rounds": rounds},
        "skipped": env.missing,
        "hidden_steal_pct": results.steal_pct,
        "samples": [s.as_json() for s in results.samples],
        "ratios": {f"{s}/{p}": v for s, ps in RIVALS.items() for p in ps if (v := results.ratios(s, p))},
        "goals": [
            {
                "goal": str(g),
                "met": met(g, results),
                "ratio": results.ratio(g.server, g.peer),
                "floor": results.ratio(FLOOR, g.peer),
            }
            for g in GOALS
        ],
    }


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}")
    parser.add_argument("--quick", action="store_true", help="one round: whether it works, not a figure to quote")
    parser.add_argument("--only", help="servers, by name, separated by commas")
    parser.add_argument("--seconds", type=int, help=f"of load per server and round, default {Plan.seconds}")
    parser.add_argument("--connections", type=int, default=Plan.connections)
    parser.add_argument("--server-cpu", type=int)
    parser.add_argument("--client-cpu", type=int)
    parser.add_argument("--json", type=Path, help="write every sample there")
    parser.add_argument("--check", action="store_true", help="exit status 2 when a goal is missed")
    return parser.parse_args(argv)


def plan_from(args: argparse.Namespace) -> Plan:
    """CPUs default to the first two that this process may use."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise SystemExit("the bench needs two CPUs: one for the server, one for the load")
    server = allowed[0] if args.server_cpu is None else args.server_cpu
    client = next(c for c in allowed if c != server) if args.client_cpu is None else args.client_cpu
    plan = QUICK if args.quick else Plan()
    plan = replace(plan, connections=args.connections, server_cpu=server, client_cpu=client)
    return replace(plan, seconds=args.seconds) if args.seconds else plan


def choose(env: Environment, only: str | None) -> list[peers.Peer]:
    """The servers that can run, and a line for each that cannot."""
    names = only.split(",") if only else [p.name for p in peers.HTTP]
    unknown = set(names) - {p.name for p in peers.HTTP}
    if unknown:
        raise SystemExit(f"no such server: {', '.join(sorted(unknown))}; known: {', '.join(p.name for p in peers.HTTP)}")
    chosen = []
    for peer in (p for p in peers.HTTP if p.name in names):
        reason = peer.why_not(env)
        if reason:
            say(f"SKIPPED {peer.name}: {reason}")
        else:
            chosen.append(peer)
    return chosen


def announce(env: Environment, plan: Plan) -> None:
    """What is measured and how, before it begins."""
    say(", ".join(f"{name} {version}" for name, version in peers.versions(env).items()))
    cpus = f"server on CPU {plan.server_cpu}, load on CPU {plan.client_cpu}"
    say(f"{plan.connections} connections, {plan.seconds} s each after {plan.warm_seconds} s of warm-up; {cpus}")
    if not env.python.is_quotable:
        say("this Python is older than 3.12 (no eager tasks): figures not to be quoted")
    if cpu.are_siblings(plan.server_cpu, plan.client_cpu):
        say(f"CPUs {plan.server_cpu} and {plan.client_cpu} are threads of one core: figures are inflated")


def run(args: argparse.Namespace) -> tuple[int, Results | None]:
    """Measure and report: the exit status, and the results when there are any."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwind, so that the running server is stopped
    plan = plan_from(args)
    try:
        env = environment.prepare()
    except NoInterpreterError as error:
        raise SystemExit(str(error)) from None
    environment.need_system_tool(env, "wrk", "wrk")
    environment.need_system_tool(env, "nginx", "nginx")
    for tool in ("wrk", "hidden_steal"):
        if not env.has(tool):
            raise SystemExit(f"the bench cannot run without {tool}: {env.missing[tool]}")

    chosen = choose(env, args.only)
    if not chosen:
        return 1, None
    rounds = args.rounds or (QUICK_ROUNDS if args.quick else ROUNDS)
    announce(env, plan)
    results = measure(chosen, env, plan, rounds)
    print_report(results, chosen, rounds)
    if args.json:
        args.json.write_text(json.dumps(as_json(results, env, plan, rounds), indent=1) + "\n")
    return exit_status(args, results, rounds), results


def exit_status(args: argparse.Namespace, results: Results, rounds: int) -> int:
    """See the top of this file."""
    ours = [p.name for p in peers.HTTP if "treadle" in p.needs and (not args.only or p.name in args.only.split(","))]
    if any(len(results.of(name)) < rounds for name in ours):
        say("a treadle server is missing, or a run of it was invalid")
        return 1
    if args.check and not all(met(goal, results).startswith("yes") for goal in GOALS):
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run(options(None))[0])
