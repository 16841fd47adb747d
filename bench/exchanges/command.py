"""Requests of other kinds than hello world: CPU time of the server for each, beside other servers of the same application.

hello      GET /        13 bytes of text
json       POST /json   1 KiB of JSON, parsed and sent back
fields     GET /fields  ten fields each way
Applications: raw ASGI, Starlette, FastAPI, and a handler in Node's manner.

    python3 bench/run.py exchanges [--quick] [--only json,fields] [--applications raw,starlette] [--peers treadle,uvicorn]
        [--rounds N] [--check]

A figure is `exchange application`; peers are servers. Server and load have a CPU each, and take turns. How to read it:
bench/README.md. Exit status: 0 measured; 1 a figure of treadle's is missing; 2 (with --check) a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import cases, environment, load, paths
from harness.environment import Environment, say
from harness.figures import GOAL_COLUMNS, Figures, Goal
from harness.load import LoadError
from harness.measure import Plan, Sample, drive_and_divide
from harness.rounds import chosen_of, taking_turns, two_cpus
from harness.server import ServerError, free_port, read_answer
from harness.table import number, table

ROUNDS = 3
PROGRAMS = paths.BENCH / "exchanges" / "programs"
SECONDS, QUICK_SECONDS = 4, 2
JSON_BYTES = 1024
REQUEST_ID = "b7a1c0de"


@dataclass(frozen=True)
class Exchange:
    """One kind of request, and what has to come back."""

    name: str
    method: str
    path: str
    fields: dict[str, str]
    body: bytes
    is_right: str  # what the body of the answer begins with

    def request(self, port: int) -> bytes:
        """The bytes that the load sends."""
        fields = {"Host": f"127.0.0.1:{port}", **self.fields}
        if self.body:
            fields["Content-Length"] = str(len(self.body))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{self.method} {self.path} HTTP/1.1\r\n{head}\r\n".encode() + self.body

    def script(self) -> Path:
        """For wrk."""
        lines = [f'wrk.method = "{self.method}"', *(f'wrk.headers["{name}"] = "{value}"' for name, value in self.fields.items())]
        if self.body:
            lines.append(f"wrk.body = [==[{self.body.decode()}]==]")
        path = paths.WORK / "exchanges" / f"{self.name}.lua"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        return path

    def check(self, port: int) -> int:
        """Two requests on one connection are answered as they should be: the bytes of an answer. Raises ServerError."""
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            for _ in range(2):
                connection.sendall(self.request(port))
                answer = read_answer(connection)
                if not answer.head.startswith(b"HTTP/1.1 200 ") or not answer.body.decode().startswith(self.is_right):
                    raise ServerError(f"unexpected answer: {(answer.head + answer.body)[:300]!r}")
        return answer.size


def json_body() -> bytes:
    """1 KiB, as an order might look."""
    order: dict[str, object] = {"id": 48_151_623, "customer": {"name": "Ada", "tags": ["a", "b"]}, "paid": True, "note": ""}
    order["items"] = [{"sku": f"item-{index}", "count": index, "price": index * 1.25} for index in range(1, 16)]
    order["note"] = "x" * (JSON_BYTES - len(json.dumps(order)))
    return json.dumps(order).encode()


TEN_FIELDS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Cookie": "session=4d3c2b1a09f8e7d6; theme=dark",
    "Referer": "http://127.0.0.1/start",
    "Cache-Control": "no-cache",
    "X-Forwarded-For": "192.0.2.17",
    "X-Request-Id": REQUEST_ID,
    "Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.XmNK3GpH3Ys",
}

EXCHANGES = {
    one.name: one
    for one in (
        Exchange("hello", "GET", "/", {}, b"", "Hello, World!"),
        Exchange("json", "POST", "/json", {"Content-Type": "application/json"}, json_body(), '{"id":'),
        Exchange("fields", "GET", "/fields", TEN_FIELDS, b"", "1"),
    )
}

# Application: the exchanges that it has.
APPLICATIONS = {
    "raw": ("hello", "json", "fields"),
    "starlette": ("hello", "json"),
    "fastapi": ("hello", "json"),
    "node": ("hello", "json", "fields"),
}
MODULES = {"raw": "raw_asgi", "starlette": "starlette_app", "fastapi": "fastapi_app"}

# Server: its command for an ASGI application {module}. One worker, no access log, keep-alive without a low limit.
ASGI_SERVERS = {
    "treadle": "{treadle} serve --host 127.0.0.1 --port {port} --app-dir {programs} --log-level error {module}:app",
    "uvicorn": (
        "{uvicorn} --host 127.0.0.1 --port {port} --app-dir {programs} --loop uvloop --http httptools --ws none "
        "--no-access-log --log-level error --timeout-keep-alive 300 --backlog 4096 {module}:app"
    ),
    "granian": (
        "{granian} --host 127.0.0.1 --port {port} --workers 1 --runtime-threads 1 --loop uvloop --http 1 --no-ws "
        "--no-access-log --log-level error --backlog 4096 --backpressure 20000 --interface asgi {module}:app"
    ),
    "freastal": "{python} {programs}/freastal_asgi.py {module}",
    "socketify": "{python} {programs}/socketify_asgi.py {module}",
}
NODE_SERVERS = {"treadle": "{treadle} run {programs}/node_style.py", "node24": "{node24} {programs}/node.js"}
PEERS = (*ASGI_SERVERS, "node24")

GOALS = (
    *(
        Goal(f"{exchange} {application}", tuple(name for name in ASGI_SERVERS if name != "treadle"), 1.00)
        for application in MODULES
        for exchange in APPLICATIONS[application]
    ),
    *(Goal(f"{exchange} node", ("node24",), 0.40) for exchange in APPLICATIONS["node"]),
)


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    made = cases.parser("exchanges", __doc__, ROUNDS, tuple(EXCHANGES), PEERS)
    made.add_argument("--applications", help=f"by commas, of {', '.join(APPLICATIONS)}")
    return made.parse_args(argv)


def servers_of(application: str) -> dict[str, str]:
    """Their commands, by name."""
    return NODE_SERVERS if application == "node" else ASGI_SERVERS


def argv_of(env: Environment, application: str, peer: str, port: int) -> list[str]:
    """The command line of the server."""
    words = {
        **env.tools, "python": str(env.venv / "bin" / "python"), "programs": str(PROGRAMS), "port": str(port),
        "module": MODULES.get(application, ""),
    }  # fmt: skip
    return [word.format_map(words) for word in servers_of(application)[peer].split()]


def measure(env: Environment, plan: Plan, exchange: Exchange, application: str, peer: str, index: int) -> Sample:
    """One run of one server. Raises ServerError, LoadError."""
    port = free_port()
    return drive_and_divide(
        peer,
        argv_of(env, application, peer, port),
        port=port,
        plan=plan,
        round_index=index,
        check=lambda: exchange.check(port),
        drive=lambda seconds: load.wrk(
            env.tools["wrk"], port, seconds=seconds, connections=plan.connections, cpu=plan.client_cpu,
            path=exchange.path, script=exchange.script(),
        ),
        env={"PYTHONPATH": str(PROGRAMS)},
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Measure and report: the exit status."""
    exchanges = chosen_of(args.only, tuple(EXCHANGES), "exchange")
    applications = chosen_of(args.applications, tuple(APPLICATIONS), "application")
    wanted = chosen_of(args.peers, PEERS, "peer")
    env = cases.prepare()
    environment.need_system_tool(env, "wrk", "wrk")
    if not env.has("wrk"):
        raise SystemExit(f"the bench cannot run without wrk: {env.missing['wrk']}")
    peers = cases.available(wanted, lambda peer: env.missing.get(peer, ""))
    rounds = cases.rounds_of(args, ROUNDS)
    server_cpu, client_cpu = two_cpus()
    seconds = QUICK_SECONDS if args.quick else SECONDS
    plan = Plan(seconds=seconds, warm_seconds=1, server_cpu=server_cpu, client_cpu=client_cpu)
    runs = [
        (exchange, application, peer)
        for application in applications
        for exchange in APPLICATIONS[application]
        if exchange in exchanges
        for peer in servers_of(application)
        if peer in peers
    ]
    found = Figures()
    for index in range(rounds):
        say(f"round {index + 1}/{rounds}; CPU us a request")
        for exchange, application, peer in taking_turns(runs, index, rounds):
            figure = f"{exchange} {application}"
            try:
                one = measure(env, plan, EXCHANGES[exchange], application, peer, index)
            except (ServerError, LoadError, OSError) as error:
                say(f"  {figure}/{peer}: INVALID: {error}")
                continue
            if one.problem:
                say(f"  {figure}/{peer}: INVALID: {one.problem}")
                continue
            found.add(figure, peer, index, one.total_us)
            found.note_foreign(peer, one.foreign_server_pct)
            say(f"  {figure}/{peer}: {one.total_us:.2f} us, {one.rps:,.0f} rps")
    report(found, peers, rounds)
    figures = {f"{exchange} {application}" for exchange, application, _ in runs}
    if "treadle" in wanted and any(not found.of(figure, "treadle") for figure in figures):
        say("a figure of treadle's is missing")
        return 1
    return 2 if args.check and not all(goal.is_met(found) for goal in goals_of(found)) else 0


def report(found: Figures, peers: Sequence[str], rounds: int) -> None:
    """A row a figure, a column a server; the goals."""
    print(f"\nCPU us a request, median of {rounds} round(s), ± spread in %\n")
    print(table(("request", *peers), [(name, *(found.cell(name, peer) for peer in peers)) for name in found.as_json()]))
    print("\nGoals\n")
    print(table(GOAL_COLUMNS, [goal.row(found) for goal in goals_of(found)], texts=3))
    for share, peer in found.disturbed()[:5]:
        say(f"{peer}: other processes took {number(share)} % of its CPU")


def goals_of(found: Figures) -> list[Goal]:
    """Those whose figure was measured; of the peers, those that were."""
    names = found.as_json()
    met = [(goal, tuple(peer for peer in goal.peers if found.of(goal.figure, peer))) for goal in GOALS if goal.figure in names]
    return [Goal(goal.figure, peers, goal.bound, goal.ours) for goal, peers in met if peers]
