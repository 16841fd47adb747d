"""examples/proxy.py, in a process: both ways, an upstream that is not there, and a stop that waits for what is under way."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 30.0
MIB = 1024 * 1024


@pytest.fixture
def upstream() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE_S)
        yield listener


@pytest.fixture
def proxy(upstream: socket.socket) -> Iterator[tuple[subprocess.Popen[str], int]]:
    env = {**os.environ, "PORT": "0", "UPSTREAM_PORT": str(upstream.getsockname()[1])}
    command = [sys.executable, "-m", "treadle", "run", str(ROOT / "examples" / "proxy.py")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"port=(\d+)", line)
            assert found is not None, line
            yield process, int(found[1])
        finally:
            process.kill()


def received(sock: socket.socket) -> bytes:
    parts = []
    while part := sock.recv(MIB):
        parts.append(part)
    return b"".join(parts)


def test_both_ways_and_a_stop_in_the_middle(proxy: tuple[subprocess.Popen[str], int], upstream: socket.socket) -> None:
    process, port = proxy
    question, answer = random.Random(1).randbytes(9 * MIB), random.Random(2).randbytes(7 * MIB)
    asked: list[bytes] = []

    def serve() -> None:
        connection, _ = upstream.accept()
        with connection:
            connection.settimeout(DEADLINE_S)
            asked.append(received(connection))
            connection.sendall(answer)

    serving = threading.Thread(target=serve)
    serving.start()
    with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as client:
        client.sendall(question[:MIB])
        process.send_signal(signal.SIGTERM)
        client.sendall(question[MIB:])
        client.shutdown(socket.SHUT_WR)
        assert received(client) == answer
    serving.join(DEADLINE_S)
    assert asked == [question]
    assert process.wait(DEADLINE_S) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_an_upstream_that_is_not_there(proxy: tuple[subprocess.Popen[str], int], upstream: socket.socket) -> None:
    process, port = proxy
    upstream.close()
    with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as client:
        try:
            assert client.recv(1) == b""
        except ConnectionResetError:
            pass
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE_S) == 0
    assert process.stderr is not None
    assert "Connection refused" in process.stderr.read()
