"""Bytes over sockets: a file to whoever connects, and a proxy; CPU of the server per MiB. Texts: programs/*_to_socket.*"""

from __future__ import annotations

import json
import math
import os
import select
import socket
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from harness import environment, paths
from harness.environment import Environment, say
from harness.figures import Figures, Goal
from harness.load import Load, LoadError
from harness.measure import Plan, Sample, drive_and_divide
from harness.peers import Peer
from harness.results import Results
from harness.server import ServerError, free_port
from harness.table import number

MIB = 1 << 20
FILE_MIB = 64
TOTAL_MIB = 4096
WARM_MIB = 512
CONNECTIONS = 4  # downloads under way at once
LOAD_SLACK_S = 120.0  # for 4 GiB from the slowest server, on a busy machine
CHECK_TIMEOUT_S = 30.0

FIGURES = ("file_to_socket", "socket_to_socket")
PEERS = ("treadle", "node24", "c-kernel")
GOALS = tuple(Goal(figure, ("node24",), 0.50) for figure in FIGURES)
COLUMNS = ("server", "user", "system", "total", "spread %", "GiB/CPU s", "MiB/s", "server busy %", "client busy %", "valid")


def server(figure: str, peer: str) -> Peer:
    """The server of this figure."""
    command, tool = {
        "treadle": (f"{{treadle}} run {{streams}}/{figure}.py", "treadle"),
        "node24": (f"{{node24}} {{streams}}/{figure}.js", "node24"),
        "c-kernel": (f"{{bulk_floor}} {figure}", "bulk_floor"),
    }[peer]
    return Peer(f"{figure}/{peer}", figure, command, (tool, "bulk_load"))


def servers_of(env: Environment, figures: Sequence[str], runners: Sequence[str]) -> list[Peer]:
    """The servers that can run, and a line for each that cannot."""
    found = []
    for one in (server(figure, peer) for figure in FIGURES if figure in figures for peer in PEERS if peer in runners):
        reason = one.why_not(env)
        if not reason and one.name.endswith("/treadle"):
            reason = environment.why_not_importable(env, ["treadle.net", "treadle.streams"])
        if reason:
            say(f"SKIPPED {one.name}: {reason}")
        else:
            found.append(one)
    return found


def make_file() -> Path:
    """What is sent: random bytes, in the page cache."""
    file = paths.WORK / "run" / "streams" / f"{FILE_MIB}_mib"
    if not file.exists() or file.stat().st_size != FILE_MIB * MIB:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            for _ in range(FILE_MIB):
                out.write(os.urandom(MIB))
    file.read_bytes()
    return file


def sample(peer: Peer, env: Environment, plan: Plan, total_mib: int, file: Path, round_index: int) -> Sample:
    """Run the server once. A request is a MiB. Raises ServerError or LoadError."""
    port = free_port()
    upstream = free_port() if peer.case == "socket_to_socket" else None
    program = [env.tools["bulk_load"], str(port), str(plan.connections), str(file)]
    with BulkLoad([*program, str(upstream)] if upstream else program, plan.client_cpu) as load:
        return drive_and_divide(
            peer.name,
            peer.argv(env, port),
            port=port,
            plan=plan,
            round_index=round_index,
            check=lambda: check(port, file),
            drive=load.drive,
            env={"FILE": str(file), "UPSTREAM": str(upstream)},
            amounts=(max(1, min(WARM_MIB, total_mib) // FILE_MIB), max(1, total_mib // FILE_MIB)),
        )


def check(port: int, file: Path) -> int:
    """One download is the file, byte by byte; returns its size."""
    with socket.create_connection(("127.0.0.1", port), CHECK_TIMEOUT_S) as connection, connection.makefile("rb") as reader:
        received = reader.read()
    if received != file.read_bytes():
        raise ServerError(f"{len(received)} bytes came, which are not the {file.stat().st_size} of the file")
    return len(received)


def add(found: Figures, one: Sample) -> None:
    """Record the CPU time per MiB of a valid sample."""
    figure, _, peer = one.server.partition("/")
    if one.is_valid:
        found.add(figure, peer, one.round, one.total_us if math.isnan(one.schedstat_us) else one.schedstat_us)


def row(peer: Peer, results: Results, rounds: int) -> tuple[str, ...]:
    """The cells of COLUMNS for one server."""
    valid = results.of(peer.name)
    if not valid:
        return (peer.name, *["-"] * (len(COLUMNS) - 2), f"0/{rounds}")
    totals = [one.total_us for one in valid]
    total = statistics.median(totals)
    cells = [number(statistics.median(getattr(one, name) for one in valid)) for name in ("user_us", "system_us")]
    cells += [number(total), f"{100 * (max(totals) - min(totals)) / total:.0f}", f"{1e6 / total / 1024:.2f}"]
    cells += [
        f"{statistics.median(getattr(one, n) for one in valid):,.0f}" for n in ("rps", "server_busy_pct", "client_busy_pct")
    ]
    return (peer.name, *cells, f"{len(valid)}/{rounds}")


class BulkLoad:
    """The load, pinned; it is the upstream of a proxy, too, and is there before the server and after it."""

    def __init__(self, argv: list[str], cpu: int) -> None:
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        )

    def __enter__(self) -> BulkLoad:
        if self._answer() != b"ready\n":
            raise LoadError(self._last_words())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def drive(self, downloads: int) -> Load:
        """So many downloads. Raises LoadError."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"%d\n" % downloads)
        self._process.stdin.flush()
        line = self._answer()
        if not line:
            raise LoadError(self._last_words())
        found = json.loads(line)
        busy_pct = 100 * found["cpu_s"] / found["seconds"]
        return Load(found["bytes"] // MIB, found["seconds"], math.nan, math.nan, found["errors"], busy_pct)

    def _answer(self) -> bytes:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], LOAD_SLACK_S)[0]:
            raise LoadError(f"no report after {LOAD_SLACK_S:.0f} s")
        return self._process.stdout.readline()

    def _last_words(self) -> str:
        self._process.kill()
        return self._process.communicate()[1].decode(errors="replace").strip()[-400:]
