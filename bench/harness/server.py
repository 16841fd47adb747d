"""One server under test: started pinned to a CPU, ready when its port answers, stopped by its own id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from . import cpu, paths

START_TIMEOUT_S = 30.0  # a FastAPI application under valgrind is the slowest
STOP_TIMEOUT_S = 3.0
READY_POLL_S = 0.02
LOG_TAIL = 600  # characters of the server's output shown when it fails

# Settings in the caller's shell that would change what is measured.
FOREIGN_ENV = ("PYTHON", "UVICORN_", "GRANIAN_", "TREADLE_", "NODE_", "UV_", "WEB_CONCURRENCY", "FORWARDED_")


class ServerError(Exception):
    """The server did not start, died, or answered something else than expected."""


@dataclass(frozen=True)
class Answer:
    """One response as it came over the wire."""

    head: bytes
    body: bytes

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return len(self.head) + len(self.body)


class Server:
    """A running server; use as a context manager."""

    def __init__(self, argv: list[str], *, port: int, cpu_index: int, env: Mapping[str, str] | None = None) -> None:
        self.port = port
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server does
        environ = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_ENV)}
        environ |= {"PORT": str(port), "PYTHONPATH": str(paths.APPS), "NODE_ENV": "production", **(env or {})}
        self._process = subprocess.Popen(
            argv,
            env=environ,
            cwd=paths.APPS,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu_index}),
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process that was started; the tree below it is what is measured."""
        return self._process.pid

    def check_alive(self) -> None:
        """Raises ServerError, with the end of its output, when the started process has ended."""
        if self._process.poll() is not None:
            raise ServerError(f"ended with status {self._process.returncode}: {self.log_tail()}")

    def wait_ready(self) -> None:
        """Until the port accepts connections. Raises ServerError."""
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end:
            self.check_alive()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(READY_POLL_S)
        raise ServerError(f"not ready after {START_TIMEOUT_S:.0f} s: {self.log_tail()}")

    def log_tail(self) -> str:
        """The end of what the server printed."""
        return self.log()[-LOG_TAIL:].strip()

    def log(self) -> str:
        """All that the server printed so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def stop(self) -> None:
        """Ask the started process to end; then end what is left of its tree."""
        family = cpu.tree(self.pid)
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in family & _session_members(self.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._log.close()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check_answers(port: int, body: bytes) -> Answer:
    """Two requests on one connection, each answered 200 with `body`: what is measured is what we think it is."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        answers = []
        for _ in range(2):
            connection.sendall(request(port))
            answers.append(read_answer(connection))
    for answer in answers:
        if not answer.head.startswith(b"HTTP/1.1 200 ") or answer.body != body:
            raise ServerError(f"unexpected answer: {(answer.head + answer.body)[:LOG_TAIL]!r}")
    return answers[1]


def request(port: int) -> bytes:
    """A GET / with the bytes that the load generator sends."""
    return b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port


def read_answer(connection: socket.socket) -> Answer:
    """One response, by its Content-Length. Raises ServerError."""
    data = b""
    while True:
        head, end, body = data.partition(b"\r\n\r\n")
        if end and len(body) >= _content_length(head):
            return Answer(head + end, body)
        chunk = connection.recv(65536)
        if not chunk:
            raise ServerError(f"connection closed after {data[:LOG_TAIL]!r}")
        data += chunk


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ServerError(f"no Content-Length in {head[:LOG_TAIL]!r}")


def _session_members(session: int) -> frozenset[int]:
    """Processes of the session that the server leads: never anybody else's, even when an id is used again."""
    members = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.getsid(int(entry)) == session:
                    members.add(int(entry))
            except ProcessLookupError:
                continue
    return frozenset(members)
