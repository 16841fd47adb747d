"""The load: wrk, one thread, pinned to its own CPU; and how much of both CPUs somebody else takes."""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

LATENCY_UNIT_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7}
STEAL_PROBE_S = 0.5


class LoadError(Exception):
    """The load generator failed or printed something unknown."""


@dataclass(frozen=True)
class Load:
    """What one run of wrk reports."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float
    errors: int  # failed connects, reads, writes, time-outs, and answers that are not 2xx or 3xx
    client_busy_pct: float

    @property
    def rps(self) -> float:
        """Requests per second: the load generator's limit where client_busy_pct is near 100."""
        return self.requests / self.seconds


def wrk(
    program: str,
    port: int,
    *,
    seconds: int,
    connections: int,
    cpu: int,
    path: str = "/",
    script: Path | None = None,
    scheme: str = "http",
) -> Load:
    """Drive keep-alive requests for `seconds`: GET path, or what the script (Lua) makes of it. Raises LoadError."""
    url = f"{scheme}://127.0.0.1:{port}{path}"
    begun = time.monotonic()
    process = subprocess.Popen(
        [program, "-t1", f"-c{connections}", f"-d{seconds}s", *(["-s", str(script)] if script else []), "--latency", url],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    )
    assert process.stdout is not None
    with process.stdout:
        text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - begun
    return parse(text, client_busy_pct=100 * (usage.ru_utime + usage.ru_stime) / wall)


def parse(text: str, *, client_busy_pct: float) -> Load:
    """Read wrk's report. Raises LoadError."""
    done = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", text)
    latency = {k: float(v) * LATENCY_UNIT_US[u] for k, v, u in re.findall(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)", text, re.M)}
    if not done or latency.keys() != {"50", "99"}:
        raise LoadError(f"wrk: {text.strip()[-400:]}")
    socket_errors = re.search(r"Socket errors: (.*)", text)
    errors = sum(map(int, re.findall(r"\d+", socket_errors[1]))) if socket_errors else 0
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors += int(refused[1]) if refused else 0
    seconds = float(done[2]) * LATENCY_UNIT_US[done[3]] / 1e6
    return Load(int(done[1]), seconds, latency["50"], latency["99"], errors, client_busy_pct)


def hidden_steal_pct(program: str, cpus: tuple[int, ...]) -> list[float]:
    """Share of each CPU that is lost to the host or to other processes while all of them spin."""
    probes = [subprocess.Popen([program, str(cpu), str(STEAL_PROBE_S)], stdout=subprocess.PIPE) for cpu in cpus]
    return [float(probe.communicate()[0]) for probe in probes]
