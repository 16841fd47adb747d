"""One run: a server, a paced load that wants its answers, and the clients that are slow; what came of each.

Not here: what a deadline should be, and what is made of it (command.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import cpu
from harness.environment import Environment
from harness.peers import Peer
from harness.server import Server, ServerError, check_answers, free_port

KINDS = ("header", "body", "reader", "never", "idle")  # in the order of slow_clients.c
SETTLE_S, CALM_S = 2.0, 5.0
SAMPLE_S = 0.1
CONNECTS_PER_S = 2_500
LOAD_CONNECTIONS = 16
PRIORITY = 10  # in the real-time class
PROGRAM_DEADLINE_S = 60.0  # for what a program says when it is asked
FIRST_ADDRESS = 2  # 127.0.0.2 is that of the first kind
TIME_WAIT, LISTEN = "06", "0A"
PAGE = os.sysconf("SC_PAGE_SIZE")

Report = dict[str, Any]


@dataclass
class Run:
    """What was seen. Memory in bytes, times in seconds."""

    peer: str
    sections: dict[str, Report] = field(default_factory=dict)  # before, connecting, during, after: of the paced load
    busy_pct: dict[str, float] = field(default_factory=dict)  # the server's CPU, by section
    foreign_pct: dict[str, float] = field(default_factory=dict)  # of the server's CPU, taken by others, by section
    kinds: dict[str, Report] = field(default_factory=dict)
    left: dict[str, tuple[int, int]] = field(default_factory=dict)  # by kind: sockets the server still has; those the kernel has
    rss: dict[str, int] = field(default_factory=dict)  # before, connected, peak, after; again: beside as many who come once more
    kernel: dict[str, int] = field(default_factory=dict)  # before, peak, after: TCP's memory of the whole machine
    clients_busy_pct: float = 0.0
    refused: int = 0


def measure(
    peer: Peer,
    env: Environment,
    cpus: tuple[int, int],
    *,
    each: int,
    gap_ms: float,
    rate: float,
    seconds: float,
    settings: Mapping[str, str],
) -> Run:
    """Start everything, let it come to its end, stop everything. Raises ServerError."""
    port = free_port()
    found = Run(peer.name)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Server(peer.argv(env, port), port=port, cpu_index=cpus[0], env=settings))
        server.wait_ready()
        check_answers(port, b"Hello, World!")
        load = _Talking([env.tools["paced_load"], str(port), str(rate), str(LOAD_CONNECTIONS)], cpus[1], is_urgent=True)
        stack.enter_context(load)
        watch = _Watch(server, cpus[0], load, found)
        watch.wait(SETTLE_S)
        watch.begin()
        watch.wait(CALM_S)
        watch.note("before")
        found.rss["before"], found.kernel["before"] = watch.rss, watch.kernel
        shape = (each, gap_ms, CONNECTS_PER_S, seconds)
        slow = stack.enter_context(_Talking([env.tools["slow_clients"], str(port), *map(str, shape)], cpus[1]))
        watch.wait_for(slow, "connected", PROGRAM_DEADLINE_S)
        watch.note("connecting")
        watch.forget_peaks()
        watch.wait(1.0)
        found.rss["connected"] = watch.rss
        watch.wait_for(slow, "ended", seconds + PROGRAM_DEADLINE_S)
        watch.note("during")
        found.rss["peak"], found.kernel["peak"] = watch.rss_peak, watch.kernel_peak
        found.left = left_by_kind(port)
        slow.close_input()
        for line in slow.lines(PROGRAM_DEADLINE_S):
            told = json.loads(line)
            if "kind" in told:
                found.kinds[told["kind"]] = told
            else:
                found.refused = told["refused"]
                found.clients_busy_pct = 100 * told["cpu_s"] / told["seconds"]
        watch.wait(SETTLE_S)
        watch.begin()
        watch.wait(CALM_S)
        watch.note("after")
        found.rss["after"], found.kernel["after"] = watch.rss, watch.kernel
        again = stack.enter_context(_Talking([env.tools["slow_clients"], str(port), *map(str, shape)], cpus[1]))
        watch.wait_for(again, "connected", PROGRAM_DEADLINE_S)
        watch.wait(1.0)
        found.rss["again"] = watch.rss
        server.check_alive()
    return found


class _Talking:
    """A program of the load, pinned, whose lines are awaited with a deadline. A context manager: it is gone afterwards."""

    def __init__(self, argv: list[str], cpu_index: int, *, is_urgent: bool = False) -> None:
        def prepare() -> None:
            os.sched_setaffinity(0, {cpu_index})
            if is_urgent:  # so that the clients beside it are not what is measured; without the right to it they are, a little
                with contextlib.suppress(OSError):
                    if os.sched_getscheduler(0) == os.SCHED_FIFO:
                        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY + 1))
                    else:
                        os.nice(-15)

        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=prepare)
        self._pending = b""

    def __enter__(self) -> _Talking:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def line(self, most_s: float) -> str | None:
        """The next one, if it comes within so long. Raises ServerError when the program has ended."""
        end = time.monotonic() + most_s
        assert self._process.stdout is not None
        while b"\n" not in self._pending:
            if not select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                return None
            data = os.read(self._process.stdout.fileno(), 65_536)
            if not data:
                raise ServerError(f"{self._process.args} has ended")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode()

    def ask(self) -> Report:
        """Say an empty line, and take the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        line = self.line(PROGRAM_DEADLINE_S)
        if line is None:
            raise ServerError(f"{self._process.args} says nothing")
        answer: Report = json.loads(line)
        return answer

    def close_input(self) -> None:
        """It is to come to its end."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def lines(self, most_s: float) -> Iterator[str]:
        """What is left, to its end."""
        with contextlib.suppress(ServerError):
            while (line := self.line(most_s)) is not None:
                yield line


class _Watch:
    """Looks at the server's memory while something else is waited for, and divides the paced load into sections."""

    def __init__(self, server: Server, server_cpu: int, load: _Talking, found: Run) -> None:
        self._server = server
        self._cpu = server_cpu
        self._load = load
        self._found = found
        self._pids = cpu.tree(server.pid)
        self.rss = self.rss_peak = self.kernel = self.kernel_peak = 0
        self.begin()

    def begin(self) -> None:
        """A section begins; what went before it counts for none."""
        self._load.ask()
        self._mark()

    def note(self, name: str) -> None:
        """The section that ends here, and the next begins."""
        wall_s = time.monotonic() - self._begun
        used_s = cpu.tree_time(self._server.pid).since(self._used).total_s
        self._found.busy_pct[name] = 100 * used_s / wall_s
        self._found.foreign_pct[name] = max(0.0, 100 * (cpu.machine_busy_s(self._cpu) - self._busy_s - used_s) / wall_s)
        self._found.sections[name] = self._load.ask()
        self._mark()

    def _mark(self) -> None:
        self._begun, self._busy_s, self._used = time.monotonic(), cpu.machine_busy_s(self._cpu), cpu.tree_time(self._server.pid)

    def forget_peaks(self) -> None:
        """They count from here on."""
        self.rss_peak = self.kernel_peak = 0

    def look(self) -> None:
        """Once."""
        self.rss = sum(resident_bytes(pid) for pid in self._pids)
        self.kernel = tcp_memory_bytes()
        self.rss_peak, self.kernel_peak = max(self.rss_peak, self.rss), max(self.kernel_peak, self.kernel)

    def wait(self, seconds: float) -> None:
        """So long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(SAMPLE_S)

    def wait_for(self, program: _Talking, event: str, most_s: float) -> None:
        """Until it tells of this. Raises ServerError."""
        end = time.monotonic() + most_s
        while time.monotonic() < end:
            line = program.line(SAMPLE_S)
            self.look()
            if line is not None:
                if json.loads(line).get("event") != event:
                    raise ServerError(f"{event} was expected: {line}")
                return
        raise ServerError(f"not within {most_s:.0f} s: {event}")


def resident_bytes(pid: int) -> int:
    """0 for one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def tcp_memory_bytes() -> int:
    """What the kernel holds for TCP on this machine, both ends of a loopback connection."""
    found = re.search(r"^TCP: .* mem (\d+)$", Path("/proc/net/sockstat").read_text(), re.M)
    return int(found[1]) * PAGE if found else 0


def left_by_kind(port: int) -> dict[str, tuple[int, int]]:
    """Of the server's side: sockets that a process still has; and those that only the kernel has, with what nobody reads."""
    counts = {kind: [0, 0] for kind in KINDS}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote, state, inode = fields[1], fields[2], fields[3], fields[9]
        index = int(remote[:2], 16) - FIRST_ADDRESS  # the address is written in the order of bytes of a PC: 127.0.0.2 is 0200007F
        is_ours = local.endswith(f":{port:04X}") and remote[6:8] == "7F" and 0 <= index < len(KINDS)
        if is_ours and state not in (TIME_WAIT, LISTEN):
            counts[KINDS[index]][inode == "0"] += 1
    return {kind: (owned, orphaned) for kind, (owned, orphaned) in counts.items()}
