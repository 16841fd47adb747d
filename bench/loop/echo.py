"""Messages echoed over TCP and TLS: servers, their load, CPU microseconds of the server per message. Texts: programs/echo*."""

from __future__ import annotations

import json
import os
import select
import socket
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from harness import environment, paths
from harness.environment import Environment
from harness.figures import Goal
from harness.load import Load, LoadError
from harness.measure import Plan, Sample, drive_and_divide
from harness.peers import Peer
from harness.server import ServerError, free_port

MESSAGE_BYTES = 1024
LOAD_SLACK_S = 30.0  # for connecting and for its report, on a busy machine
TIMEOUT_S = 60.0  # of one message to a server under callgrind

PLAN = Plan(seconds=1, warm_seconds=1)  # some 100,000 messages, and the scheduler counts in nanoseconds
TLS_LOOPS = ("treadle", "asyncio", "uvloop")
PYTHON_LOOPS = (*TLS_LOOPS, "rloop")  # rloop 0.5 serves no TLS
WAYS: dict[str, tuple[str, tuple[str, ...]]] = {  # figure: how echo.py does it, the peers
    "tcp_protocol": ("protocol", (*PYTHON_LOOPS, "node24", "c-epoll")),
    "tcp_buffered": ("buffered", PYTHON_LOOPS),
    "tcp_streams": ("streams", PYTHON_LOOPS),
    "tls_protocol": ("protocol", (*TLS_LOOPS, "node24")),
    "tls_buffered": ("buffered", TLS_LOOPS),
    "tls_streams": ("streams", TLS_LOOPS),
}
FIGURES = tuple(WAYS)
GOALS = (
    Goal("tcp_protocol", ("rloop",), 1.00),
    Goal("tcp_streams", ("uvloop",), 0.90),
    Goal("tls_protocol", ("uvloop",), 1.00),
    Goal("tls_buffered", ("uvloop",), 1.00),
    Goal("tls_streams", ("uvloop",), 1.00),
)


def is_tls(figure: str) -> bool:
    """Whether the figure's servers speak TLS."""
    return figure.startswith("tls_")


def server(figure: str, name: str) -> Peer:
    """The server of this figure on this loop."""
    way = WAYS[figure][0]
    command, tool = {
        "node24": ("{node24} {loop}/echo.js", "node24"),
        "c-epoll": ("{echo_floor}", "echo_floor"),
    }.get(name, (f"{{python}} {{loop}}/echo.py {name} {way}", name))
    needs = (tool, "echo_load", *(("openssl",) if is_tls(figure) else ()))
    return Peer(f"{figure}/{name}", figure, command, needs)


def make_certificate(env: Environment) -> Path:
    """A key and a self-signed certificate for this run, in one PEM file."""
    folder = paths.WORK / "run" / "tls"
    folder.mkdir(parents=True, exist_ok=True)
    key, certificate, both = (folder / name for name in ("key.pem", "certificate.pem", "both.pem"))
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    environment.must([env.tools["openssl"], "req", *kind, "-keyout", str(key), "-out", str(certificate)])
    both.touch(mode=0o600)
    both.write_text(key.read_text() + certificate.read_text())
    return both


def sample(peer: Peer, env: Environment, plan: Plan, certificate: Path | None, round_index: int) -> Sample:
    """Run the server once. Raises ServerError or LoadError."""
    port = free_port()
    program = [env.tools["echo_load"]]
    if certificate:
        program = [str(env.venv / "bin" / "python"), str(paths.LOOP_PROGRAMS / "echo_load_tls.py")]
    with EchoLoad([*program, str(port), str(plan.connections), str(MESSAGE_BYTES)], plan.client_cpu) as load:
        return drive_and_divide(
            peer.name,
            peer.argv(env, port),
            port=port,
            plan=plan,
            round_index=round_index,
            check=lambda: check(port, certificate is not None),
            drive=load.drive,
            env={"CERTIFICATE": str(certificate)} if certificate else {},
        )


def check(port: int, is_encrypted: bool) -> int:
    """Two messages on one connection come back as they were sent; returns the bytes of one."""
    with connect(port, is_encrypted) as connection:
        for _ in range(2):
            exchange([connection])
    return MESSAGE_BYTES


def connect(port: int, is_encrypted: bool) -> socket.socket:
    """A connection to the server."""
    plain = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
    return ssl._create_unverified_context().wrap_socket(plain) if is_encrypted else plain


def exchange(connections: Sequence[socket.socket]) -> None:
    """A message on each connection, then every answer. Raises ServerError when another one comes back."""
    message = os.urandom(MESSAGE_BYTES)
    for one in connections:
        one.sendall(message)
    for one in connections:
        answer = b""
        while len(answer) < len(message) and (data := one.recv(MESSAGE_BYTES)):
            answer += data
        if answer != message:
            raise ServerError(f"{len(message)} bytes sent, {len(answer)} others came back")


class EchoLoad:
    """The load, pinned; its connections live as long as it does, so that handshakes are warm-up and not measured."""

    def __init__(self, argv: list[str], cpu: int) -> None:
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        )

    def __enter__(self) -> EchoLoad:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def drive(self, seconds: int) -> Load:
        """Drive the server for so long. Raises LoadError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"%d\n" % seconds)
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], seconds + LOAD_SLACK_S)[0]:
            raise LoadError(f"no report {LOAD_SLACK_S:.0f} s after its time")
        line = self._process.stdout.readline()
        if not line:
            raise LoadError(self._process.communicate()[1].decode(errors="replace").strip()[-400:])
        found = json.loads(line)
        busy_pct = 100 * found["cpu_s"] / found["seconds"]
        return Load(found["messages"], found["seconds"], found["p50_us"], found["p99_us"], found["errors"], busy_pct)
