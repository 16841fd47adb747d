"""What an idle keep-alive connection holds: resident memory over that of the warm server, after one request on each.

    python3 bench/run.py idle [--connections 10000] [--rounds N] [--peers treadle-node,nginx] [--check]

The server runs on one CPU, the clients, this process, on another. A run counts only if every connection was answered and is
still open at the end. How to read it: bench/README.md.
Exit status: 0 measured; 1 treadle is missing; 2 (with --check) the goal is missed.
"""

from __future__ import annotations

import argparse
import resource
import socket
import statistics
import struct
import time
from collections.abc import Sequence
from contextlib import ExitStack

from harness import cases, environment, peers
from harness.environment import Environment, say
from harness.rounds import chosen_of, taking_turns, two_cpus
from harness.server import Server, ServerError, check_answers, free_port, read_answer, request
from harness.table import number, table
from streams.memory import memory_of

ROUNDS = 3
CONNECTIONS = 10_000
AT_ONCE = 100  # requests that are under way at a time
PER_ADDRESS = 5_000  # of 127.0.0.x: ports run out
WARM_REQUESTS = 2_000
SETTLE_S = 1.0
GOAL_BYTES = 1024
OURS = ("treadle-node", "treadle-asgi")
PEERS = (*OURS, "nginx", "node24", "uvicorn-asgi")
IP_BIND_ADDRESS_NO_PORT = 24


def connect(port: int, index: int) -> socket.socket:
    """One client, from an address that has ports left; closed by a reset, which leaves nothing in the kernel."""
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.bind((f"127.0.0.{2 + index // PER_ADDRESS}", 0))
    client.settimeout(10)
    client.connect(("127.0.0.1", port))
    return client


def warm_up(port: int) -> None:
    """What the first requests leave behind is not a connection's."""
    check_answers(port, b"Hello, World!")
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(port, 0)) for _ in range(AT_ONCE)]
        for _ in range(WARM_REQUESTS // AT_ONCE):
            ask(clients, port)


def ask(clients: Sequence[socket.socket], port: int) -> None:
    """One request on each, all under way at a time. Raises ServerError."""
    for client in clients:
        client.sendall(request(port))
    for client in clients:
        if not read_answer(client).head.startswith(b"HTTP/1.1 200 "):
            raise ServerError("not answered with 200")


def is_open(client: socket.socket) -> bool:
    """Whether the server has not closed it."""
    client.setblocking(False)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def measure(peer: peers.Peer, env: Environment, cpu: int, connections: int) -> float:
    """Resident bytes a connection. Raises ServerError."""
    port = free_port()
    with ExitStack() as stack:
        server = stack.enter_context(Server(peer.argv(env, port), port=port, cpu_index=cpu))
        server.wait_ready()
        warm_up(port)
        time.sleep(SETTLE_S)
        before = memory_of(server.pid, "VmRSS")
        clients: list[socket.socket] = []
        while len(clients) < connections:
            group = [stack.enter_context(connect(port, len(clients) + index)) for index in range(AT_ONCE)]
            ask(group, port)
            clients += group
        time.sleep(SETTLE_S)
        held = memory_of(server.pid, "VmRSS") - before
        closed = sum(not is_open(client) for client in clients)
        if closed:
            raise ServerError(f"{closed} of {connections} connections were closed")
    return held / connections


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report: the exit status."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="run.py idle", description=__doc__, formatter_class=raw)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peers", help=f"by commas, of {', '.join(PEERS)}")
    parser.add_argument("--check", action="store_true", help="exit status 2 when the goal is missed")
    args = parser.parse_args(argv)
    env = cases.prepare()
    environment.need_system_tool(env, "nginx", "nginx")
    known = {peer.name: peer for peer in peers.HTTP}
    wanted = chosen_of(args.peers, PEERS, "peer")
    can_run = cases.available(wanted, lambda name: known[name].why_not(env) or "")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the server inherits it
    cpu, _ = two_cpus()
    found: dict[str, list[float]] = {}
    for index in range(args.rounds):
        for name in taking_turns(can_run, index, args.rounds):
            try:
                found.setdefault(name, []).append(measure(known[name], env, cpu, args.connections))
            except (ServerError, OSError) as error:
                say(f"  {name}: INVALID: {error}")
                continue
            say(f"  {name}: {number(found[name][-1])} bytes a connection")
    medians = {name: statistics.median(values) for name, values in found.items() if values}
    print(f"\nResident bytes of an idle keep-alive connection, {args.connections:,} of them; median of {args.rounds} round(s)\n")
    rows = [(name, number(value), verdict(name, value)) for name, value in medians.items()]
    print(table(("server", "bytes", f"goal: at most {GOAL_BYTES:,}"), rows))
    ours = [medians[name] for name in OURS if name in medians]
    if not ours:
        return 1
    return 2 if args.check and max(ours) > GOAL_BYTES else 0


def verdict(name: str, value: float) -> str:
    """Whether the goal is met; rivals have none."""
    return "" if name not in OURS else "met" if value <= GOAL_BYTES else "NOT MET"
