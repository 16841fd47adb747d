"""The loop beside asyncio, uvloop, rloop and Node 24: CPU per operation and per echoed message; goals beside what was measured.

Peers take turns: each round starts every one of them afresh, so that a ratio compares neighbours in time. A figure is
the median over the rounds. How to read it: bench/README.md.

    python3 bench/run.py loop [--quick] [--only callback,turn,tcp] [--peers treadle,uvloop] [--json FILE] [--check]
    python3 bench/run.py loop --instructions [--only callback,tcp_protocol] [--functions 12]

Exit status: 0 measured; 1 treadle is missing, or a figure of its; 2 (with --check) a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness import cases, environment, peers
from harness.environment import Environment, say
from harness.figures import GOAL_COLUMNS, Figures, Goal
from harness.load import LoadError, hidden_steal_pct
from harness.measure import Plan, Sample
from harness.results import COLUMNS, Results, doubts, row
from harness.rounds import chosen_of, taking_turns, two_cpus
from harness.server import ServerError
from harness.table import table

from . import echo, instructions, micro

ROUNDS = 3
FIGURES = (*micro.FIGURES, *echo.FIGURES)
GROUPS = {
    "micro": micro.FIGURES,
    "echo": echo.FIGURES,
    "tcp": tuple(figure for figure in echo.FIGURES if not echo.is_tls(figure)),
    "tls": tuple(filter(echo.is_tls, echo.FIGURES)),
}
GOALS = (*micro.GOALS, *echo.GOALS)


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = cases.parser("loop", __doc__, ROUNDS, (*GROUPS, *FIGURES), tuple(micro.PEERS))
    parser.add_argument(
        "--seconds", type=int, default=echo.PLAN.seconds, help="of load per echo server and round, default %(default)s"
    )
    parser.add_argument("--instructions", action="store_true", help="count instructions under callgrind instead of time")
    parser.add_argument("--functions", type=int, default=0, help="with --instructions: show treadle's dearest ones")
    parser.add_argument("--json", type=Path, help="write every value there")
    return parser.parse_args(argv)


def why_not(env: Environment, peer: str) -> str:
    """Why the peer cannot be measured here; '' when it can."""
    tool = micro.tool_of(peer)
    return "" if env.has(tool) else env.missing.get(tool, "unknown")


def servers_of(env: Environment, chosen: Sequence[str], wanted: Sequence[str]) -> list[peers.Peer]:
    """The echo servers that can run, and a line for each that cannot."""
    servers = []
    for figure in (one for one in echo.FIGURES if one in chosen):
        for server in (echo.server(figure, name) for name in echo.WAYS[figure][1] if name in wanted):
            reason = server.why_not(env)
            if reason:
                say(f"SKIPPED {server.name}: {reason}")
            else:
                servers.append(server)
    return servers


def plan_from(args: argparse.Namespace) -> Plan:
    """The first two CPUs that this process may use: what is measured on one, the load on the other."""
    server, client = two_cpus()
    return replace(echo.PLAN, seconds=args.seconds, server_cpu=server, client_cpu=client)


def measure_echo(found: Figures, env: Environment, servers: Sequence[peers.Peer], plan: Plan, index: int) -> list[Sample]:
    """One round of the echo servers."""
    certificate = echo.make_certificate(env) if any(echo.is_tls(server.case) for server in servers) else None
    samples = []
    for server in servers:
        try:
            one = echo.sample(server, env, plan, certificate if echo.is_tls(server.case) else None, index)
        except (ServerError, LoadError, OSError) as error:
            say(f"  {server.name}: INVALID: {error}")
            continue
        samples.append(one)
        if one.is_valid:
            figure, _, peer = server.name.partition("/")
            found.add(figure, peer, index, one.total_us if math.isnan(one.schedstat_us) else one.schedstat_us)
    return samples


def print_report(
    found: Figures, results: Results, servers: Sequence[peers.Peer], chosen: Sequence[str], goals: Sequence[Goal], rounds: int
) -> None:
    """A row a figure, a column a peer; the echo servers; the goals; every reason to doubt them."""
    operations = [figure for figure in micro.FIGURES if figure in chosen]
    if operations:
        runners = [peer for peer in micro.PEERS if any(found.of(figure, peer) for figure in operations)]
        print(f"\nCPU nanoseconds per operation, median of {rounds} round(s), ± spread in %\n")
        print(table(("figure", *runners), [(f, *(found.cell(f, p) for p in runners)) for f in operations]))
    if servers:
        print(f"\nCPU microseconds of the server per echoed message of {echo.MESSAGE_BYTES} bytes, median of {rounds} round(s)\n")
        print(table(COLUMNS, [row(server, results, rounds) for server in servers], texts=2))
    print("\nGoals\n")
    print(table(GOAL_COLUMNS, [goal.row(found) for goal in goals], texts=3))
    print()
    if disturbed := found.disturbed():
        worst, peer = disturbed[0]
        say(f"DISTURBED: other processes had their share of the CPU in {len(disturbed)} runs (worst: {peer}, {worst:.0f} %)")
    for doubt in doubts(results):
        say(doubt)


def run(args: argparse.Namespace) -> int:
    """Measure and report: the exit status."""
    chosen = chosen_of(args.only, FIGURES, "figure", GROUPS)
    wanted = chosen_of(args.peers, tuple(micro.PEERS), "peer")
    plan = plan_from(args)
    env = cases.prepare()
    environment.need_system_tool(env, "openssl", "openssl")
    runners = cases.available(wanted, lambda peer: why_not(env, peer))
    say(", ".join(f"{name} {version}" for name, version in peers.versions(env).items()))
    if args.instructions:
        chosen = chosen if args.only else instructions.DEFAULT
        return instructions.run(env, chosen, runners, plan, args.functions)

    servers = servers_of(env, chosen, runners)
    rounds = cases.rounds_of(args, ROUNDS)
    found = Figures()
    samples: list[Sample] = []
    steals = []
    cpus = (plan.server_cpu, plan.client_cpu)
    for index in range(rounds):
        steals.append(hidden_steal_pct(env.tools["hidden_steal"], cpus))
        say(f"round {index + 1}/{rounds}: hidden steal on both CPUs {steals[-1][0]:.1f} % {steals[-1][1]:.1f} %")
        for peer in taking_turns(runners, index, rounds):
            micro.measure(found, env, peer, chosen, plan.server_cpu, index)
        samples += measure_echo(found, env, taking_turns(servers, index, rounds), plan, index)
    results = Results(samples, steals)
    goals = [goal for goal in GOALS if goal.figure in chosen and goal.ours in wanted]
    print_report(found, results, servers, chosen, goals, rounds)
    if args.json:
        report = {"versions": peers.versions(env), "figures": found.as_json(), "samples": [one.as_json() for one in samples]}
        args.json.write_text(json.dumps(report, indent=1) + "\n")
    if "treadle" in wanted and any(len(found.of(figure, "treadle")) < rounds for figure in chosen):
        say("treadle is missing, or a figure of its")
        return 1
    return 2 if args.check and not all(goal.is_met(found) for goal in goals) else 0
