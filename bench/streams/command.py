"""Streams beside Node 24's and beside async generators: CPU per chunk, per object and per MiB; goals beside what was measured.

Peers take turns: each round starts every one of them afresh, so that a ratio compares neighbours in time. A figure is
the median over the rounds. How to read it: bench/README.md.

    python3 bench/run.py streams [--quick] [--only pipe,objects,sockets] [--peers treadle,node24] [--json FILE] [--check]
    python3 bench/run.py streams --only sockets --total-mib 1024
    python3 bench/run.py streams --instructions [--only objects_3] [--functions 25]

Exit status: 0 measured; 1 treadle is missing, or a figure of its; 2 (with --check) a goal is missed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from harness import cases, peers
from harness.environment import Environment, say
from harness.figures import GOAL_COLUMNS, Figures, Goal
from harness.load import LoadError, hidden_steal_pct
from harness.measure import Plan, Sample
from harness.results import Results, doubts
from harness.rounds import chosen_of, taking_turns, two_cpus
from harness.server import ServerError
from harness.table import number, table

from . import bulk, in_process, instructions

ROUNDS = 3
QUICK_MIB = 512
FIGURES = (*in_process.FIGURES, *bulk.FIGURES)
GROUPS = {
    "transform": ("transform_1", "transform_3"),
    "iterate": ("iterate_objects", "iterate_awaited", "iterate_bytes"),
    "objects": ("objects_3",),
    "sockets": bulk.FIGURES,
}
PEERS = (*in_process.PEERS, "c-kernel")
GOALS = (*in_process.GOALS, *bulk.GOALS)


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = cases.parser("streams", __doc__, ROUNDS, (*GROUPS, *FIGURES), PEERS)
    parser.add_argument("--total-mib", type=int, help=f"over sockets, per server and round, default {bulk.TOTAL_MIB}")
    parser.add_argument("--instructions", action="store_true", help="count instructions under callgrind instead of time")
    parser.add_argument("--functions", type=int, default=0, help="with --instructions: show treadle's dearest ones")
    parser.add_argument("--json", type=Path, help="write every value there")
    return parser.parse_args(argv)


def measure_sockets(
    found: Figures, env: Environment, servers: Sequence[peers.Peer], plan: Plan, total_mib: int, index: int
) -> list[Sample]:
    """One round of the servers."""
    file = bulk.make_file() if servers else Path()
    samples = []
    for server in servers:
        try:
            one = bulk.sample(server, env, plan, total_mib, file, index)
        except (ServerError, LoadError, OSError) as error:
            say(f"  {server.name}: INVALID: {error}")
            continue
        say(f"  {server.name}: {one.total_us:.0f} us (user {one.user_us:.0f}, system {one.system_us:.0f}), {one.rps:,.0f} MiB/s")
        samples.append(one)
        bulk.add(found, one)
    return samples


def print_report(
    found: Figures, results: Results, servers: Sequence[peers.Peer], chosen: Sequence[str], goals: Sequence[Goal], rounds: int
) -> None:
    """A row a figure, a column a peer; the servers; the goals; every reason to doubt them."""
    inside = [f"{figure}{end}" for figure in in_process.FIGURES if figure in chosen for end in ("", f" {in_process.FIRST}")]
    if inside:
        runners = [peer for peer in in_process.PEERS if any(found.of(figure, peer) for figure in inside)]
        title = "CPU nanoseconds per chunk or object, of the median pass and of the first"
        print(f"\n{title}; median of {rounds} round(s), ± spread in %\n")
        print(table(("figure", *runners), [(f, *(found.cell(f, p) for p in runners)) for f in inside]))
    if servers:
        print(f"\nCPU microseconds of the server per MiB, median of {rounds} round(s)\n")
        print(table(bulk.COLUMNS, [bulk.row(server, results, rounds) for server in servers]))
    print("\nGoals\n")
    print(table((*GOAL_COLUMNS, "floor"), [(*goal.row(found), floor_of(goal, found)) for goal in goals], texts=3))
    print()
    if disturbed := found.disturbed():
        worst, peer = disturbed[0]
        say(f"DISTURBED: other processes had their share of the CPU in {len(disturbed)} runs (worst: {peer}, {number(worst)} %)")
    for doubt in doubts(results):
        say(doubt)


def floor_of(goal: Goal, found: Figures) -> str:
    """What is measured of the goal's peer where no stream is below the program, or no program above the kernel."""
    floor = "c-kernel" if goal.figure in bulk.FIGURES else "bare"
    return number(found.ratio((goal.figure, floor), [(goal.figure, peer) for peer in goal.peers]))


def run(args: argparse.Namespace) -> int:
    """Measure and report: the exit status."""
    chosen = chosen_of(args.only, FIGURES, "figure", GROUPS)
    wanted = chosen_of(args.peers, PEERS, "peer")
    cpus = two_cpus()
    plan = Plan(connections=bulk.CONNECTIONS, server_cpu=cpus[0], client_cpu=cpus[1])
    env = cases.prepare()
    runners = cases.available([peer for peer in in_process.PEERS if peer in wanted], lambda peer: in_process.why_not(env, peer))
    say(", ".join(f"{name} {version}" for name, version in peers.versions(env).items()))
    if args.instructions:
        return instructions.run(env, chosen, runners, plan.server_cpu, args.functions)

    runs = in_process.runs_of(chosen, runners)
    servers = bulk.servers_of(env, chosen, wanted)
    rounds = cases.rounds_of(args, ROUNDS)
    total_mib = args.total_mib or (QUICK_MIB if args.quick else bulk.TOTAL_MIB)
    found = Figures()
    samples: list[Sample] = []
    steals = []
    for index in range(rounds):
        steals.append(hidden_steal_pct(env.tools["hidden_steal"], cpus))
        say(
            f"round {index + 1}/{rounds}: hidden steal on both CPUs {steals[-1][0]:.1f} % {steals[-1][1]:.1f} %; ns, pass by pass"
        )
        for case, peer in taking_turns(runs, index, rounds):
            in_process.measure(found, env, case, peer, plan.server_cpu, index)
        samples += measure_sockets(found, env, taking_turns(servers, index, rounds), plan, total_mib, index)
    results = Results(samples, steals)
    goals = [goal for goal in GOALS if goal.figure.partition(" ")[0] in chosen]
    print_report(found, results, servers, chosen, goals, rounds)
    if args.json:
        report = {"versions": peers.versions(env), "figures": found.as_json(), "samples": [one.as_json() for one in samples]}
        args.json.write_text(json.dumps(report, indent=1) + "\n")
    if "treadle" in wanted and any(len(found.of(figure, "treadle")) < rounds for figure in chosen):
        say("treadle is missing, or a figure of its")
        return 1
    return 2 if args.check and not all(goal.is_met(found) for goal in goals) else 0
