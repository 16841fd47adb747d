"""Whether what a server holds is bounded by its marks, whatever its clients do: peak RSS over idle beside their sum.

download  50 clients read 1 MB/s each, 500 read nothing at all: a file of 64 MiB through a gzip Transform to a socket
upload    as many clients send 1 MB/s each, or what is taken, into a Writable whose write completes late

    python3 bench/run.py memory [--only download] [--peers treadle] [--seconds 70] [--level 1] [--check]

The server runs on one CPU, the clients, this process, on another. How to read it: bench/README.md.
Exit status: 0 measured; 1 treadle is missing; 2 (with --check) a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import socket
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness import environment
from harness.environment import Environment, say
from harness.interpreter import NoInterpreterError
from harness.peers import Peer
from harness.rounds import chosen_of, two_cpus
from harness.server import Server, ServerError, free_port
from harness.table import number, table

from . import bulk

READING = 50
RATE_BYTES_S = 1_000_000
STALLED = 500
SECONDS = 20.0
SETTLE_S = 1.0  # until what the warm-up left behind is gone
TICK_S = 0.02
AT_ONCE_BYTES = 262_144
BOUND = 1.10  # peak over idle, of the sum of the marks

CASES = ("download", "upload")
PEERS = ("treadle", "node24")
KIB, MIB = 1 << 10, 1 << 20
DEFLATE_MEM_LEVEL = 8  # the default, as in both programs


@dataclass(frozen=True)
class Held:
    """One run of one server."""

    case: str
    peer: str
    marks: dict[str, int]  # of one connection, as its stages say themselves
    zlib_bytes: int
    idle_bytes: int
    peak_bytes: int
    moved_bytes_s: float  # by all clients

    @property
    def sum_bytes(self) -> int:
        """What all connections together may hold."""
        return (READING + STALLED) * (sum(self.marks.values()) + self.zlib_bytes)

    @property
    def ratio(self) -> float:
        """What they held, of what they may."""
        return (self.peak_bytes - self.idle_bytes) / self.sum_bytes

    @property
    def is_met(self) -> bool:
        """Whether the goal is."""
        return self.ratio <= BOUND

    def row(self) -> tuple[str, ...]:
        """The cells of COLUMNS."""
        sizes = (self.sum_bytes, self.idle_bytes, self.peak_bytes, self.peak_bytes - self.idle_bytes)
        verdict = ("met" if self.is_met else "NOT MET") if self.peer == "treadle" else "-"
        marks = (number(sum(self.marks.values()) / KIB), number(self.zlib_bytes / KIB))
        rate = f"{self.moved_bytes_s / 1e6:.1f}"
        return (self.case, self.peer, *marks, *(number(size / MIB) for size in sizes), f"{self.ratio:.2f}", verdict, rate)


COLUMNS = (
    "case",
    "server",
    "marks KiB",
    "zlib KiB",
    "sum MiB",
    "idle MiB",
    "peak MiB",
    "over idle",
    "of sum",
    "goal",
    "MB/s",
)


def deflate_bytes() -> int:
    """What deflate allocates for one stream: zlib.h says so for these two sizes, and a few KiB that it does not count."""
    return (1 << (zlib.MAX_WBITS + 2)) + (1 << (DEFLATE_MEM_LEVEL + 9))


def measure(case: str, peer: str, env: Environment, cpu: int, seconds: float, level: int) -> Held:
    """Start a server, let it serve one client, count what it holds; then again beside all of them. Raises ServerError."""
    port = free_port()
    command = {"treadle": f"{{treadle}} run {{streams}}/memory_{case}.py", "node24": f"{{node24}} {{streams}}/memory_{case}.js"}
    argv = Peer(peer, case, command[peer], (peer,)).argv(env, port)
    act = read if case == "download" else write
    settings = {"FILE": str(bulk.make_file()), "LEVEL": str(level)}
    with Server(argv, port=port, cpu_index=cpu, env=settings) as server:
        server.wait_ready()
        drive(port, 1, 0, SETTLE_S, act)
        time.sleep(SETTLE_S)
        idle = memory_of(server.pid, "VmRSS")
        forget_peak(server.pid)
        acting, stalled = (READING, STALLED) if case == "download" else (READING + STALLED, 0)
        moved = drive(port, acting, stalled, seconds, act)
        server.check_alive()
        peak = memory_of(server.pid, "VmHWM")
        told = re.search(r"^marks (.*)$", server.log(), re.M)
    if not told:
        raise ServerError("it said nothing of its marks")
    return Held(case, peer, json.loads(told[1]), deflate_bytes() if case == "download" else 0, idle, peak, moved / seconds)


def memory_of(pid: int, field: str) -> int:
    """VmRSS, or VmHWM, its peak, in bytes."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.M)
    if not found:
        raise ServerError(f"the kernel does not say {field}")
    return int(found[1]) * KIB


