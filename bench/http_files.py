#!/usr/bin/env python3
"""Files over HTTP: `http.serve_static` beside nginx (sendfile) and Node 24 (a read stream piped into the answer).

fast   one client reads a file of 64 MiB again and again: CPU seconds of the server a GiB
slow   50 clients read that file at 1 MB/s each: what the server's memory has grown by at most, a client
small  a file of 4 KiB over 64 keep-alive connections, by wrk: CPU microseconds a request

    python3 bench/http_files.py [--quick] [--rounds 3] [--only fast,slow] [--peers treadle,nginx] [--check]

The server is pinned to one CPU and the clients to another; peers take turns; a figure is the median over the rounds. The file is
in the page cache. Exit status: 0 measured; 1 treadle is missing; 2 (with --check) a goal is missed.
"""

from __future__ import annotations

import os
import socket
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import cases, cpu, environment, load, paths
from harness.environment import Environment, say
from harness.peers import Peer
from harness.rounds import chosen_of, taking_turns, two_cpus
from harness.server import Server, free_port
from harness.table import number, table

ROUNDS, SECONDS, QUICK_SECONDS = 3, 5.0, 2.0
KIB, MIB = 1 << 10, 1 << 20
LARGE_BYTES, SMALL_BYTES = 64 * MIB, 4 * KIB
CLIENTS, RATE_BYTES_S = 50, 1_000_000
TICK_S = 0.02
CONNECTIONS = 64

PEERS = {
    peer.name: peer
    for peer in (
        Peer("treadle", "files", "{treadle} run {apps}/files.py", ("treadle",)),
        Peer("nginx", "files", "{python} {peers}/nginx_files.py {nginx} {run}-files", ("nginx",)),
        Peer("node24", "files", "{node24} {peers}/node_files.js", ("node24",)),
    )
}
FIGURES = {"fast": "CPU s a GiB", "slow": "KiB a slow client", "small": "CPU us a small file"}

FAST_OF_NGINX = 1.25
SLOW_KIB = 64.0


