#!/usr/bin/env python3
"""Hello world over TLS: CPU microseconds per request on connections that stay, and per new connection, whose handshake is a full
one or resumes a session, beside the peers.

    python3 bench/tls_hello.py [--rounds 3] [--seconds 4] [--only treadle-asgi,uvicorn-asgi]

Both cases of http_hello.py, a handler in Node's manner and a raw ASGI application, by wrk over https; all with one certificate
(P-256) and what each negotiates with wrk by itself. A new connection is a handshake, one request and the goodbye, by a client of
Python's; a resumed one has the ticket of the one before it. Servers take turns; a ratio is taken within a round, then the median.
Memory is what an idle connection adds to the resident set, of MANY.
"""

from __future__ import annotations

import argparse
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import cpu, environment, load, paths
from harness.environment import Environment, say
from harness.measure import BODY, Plan, drive_and_divide
from harness.peers import TREADLE, UVICORN
from harness.rounds import taking_turns
from harness.server import Server, free_port, read_answer, request
from harness.table import table

HANDSHAKES = 400
MANY = 500  # connections that do nothing, for the memory of one


@dataclass(frozen=True)
class Peer:
    """One server; {cert} is the file of the certificate and its key."""

    name: str
    command: str
    needs: str
    rival: str | None = None


PEERS = (
    Peer("treadle-asgi", TREADLE + " --tls-cert {cert} asgi_hello:app", "treadle", "uvicorn-asgi"),
    Peer("uvicorn-asgi", UVICORN + " --ssl-certfile {cert} --ssl-keyfile {cert} asgi_hello:app", "uvicorn"),
    Peer("treadle-node", "{treadle} run {apps}/node_tls.py", "treadle", "node24"),
    Peer("node24", "{node24} {peers}/node_https.js", "node24"),
)


@dataclass(frozen=True)
class Figures:
    """Of one server in one round: microseconds of CPU, and KiB."""

    request_us: float
    connection_us: float
    resumed_us: float
    idle_kib: float


def make_certificate() -> Path:
    """Made once a run."""
    folder = paths.WORK / "run"
    folder.mkdir(parents=True, exist_ok=True)
    both = folder / "localhost.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(both)]
    shown = subprocess.run([*command, "-out", "-"], check=True, capture_output=True, text=True).stdout
    both.write_text(both.read_text() + shown)
    return both


def measure(peer: Peer, env: Environment, plan: Plan, cert: Path, round_index: int) -> Figures:
    """Run the server once for each figure. Raises ServerError, LoadError."""
    port = free_port()
    words = {**env.tools, "port": str(port), "apps": str(paths.APPS), "peers": str(paths.PEERS), "cert": str(cert)}
    argv = [word.format_map(words) for word in peer.command.split()]
    extra = {"TLS_CERT": str(cert)}
    context = ssl.create_default_context(cafile=str(cert))
    done = drive_and_divide(
        peer.name,
        argv,
        port=port,
        plan=plan,
        round_index=round_index,
        check=lambda: check(port, context),
        drive=lambda seconds: load.wrk(
            env.tools["wrk"], port, seconds=seconds, connections=plan.connections, cpu=plan.client_cpu, scheme="https"
        ),
        env=extra,
    )
    if done.problem:
        say(f"{peer.name}: {done.problem}")
    return Figures(done.total_us, *connections(argv, port, context, plan, extra))


def check(port: int, context: ssl.SSLContext) -> int:
    """The size of an answer. Raises AssertionError."""
    return ask(port, context, None)[0]


def ask(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[int, ssl.SSLSession | None]:
    """A connection with one request: the size of the answer, and what may be resumed. Raises AssertionError."""
    with connect(port, context, session) as connection:
        assert connection.session_reused == (session is not None), "a handshake is not what is measured"
        connection.sendall(request(port))
        answer = read_answer(connection)
        assert answer.body == BODY, answer
        return answer.size, connection.session


def connect(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
    """A connection, hands shaken."""
    plain = socket.create_connection(("127.0.0.1", port), 10)
    return context.wrap_socket(plain, server_hostname="localhost", session=session)


def connections(
    argv: list[str], port: int, context: ssl.SSLContext, plan: Plan, extra: Mapping[str, str]
) -> tuple[float, float, float]:
    """CPU of a connection with one request, in full and resumed, and memory of an idle one."""
    with Server(argv, port=port, cpu_index=plan.server_cpu, env=extra) as server:
        server.wait_ready()
        for _ in range(HANDSHAKES // 4):
            check(port, context)
        before = cpu_us(server.pid)
        for _ in range(HANDSHAKES):
            check(port, context)
        spent = (cpu_us(server.pid) - before) / HANDSHAKES
        _, session = ask(port, context, None)
        before = cpu_us(server.pid)
        for _ in range(HANDSHAKES):
            _, session = ask(port, context, session)
        resumed = (cpu_us(server.pid) - before) / HANDSHAKES
        resident = rss_kib(server.pid)
        idle = []
        try:
            for _ in range(MANY):
                connection = connect(port, context)
                idle.append(connection)
                connection.sendall(request(port))
                read_answer(connection)
            time.sleep(0.2)
            return spent, resumed, (rss_kib(server.pid) - resident) / MANY
        finally:
            for connection in idle:
                connection.close()


def cpu_us(pid: int) -> float:
    """Of all its threads, by the scheduler's own clock."""
    total = 0
    for process in cpu.tree(pid):
        for thread in Path(f"/proc/{process}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1000


def rss_kib(pid: int) -> float:
    """Of all its processes."""
    return sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) * 4 for one in cpu.tree(pid))


def report(found: dict[str, list[Figures]]) -> None:
    """The table: medians, and ratios within rounds."""
    rows = []
    for peer in PEERS:
        if peer.name not in found:
            continue
        own = found[peer.name]
        row = [peer.name]
        for field in ("request_us", "connection_us", "resumed_us", "idle_kib"):
            figure = statistics.median([getattr(one, field) for one in own])
            row.append(f"{figure:.1f}")
            rivals = found.get(peer.rival or "", [])
            ratios = [getattr(a, field) / getattr(b, field) for a, b in zip(own, rivals, strict=False)]
            row.append(f"{statistics.median(ratios):.2f}" if ratios else "")
        rows.append(tuple(row))
    heads = [head for figure in ("us a request", "us a connection", "us resumed", "KiB idle") for head in (figure, "of peer")]
    print(table(("server", *heads), rows, texts=1))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure in the bench's environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", help="servers, by name, separated by commas")
    args = parser.parse_args(argv)
    env = environment.prepare()
    environment.need_system_tool(env, "wrk", "wrk")
    return run(env, args)


def run(env: Environment, args: argparse.Namespace) -> int:
    """Every server, in turns."""
    names = args.only.split(",") if args.only else [peer.name for peer in PEERS]
    chosen = [peer for peer in PEERS if peer.name in names and env.has(peer.needs)]
    for peer in PEERS:
        if peer.name in names and peer not in chosen:
            say(f"SKIPPED {peer.name}: {env.missing.get(peer.needs)}")
    cert = make_certificate()
    plan = Plan(seconds=args.seconds, warm_seconds=1)
    found: dict[str, list[Figures]] = {}
    for index in range(args.rounds):
        for peer in taking_turns(chosen, index, args.rounds):
            figures = measure(peer, env, plan, cert, index)
            say(f"{peer.name}: {figures}")
            found.setdefault(peer.name, []).append(figures)
    report(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