def forget_peak(pid: int) -> None:
    """VmHWM begins again at VmRSS."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


ZEROS = memoryview(bytes(AT_ONCE_BYTES))
Act = Callable[[socket.socket, int], int]


def read(connection: socket.socket, most: int) -> int:
    """At most so many bytes, of what is there."""
    return len(connection.recv(min(most, AT_ONCE_BYTES)))


def write(connection: socket.socket, most: int) -> int:
    """As much as the kernel takes, up to so many bytes."""
    return connection.send(ZEROS[:most])


def drive(port: int, acting: int, stalled: int, seconds: float, act: Act) -> int:
    """Clients that act at RATE_BYTES_S each, and others that only connect; returns the bytes that were moved."""
    counts = [0] * acting
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(acting + stalled)]
        for client in clients:
            client.setblocking(False)
        for elapsed_s in ticks(seconds):
            for index, client in enumerate(clients[:acting]):
                due = int(elapsed_s * RATE_BYTES_S) - counts[index]
                try:
                    counts[index] += act(client, due)
                except BlockingIOError:
                    continue
    return sum(counts)


def ticks(seconds: float) -> Iterator[float]:
    """Every TICK_S, or as fast as it goes, the seconds that have passed."""
    begun = time.monotonic()
    while (elapsed := time.monotonic() - begun) < seconds:
        yield elapsed
        time.sleep(max(0.0, TICK_S - (time.monotonic() - begun - elapsed)))


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="run.py memory", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each case; 70 reach the end of the file")
    parser.add_argument("--level", type=int, default=0, help="of gzip, default %(default)s: one CPU has to feed 50 clients")
    parser.add_argument("--only", help=f"by commas, of {', '.join(CASES)}")
    parser.add_argument("--peers", help=f"by commas, of {', '.join(PEERS)}")
    parser.add_argument("--check", action="store_true", help="exit status 2 when a goal is missed")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every case, and say which goals are met."""
    args = options(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwind, so that the running server is stopped
    server_cpu, client_cpu = two_cpus()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a server has two descriptors for each client, and inherits it
    try:
        env = environment.prepare()
    except NoInterpreterError as error:
        raise SystemExit(str(error)) from None
    os.sched_setaffinity(0, {client_cpu})
    wanted = chosen_of(args.peers, PEERS, "peer")
    found = []
    for peer in wanted:
        reason = env.missing.get(peer, "")
        if not reason and peer == "treadle":
            reason = environment.why_not_importable(env, ["treadle.net", "treadle.streams"])
        if reason:
            say(f"SKIPPED {peer}: {reason}")
            continue
        for case in chosen_of(args.only, CASES, "case"):
            try:
                one = measure(case, peer, env, server_cpu, args.seconds, args.level)
            except (ServerError, OSError) as error:
                say(f"  {case}/{peer}: INVALID: {error}")
                continue
            told = ", ".join(f"{stage} {mark // KIB} KiB" for stage, mark in one.marks.items())
            say(f"  {case}/{peer}: a connection may hold {told}; zlib {one.zlib_bytes // KIB} KiB: {one.ratio:.2f} of the sum")
            found.append(one)
    print(
        f"\nResident memory of the server beside {READING + STALLED} clients. Goal: its peak over idle is at most {BOUND:.2f} of"
    )
    print("of the sum of the marks and of zlib's own state\n")
    print(table(COLUMNS, [one.row() for one in found], texts=2))
    ours = [one for one in found if one.peer == "treadle"]
    if "treadle" in wanted and not ours:
        return 1
    return 2 if args.check and not all(one.is_met for one in ours) else 0
