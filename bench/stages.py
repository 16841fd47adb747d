#!/usr/bin/env python3
"""User CPU per request by stage, on the server in Node's manner or of an ASGI application: instructions counted by callgrind.

With --exchange it is a request of exchanges/ on the raw ASGI application there, or the handler in Node's manner.

Each instruction is charged to the innermost stage among its callers: what a helper does for the parser is parsing,
what the handler calls to build its answer is serialising. Kernel time is not in it: callgrind sees no further than
the system call. The build is the release build except that functions stay apart (see harness/environment.py).

    python3 bench/stages.py [--server treadle-asgi] [--exchange json] [--requests 4096] [--paths parse] [--user-us 2.4]
        [--json FILE]

Exit status: 0 every stage was found; 1 a stage of the table below matches no function any more.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from exchanges import command as exchanges
from harness import environment, paths, peers
from harness.callgrind import CALLERS, Cost, count_requests
from harness.environment import STAGES_FLAGS, say
from harness.interpreter import NoInterpreterError
from harness.server import free_port, read_answer, request
from harness.table import number, table

# Stage: the functions at which it begins, `*` and `?` allowed. Functions of treadle._native are written without that
# prefix: `module.Class.method`. To find names: the list that a run prints at its end.
STAGES: dict[str, tuple[str, ...]] = {
    "receive": ("io_phases.IoPhases.poll", "poll_epoll.Poller.*", "tcp.Stream.on_ready", "tcp.Stream.read_some"),
    "parse": (
        "http1_messages.Messages.on_bytes",
        "http1_messages.Messages.consume*",
        "http1_messages.Messages.begin_message",
        "http1_messages.Messages.feed",
        "http1_messages.ParserShim.*",
        "http1_fields.*",
    ),
    "dispatch": (
        "http1_server.ServerCore.dispatch",
        "http1_messages.Messages.message_complete",
        "http1_connection.Connection.response_complete",
    ),
    "handler": ("_PyEval_EvalFrameDefault",),  # the only Python that runs while a request is served
    "serialise": ("http1_response.ResponseCore.*", "http1_answer_head.AnswerHead.*", "http1_head.HeadWriter.*"),
    "send": ("tcp.Stream.send_bytes", "tcp.Stream.flush*"),
}
PREFIX = "treadle._native."

SERVERS = ("treadle-node", "treadle-asgi", "treadle-fastapi")
REQUESTS = 4096
WARM = 2048  # the interpreter specialises its bytecode, free lists fill
CONNECTIONS = 64
ANSWER_TIMEOUT_S = 60.0
TOP = 15
CUT_OFF_MAX = 0.01
PATH_MAX = 6  # callers shown where no stage begins
REST = "(no stage)"


@dataclass
class Breakdown:
    """Instructions per request by stage and by function."""

    stages: dict[str, float]
    functions: Counter[tuple[str, str]]  # (function, stage)
    paths: Counter[tuple[str, str]]  # (calls from the beginning of the stage to the function, stage)
    unseen: list[str]  # patterns that match nothing
    missing: list[str]  # stages of which no pattern matches
    cut_off: float  # instructions without a stage whose chain of callers was longer than what is recorded

    @property
    def total(self) -> float:
        """Instructions of one request."""
        return sum(self.stages.values())


def break_down(costs: Sequence[Cost], requests: int) -> Breakdown:
    """Charge every cost to the innermost stage of its chain."""
    stages = dict.fromkeys((*STAGES, REST), 0.0)
    functions: Counter[tuple[str, str]] = Counter()
    calls: Counter[tuple[str, str]] = Counter()
    cut_off = 0
    for cost in costs:
        depth, stage = next(((i, s) for i, name in enumerate(cost.chain) if (s := stage_of(name))), (PATH_MAX, REST))
        calls[" > ".join(map(short, reversed(cost.chain[: depth + 1]))), stage] += cost.instructions
        stages[stage] += cost.instructions / requests
        if stage == REST and len(cost.chain) > CALLERS:
            cut_off += cost.instructions
        functions[short(cost.chain[0]), stage] += cost.instructions
    seen = {short(name) for cost in costs for name in cost.chain}
    unseen = {p: s for s, patterns in STAGES.items() for p in patterns if not any(fnmatchcase(n, p) for n in seen)}
    missing = [s for s, patterns in STAGES.items() if all(p in unseen for p in patterns)]
    return Breakdown(stages, functions, calls, list(unseen), missing, cut_off / requests)


@cache
def stage_of(function: str) -> str | None:
    """The stage that begins at this function."""
    name = short(function)
    return next((s for s, patterns in STAGES.items() if any(fnmatchcase(name, p) for p in patterns)), None)


def short(function: str) -> str:
    """Without the prefix that all native functions of treadle share."""
    return function.removeprefix(PREFIX)


def print_report(found: Breakdown, requests: int, user_us: float | None) -> None:
    """By stage, then the functions with the highest own cost, with the stage for which they worked."""
    print(f"\nInstructions in user mode per request, {requests} requests over {CONNECTIONS} connections\n")
    columns = ["stage", "instructions", "share %"] + (["about us"] if user_us else [])
    rows = []
    for stage, instructions in (*found.stages.items(), ("total", found.total)):
        share = instructions / found.total
        figure = "NOT FOUND" if stage in found.missing else number(instructions)
        rows.append([stage, figure, f"{100 * share:.1f}"] + ([f"{share * user_us:.2f}"] if user_us else []))
    print(table(columns, rows))
    if user_us:
        print(f"\nabout us: the share of {user_us:.2f} us user time measured without callgrind.")
    print("\nKernel time is not in this table. Highest own cost:\n")
    top = [
        (name, stage, number(instructions / requests), f"{100 * instructions / requests / found.total:.1f}")
        for (name, stage), instructions in found.functions.most_common(TOP)
    ]
    print(table(("function", "stage", "instructions", "share %"), top, texts=2))
    print()
    if found.cut_off > CUT_OFF_MAX * found.total:
        say(f"{number(found.cut_off)} instructions have no stage because their callers go deeper than {CALLERS}")
    for pattern in found.unseen:
        say(f"pattern matches nothing: {pattern}")
    for stage in found.missing:
        say(f"stage NOT FOUND: {stage}")


def print_paths(found: Breakdown, requests: int, stage: str) -> None:
    """Where within one stage the instructions go: the dearest paths of calls from its beginning."""
    print(f"\nPaths in {stage}, instructions of the last function itself per request:\n")
    inside = Counter({path: spent for (path, s), spent in found.paths.items() if s == stage})
    for path, spent in inside.most_common(2 * TOP):
        print(f"{number(spent / requests):>8}  {path}")


def exchange(sockets: Sequence[socket.socket], sent: bytes) -> None:
    """A request on each connection, then every answer."""
    for one in sockets:
        one.sendall(sent)
    for one in sockets:
        read_answer(one)


def main(argv: Sequence[str] | None = None) -> int:
    """Count and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--user-us", type=float, help="user time per request from http_hello.py, to show us by stage")
    parser.add_argument("--server", choices=SERVERS, default=SERVERS[0])
    parser.add_argument("--exchange", choices=tuple(exchanges.EXCHANGES), help="this request, of exchanges/")
    parser.add_argument("--paths", choices=(*STAGES, REST), help="show the dearest paths of calls within this stage")
    parser.add_argument("--cpu", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the breakdown there")
    args = parser.parse_args(argv)

    try:
        env = environment.prepare(peers=False, flags=STAGES_FLAGS, label="stages")
    except NoInterpreterError as error:
        raise SystemExit(str(error)) from None
    environment.need_system_tool(env, "valgrind", "valgrind")
    for tool in ("valgrind", "treadle"):
        if not env.has(tool):
            raise SystemExit(f"stages cannot run without {tool}: {env.missing[tool]}")

    port = free_port()
    if args.exchange:
        application = {"treadle-node": "node", "treadle-asgi": "raw", "treadle-fastapi": "fastapi"}[args.server]
        command = exchanges.argv_of(env, application, "treadle", port)
        sent = exchanges.EXCHANGES[args.exchange].request(port)
    else:
        command = next(p for p in peers.HTTP if p.name == args.server).argv(env, port)
        sent = request(port)
    costs = count_requests(
        [str(env.venv / "bin" / "python"), *command],  # callgrind follows a program, not a script
        valgrind=env.tools["valgrind"],
        port=port,
        cpu=args.cpu,
        out=paths.WORK / "callgrind",
        requests=args.requests,
        warm=WARM,
        connections=CONNECTIONS,
        connect=lambda: socket.create_connection(("127.0.0.1", port), ANSWER_TIMEOUT_S),
        exchange=lambda sockets: exchange(sockets, sent),
    )
    found = break_down(costs, args.requests)
    print_report(found, args.requests, args.user_us)
    if args.paths:
        print_paths(found, args.requests, args.paths)
    if args.json:
        report = {"requests": args.requests, "stages": found.stages, "missing": found.missing}
        args.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if found.missing else 0


if __name__ == "__main__":
    sys.exit(main())
