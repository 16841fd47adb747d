"""`make run` from end to end: the launcher with its three servers, every route over real sockets."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.support import RawClient, eventually

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
MIB = 1024 * 1024
BLOCK = bytes(range(256)) * 256


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Launched:
    """`make run` with the interpreter of these tests, in a session of its own."""

    def __init__(self) -> None:
        self.gateway, self.api, self.upstream = free_ports(3)
        env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        env.update(GATEWAY_PORT=str(self.gateway), API_PORT=str(self.api), UPSTREAM_PORT=str(self.upstream))
        command = ["make", "run", f"PYTHON={os.path.realpath(sys._base_executable)}"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, start_new_session=True)

    def interrupt(self) -> None:
        """What Ctrl-C in a terminal does: make and all that it started get SIGINT."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        for child in self.children() if self.process.poll() is None else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait_ready(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(b"ready"):
                return
        raise AssertionError("it ended before it was ready")

    def call(self, method: str, path: str, *, port: int | None = None, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.gateway, timeout=20)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def children(self) -> list[int]:
        """The three servers: what the launcher started, which make started."""
        return [server for launcher in children_of(self.process.pid) for server in children_of(launcher)]


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def launched() -> Iterator[Launched]:
    launched = Launched()
    try:
        launched.wait_ready()
        yield launched
    finally:
        launched.interrupt()
        try:
            launched.process.wait(20)
        finally:
            launched.kill()


def test_the_page_says_what_to_try(launched: Launched) -> None:
    status, body = launched.call("GET", "/")
    assert status == 200
    assert f"curl -i http://127.0.0.1:{launched.gateway}/json".encode() in body
    assert f"curl http://127.0.0.1:{launched.api}/items/3".encode() in body


def test_an_upload_past_the_limit_is_the_clients_fault(launched: Launched) -> None:
    assert launched.call("POST", "/echo", body=b"x" * (MIB + 1))[0] == 413


def test_json_file_and_echo(launched: Launched) -> None:
    assert json.loads(launched.call("GET", "/json")[1])["hello"] == "world"
    assert launched.call("GET", "/file") == (200, (EXAMPLES / "gateway.py").read_bytes())
    assert launched.call("POST", "/echo", body=b"x" * 100_000) == (200, b"x" * 100_000)
    assert launched.call("GET", "/nothing")[0] == 404


def test_two_calls_are_joined(launched: Launched) -> None:
    status, body = launched.call("GET", "/bff/7")
    assert status == 200
    assert json.loads(body) == {"user": {"kind": "users", "id": 7}, "orders": {"kind": "orders", "id": 7}}


def test_an_upstream_error_is_502(launched: Launched) -> None:
    assert launched.call("GET", "/bff/none")[0] == 502


def test_a_stream_comes_through_whole(launched: Launched) -> None:
    status, body = launched.call("GET", "/stream/16")
    assert status == 200
    assert hashlib.sha256(body).digest() == hashlib.sha256(BLOCK * 256).digest()


def test_a_client_that_does_not_read_costs_no_memory(launched: Launched) -> None:
    gateway = launched.children()[1]

    def rss() -> int:
        status = Path(f"/proc/{gateway}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))) * 1024

    launched.call("GET", "/stream/4")
    before = rss()
    with RawClient(("127.0.0.1", launched.gateway)) as client:
        client.send(b"GET /stream/128 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.socket.recv(1)
        seen: list[int] = []

        def is_stalled() -> bool:
            seen.append(rss())
            time.sleep(0.02)
            return len(seen) > 25 and max(seen[-25:]) - min(seen[-25:]) < MIB

        eventually(is_stalled, "the stream stands still")
        assert rss() - before < 16 * MIB


def test_fastapi_beside_it(launched: Launched) -> None:
    api = launched.api
    assert json.loads(launched.call("GET", "/items/3", port=api)[1]) == {"number": 3}
    assert launched.call("GET", "/count", port=api) == (200, b"0\n1\n2\n3\n4\n")
    status, body = launched.call("POST", "/items", port=api, body=b'{"name": "a", "price": 1.5}')
    assert (status, json.loads(body)) == (200, {"name": "a", "price": 1.5})
    eventually(lambda: json.loads(launched.call("GET", "/notes", port=api)[1]) == ["a"], "the background task has run")
    assert launched.call("POST", "/items", port=api, body=b"{}")[0] == 422


def test_ctrl_c_ends_all_of_it() -> None:
    launched = Launched()
    try:
        launched.wait_ready()
        children = launched.children()
        assert len(children) == 3
        launched.interrupt()
        launched.process.wait(20)
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    finally:
        launched.kill()


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env = dict(os.environ, GATEWAY_PORT=str(taken.getsockname()[1]))
        done = subprocess.run([sys.executable, str(EXAMPLES / "launch.py")], env=env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "GATEWAY_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_program_of_the_readme_serves() -> None:
    """examples/hello.py is the example of the README, on a port of its own."""
    readme = (ROOT / "README.md").read_text().partition("```python\n")[2].partition("```")[0]
    program = (EXAMPLES / "hello.py").read_text().partition("\n\n")[2]
    assert readme == program
    (port,) = free_ports(1)
    source = program.replace("listen(8000)", f"listen({port})")
    command = [sys.executable, "-m", "treadle", "run", "/dev/stdin"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdin is not None
        process.stdin.write(source.encode())
        process.stdin.close()
        with eventually(lambda: connected(port), "it listens") as client:
            client.send(b"GET /me HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert client.response().body == b"Hello from /me\n"
    finally:
        process.terminate()
        process.wait()


def connected(port: int) -> RawClient | None:
    try:
        return RawClient(("127.0.0.1", port))
    except ConnectionRefusedError:
        return None