def make_files(folder: Path) -> None:
    """Once; of bytes that no file system stores as holes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in (("large.bin", LARGE_BYTES), ("index.html", SMALL_BYTES)):
        if not (folder / name).exists():
            (folder / name).write_bytes(os.urandom(size))
        (folder / name).read_bytes()


def ask(port: int, *, receive_buffer: int | None = None) -> tuple[socket.socket, int]:
    """A connection on which the large file is on its way, and how many of its bytes have come with the head."""
    client = socket.socket()
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect(("127.0.0.1", port))
    return client, ask_again(client)


def ask_again(client: socket.socket) -> int:
    """The same on a connection that there is."""
    client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(KIB)
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 ") or f"content-length: {LARGE_BYTES}".encode() not in head.lower():
        raise SystemExit(f"unexpected answer: {head!r}")
    return len(body)


def fast(server: Server, seconds: float, env: Environment, client_cpu: int) -> float:
    """CPU seconds a GiB."""
    client, got = ask(server.port)
    buffer = bytearray(MIB)
    with client:
        moved, before, begun = 0, cpu.tree_time(server.pid), 0.0
        while True:
            while got < LARGE_BYTES:
                got += client.recv_into(buffer)
            if not begun:  # the first one warms it up
                before, begun = cpu.tree_time(server.pid), time.monotonic()
            else:
                moved += LARGE_BYTES
            if time.monotonic() - begun > seconds and moved:
                return cpu.tree_time(server.pid).since(before).total_s / (moved / (1 << 30))
            got = ask_again(client)


def resident_bytes(server: Server) -> int:
    """Of the whole tree."""
    pages = 0
    for pid in cpu.tree(server.pid):
        pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def slow(server: Server, seconds: float, env: Environment, client_cpu: int) -> float:
    """KiB a client."""
    client, _ = ask(server.port)
    client.close()
    time.sleep(0.5)  # until what that has left behind is gone
    idle = peak = resident_bytes(server)
    clients = [ask(server.port)[0] for _ in range(CLIENTS)]
    for client in clients:
        client.setblocking(False)
    step, end = int(RATE_BYTES_S * TICK_S), time.monotonic() + seconds
    while time.monotonic() < end:
        for client in clients:
            try:
                client.recv(step)
            except BlockingIOError:
                pass
        peak = max(peak, resident_bytes(server))
        time.sleep(TICK_S)
    for client in clients:
        client.close()
    return (peak - idle) / CLIENTS / KIB


def small(server: Server, seconds: float, env: Environment, client_cpu: int) -> float:
    """CPU microseconds a request."""
    whole = max(int(seconds), 1)
    load.wrk(env.tools["wrk"], server.port, seconds=1, connections=CONNECTIONS, cpu=client_cpu)
    before = cpu.tree_time(server.pid)
    done = load.wrk(env.tools["wrk"], server.port, seconds=whole, connections=CONNECTIONS, cpu=client_cpu)
    spent = cpu.tree_time(server.pid).since(before)
    if done.errors:
        raise SystemExit(f"{done.errors} errors")
    return spent.total_s * 1e6 / done.requests


WAYS: dict[str, Callable[[Server, float, Environment, int], float]] = {"fast": fast, "slow": slow, "small": small}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report."""
    parser = cases.parser("http_files", __doc__, ROUNDS, list(FIGURES), list(PEERS))
    args = parser.parse_args(argv)
    rounds, seconds = cases.rounds_of(args, ROUNDS), QUICK_SECONDS if args.quick else SECONDS
    figures = chosen_of(args.only, list(FIGURES), "figure")
    wanted = chosen_of(args.peers, list(PEERS), "peer")
    env = cases.prepare()
    environment.need_system_tool(env, "nginx", "nginx")
    environment.need_system_tool(env, "wrk", "wrk")
    peers = cases.available(wanted, lambda name: PEERS[name].why_not(env) or "")
    if "treadle" in wanted and "treadle" not in peers:
        return 1
    files = paths.WORK / "http-files"
    make_files(files)
    server_cpu, client_cpu = two_cpus()
    os.sched_setaffinity(0, {client_cpu})
    found: dict[tuple[str, str], list[float]] = {(figure, peer): [] for figure in figures for peer in peers}
    for index in range(rounds):
        for figure in figures:
            for peer in taking_turns(peers, index, rounds):
                port = free_port()
                argv_of_peer = PEERS[peer].argv(env, port)
                with Server(argv_of_peer, port=port, cpu_index=server_cpu, env={"FILES": str(files)}) as server:
                    server.wait_ready()
                    found[figure, peer].append(WAYS[figure](server, seconds, env, client_cpu))
                say(f"round {index + 1}/{rounds}: {figure} {peer}: {number(found[figure, peer][-1])} {FIGURES[figure]}")
    return report(found, figures, peers, is_checked=args.check)


def report(found: dict[tuple[str, str], list[float]], figures: Sequence[str], peers: Sequence[str], *, is_checked: bool) -> int:
    """The table, and the goals."""
    median = {key: statistics.median(values) for key, values in found.items()}
    rows = [(FIGURES[figure], *(number(median[figure, peer]) for peer in peers)) for figure in figures]
    print(table(("figure", *peers), rows))
    are_met = True
    if ("fast", "treadle") in found and ("fast", "nginx") in found:
        pairs = zip(found["fast", "treadle"], found["fast", "nginx"], strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        are_met &= ratio <= FAST_OF_NGINX
        print(f"\nfast: treadle / nginx {ratio:.2f}, goal {FAST_OF_NGINX}")
    if ("slow", "treadle") in found:
        are_met &= median["slow", "treadle"] <= SLOW_KIB
        print(f"slow: {median['slow', 'treadle']:.1f} KiB a client, goal {SLOW_KIB:.0f}")
    return 0 if are_met or not is_checked else 2


if __name__ == "__main__":
    sys.exit(main())
