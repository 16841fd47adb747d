"""A redis-server (7 or newer) of our own: on a free port of 127.0.0.1, without files, and gone afterwards."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.suites.environment import Unavailable

START_S = 15.0
END_S = 10.0


@contextmanager
def private_redis() -> Iterator[str]:
    """Its URL, while it runs. Raises Unavailable."""
    program = shutil.which("redis-server")
    if program is None:
        raise Unavailable("redis-server is not installed: apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="suites-redis-") as directory:
        port = _free_port()
        server = subprocess.Popen(
            [program, *f"--port {port} --bind 127.0.0.1 --appendonly no --enable-debug-command local".split(), "--save", ""],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_until_it_answers(server, port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            try:
                server.wait(END_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_until_it_answers(server: subprocess.Popen[bytes], port: int) -> None:
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s and server.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0) as client:
                client.sendall(b"PING\r\n")
                if client.recv(64).startswith(b"+PONG"):
                    return
        except OSError:
            time.sleep(0.05)
    raise Unavailable("redis-server does not answer; is it older than 7?")
