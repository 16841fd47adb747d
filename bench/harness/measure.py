"""One server, one run: start, check its answer, warm up, drive, and divide the CPU that it used by the requests.

A sample with errors, or from a server whose processes changed during the run, is kept but marked invalid: no figure
is taken from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from . import cpu, load
from .environment import Environment
from .peers import Peer
from .server import Server, check_answers, free_port

BODY = b"Hello, World!"


@dataclass(frozen=True)
class Plan:
    """How every server of a run is driven."""

    seconds: int = 5  # 500 clock ticks: the sum is good to 0.2 %
    warm_seconds: int = 2  # enough for Node's compiler and for every allocator
    connections: int = 64
    server_cpu: int = 0
    client_cpu: int = 1


@dataclass(frozen=True)
class Sample:
    """One server in one round. All *_us are CPU microseconds per request."""

    server: str
    round: int
    user_us: float
    system_us: float
    schedstat_us: float
    rps: float
    p50_us: float
    p99_us: float
    requests: int
    errors: int
    answer_bytes: int
    server_busy_pct: float
    client_busy_pct: float
    foreign_server_pct: float  # of the server's CPU, taken by anything else during the run
    foreign_client_pct: float
    problem: str  # '' when valid

    @property
    def total_us(self) -> float:
        """User and system time per request."""
        return self.user_us + self.system_us

    @property
    def foreign_pct(self) -> float:
        """The higher share of a CPU that anything else took."""
        return max(self.foreign_server_pct, self.foreign_client_pct)

    @property
    def is_valid(self) -> bool:
        """Whether figures may be taken from it."""
        return not self.problem

    def as_json(self) -> dict[str, object]:
        """Every field, for --json."""
        return {**asdict(self), "total_us": self.total_us}


def sample(peer: Peer, env: Environment, plan: Plan, round_index: int) -> Sample:
    """Run the peer once. Raises ServerError or LoadError."""
    port = free_port()
    return drive_and_divide(
        peer.name,
        peer.argv(env, port),
        port=port,
        plan=plan,
        round_index=round_index,
        check=lambda: check_answers(port, BODY).size,
        drive=lambda seconds: load.wrk(
            env.tools["wrk"], port, seconds=seconds, connections=plan.connections, cpu=plan.client_cpu
        ),
    )


def drive_and_divide(
    name: str,
    argv: list[str],
    *,
    port: int,
    plan: Plan,
    round_index: int,
    check: Callable[[], int],
    drive: Callable[[int], load.Load],
    env: Mapping[str, str] | None = None,
    amounts: tuple[int, int] | None = None,
) -> Sample:
    """Run a server once: check its answer (check() returns the bytes of one), drive it for so many seconds, divide.

    Where drive() is given another unit than the seconds of the plan, amounts is how much of it warms up, and how much counts.
    Raises ServerError or LoadError; a server that ended under the load is named instead of what the load then says.
    """

    def drive_alive(amount: int) -> load.Load:
        try:
            done = drive(amount)
        except load.LoadError:
            server.check_alive()
            raise
        server.check_alive()
        return done

    with Server(argv, port=port, cpu_index=plan.server_cpu, env=env) as server:
        server.wait_ready()
        answer_bytes = check()
        warm, counted = amounts or (plan.warm_seconds, plan.seconds)
        drive_alive(warm)
        cpus = (plan.server_cpu, plan.client_cpu)
        busy_before = [cpu.machine_busy_s(index) for index in cpus]
        time_before, begun = cpu.tree_time(server.pid), time.monotonic()
        done = drive_alive(counted)
        time_after, wall_s = cpu.tree_time(server.pid), time.monotonic() - begun
        busy_s = [cpu.machine_busy_s(index) - before for index, before in zip(cpus, busy_before, strict=True)]

    used = time_after.since(time_before)
    count = max(done.requests, 1)
    problem = ""
    if done.errors:
        problem = f"{done.errors} errors"
    elif time_after.pids != time_before.pids:
        problem = "processes came or went"
    return Sample(
        server=name,
        round=round_index,
        user_us=used.user_s / count * 1e6,
        system_us=used.system_s / count * 1e6,
        schedstat_us=used.scheduled_s / count * 1e6,
        rps=done.rps,
        p50_us=done.p50_us,
        p99_us=done.p99_us,
        requests=done.requests,
        errors=done.errors,
        answer_bytes=answer_bytes,
        server_busy_pct=100 * used.total_s / wall_s,
        client_busy_pct=done.client_busy_pct,
        foreign_server_pct=max(0.0, 100 * (busy_s[0] - used.total_s) / wall_s),
        foreign_client_pct=max(0.0, 100 * busy_s[1] / wall_s - done.client_busy_pct),
        problem=problem,
    )
