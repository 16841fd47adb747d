"""Large files on their way: what becomes of the file meanwhile, and of the client; what stays open, and when it is cut."""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.support import Program, RawClient, eventually, request

pytestmark = pytest.mark.slow

KIB = 1024
MIB = 1024 * KIB
SIZE = 6 * MIB + 11  # far more than both kernels hold of it
SNDBUF = RCVBUF = 32 * KIB
PROGRESS_S = 0.5


def content(size: int, seed: int = 7) -> bytes:
    block = bytes(index * seed % 251 for index in range(251 * 64))
    return (block * (size // len(block) + 1))[:size]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    site.mkdir()
    (site / "large").write_bytes(content(SIZE))
    (site / "small").write_bytes(b"small")
    for name in ("large", "small"):
        os.utime(site / name, (1_700_000_000, 1_700_000_000))
    return site


def serving(site: Path, *, cwd: Path | None = None, limits: dict[str, int] | None = None, **timeouts: float) -> Program:
    env = {"TIMEOUTS": json.dumps(timeouts), "LIMITS": json.dumps(limits or {}), "SNDBUF": str(SNDBUF), "PLAIN": "1"}
    return Program.run("static_files.py", cwd=cwd, env={"ROOT": str(site), **env})


@pytest.fixture
def program(site: Path) -> Iterator[Program]:
    """Whatever a test does, afterwards it serves, and holds what it held before."""
    with serving(site) as program:
        program.get("/small")
        before = program.idle_fd_count()
        yield program
        assert program.get("/small").body == b"small"
        eventually(lambda: program.idle_fd_count() == before, "every descriptor is closed")


def begin(client: RawClient, target: str = "/large", *headers: str) -> bytes:
    """Ask, and read the head; what is beside it is returned."""
    client.send(request("GET", target, *headers, "Connection: close"))
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.socket.recv(4 * KIB)
    assert received.startswith(b"HTTP/1.1 20")
    return received.partition(b"\r\n\r\n")[2]


def wait_until_stuck(program: Program, client: RawClient) -> None:
    """The kernels hold what they can, and the server waits for the client: nothing more arrives."""
    held = -1
    while held != (held := len(client.socket.recv(64 * MIB, 2))):  # MSG_PEEK
        select.select([], [], [], 0.1)


# ---- what becomes of the file


def shorten(path: Path) -> None:
    os.truncate(path, MIB)


def empty(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("change", [shorten, empty])
def test_a_file_that_is_shortened_is_cut_and_never_padded(program: Program, site: Path, change: Callable[[Path], None]) -> None:
    with program.client(rcvbuf=RCVBUF) as client:
        body = begin(client)
        wait_until_stuck(program, client)
        change(site / "large")
        body += client.rest()
    assert len(body) < SIZE
    assert body == content(SIZE)[: len(body)]
    program.stderr.wait_line("GET /large: cut: The file ended after")
    assert "Traceback" not in program.stderr.text


def test_several_parts_of_a_file_that_is_shortened(program: Program, site: Path) -> None:
    with program.client(rcvbuf=RCVBUF) as client:
        body = begin(client, "/large", f"Range: bytes=0-{3 * MIB},{4 * MIB}-{5 * MIB}")
        wait_until_stuck(program, client)
        shorten(site / "large")
        body += client.rest()
    assert len(body) < 2 * MIB
    assert b"--\r\n" not in body[-10:]


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(content(SIZE, 11))
    other.rename(path)


def delete(path: Path) -> None:
    path.unlink()


def lengthen(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"more" * MIB)


@pytest.mark.parametrize("change", [replace, delete, lengthen])
def test_what_was_opened_is_sent(program: Program, site: Path, change: Callable[[Path], None]) -> None:
    with program.client(rcvbuf=RCVBUF) as client:
        client.send(request("GET", "/large"))
        wait_until_stuck(program, client)
        change(site / "large")
        assert client.response().body == content(SIZE)
        after = client.request("GET", "/large")
        assert (after.status, len(after.body)) == {
            replace: (200, SIZE),
            delete: (404, 14),
            lengthen: (200, SIZE + 4 * MIB),
        }[change]
        assert change is not replace or after.body == content(SIZE, 11)


# ---- what becomes of the client

PLACES = [0, 1, 100, 10_000, 100_000, MIB, 3 * MIB, SIZE - 1]  # bytes that it reads before it leaves


@pytest.mark.parametrize("way", ["close", "reset"])
@pytest.mark.parametrize("headers", [(), ("Range: bytes=5-",), ("Range: bytes=0-2000000,3000000-5000000",)])
def test_a_client_that_leaves_leaves_nothing(program: Program, headers: tuple[str, ...], way: str) -> None:
    for place in PLACES:
        for _ in range(3):
            with program.client(rcvbuf=RCVBUF) as client:
                client.send(request("GET", "/large", *headers, "Connection: close"))
                left = place
                while left > 0 and (data := client.socket.recv(min(left, 64 * KIB))):
                    left -= len(data)
                if way == "reset":
                    client.reset()
    eventually(lambda: program.connection_count == 0, "no connection is left")
    assert "Traceback" not in program.stderr.text


def test_clients_that_leave_before_anything_is_sent(program: Program) -> None:
    for target in ("/large", "/small", "/nothing") * 30:
        with program.client() as client:
            client.send(request("GET", target))
            client.reset()
    eventually(lambda: program.connection_count == 0, "no connection is left")
    assert "Traceback" not in program.stderr.text


def test_a_client_that_has_ended_its_side_gets_all(program: Program) -> None:
    with program.client(rcvbuf=RCVBUF) as client:
        body = begin(client)
        client.half_close()
        wait_until_stuck(program, client)
        assert body + client.rest() == content(SIZE)


def test_what_is_pipelined_waits_for_the_file(program: Program) -> None:
    with program.client(rcvbuf=RCVBUF) as client:
        client.send(
            request("GET", "/large") * 2 + request("GET", "/small") + request("HEAD", "/large") + request("GET", "/small")
        )
        wait_until_stuck(program, client)
        assert [client.response().body for _ in range(2)] == [content(SIZE)] * 2
        assert client.response().body == b"small"
        assert client.response("HEAD").get("content-length") == str(SIZE)
        assert client.response().body == b"small"


def test_a_slow_reader_holds_no_thread_and_no_memory(program: Program) -> None:
    """More of them than the pool has threads, all stuck: others are served, and the files are not in the process."""
    clients = [program.client(rcvbuf=RCVBUF) for _ in range(30)]
    try:
        before = program.rss_bytes
        for client in clients:
            begin(client)
        for client in clients[::10]:
            wait_until_stuck(program, client)
        assert program.get("/small").body == b"small"
        assert program.rss_bytes - before < 30 * 256 * KIB  # an allocator's arenas included; each file is 24 times that
    finally:
        for client in clients:
            client.close()


def test_a_cancelled_handler_cuts_its_answer(site: Path) -> None:
    with Program.run("static_files.py", env={"ROOT": str(site), "SNDBUF": str(SNDBUF)}) as program:
        (site / "large").write_bytes(content(11 * MIB))
        program.get("/small")
        before = program.idle_fd_count()
        with program.client(rcvbuf=RCVBUF) as client:
            client.send(request("GET", "/cancel"))
            program.stdout.wait_line("^told CancelledError")
            assert len(client.rest()) < 10_000_000
        eventually(lambda: program.idle_fd_count() == before, "every descriptor is closed")


# ---- the deadline for a peer that takes nothing


def test_a_peer_that_takes_nothing_is_cut(site: Path) -> None:
    with serving(site, send_progress_s=PROGRESS_S) as program:
        program.get("/small")
        before = program.idle_fd_count()
        with program.client(rcvbuf=RCVBUF) as client:
            begin(client)
            eventually(lambda: program.connection_count == 0, "it is cut")
            eventually(lambda: program.idle_fd_count() == before, "every descriptor is closed")
            assert len(client.rest()) < SIZE


def test_a_peer_that_takes_a_little_now_and_then_is_not(site: Path) -> None:
    """Several times the deadline; the pauses are the point."""
    with serving(site, send_progress_s=PROGRESS_S) as program, program.client(rcvbuf=RCVBUF) as client:
        body = begin(client)
        for _ in range(40):
            select.select([], [], [], PROGRESS_S / 10)
            for _ in range(4):
                body += client.socket.recv(16 * KIB)
        assert body + client.rest() == content(SIZE)


def test_a_peer_that_takes_some_but_too_little_is_cut(site: Path) -> None:
    """Each piece is progress, and none buys time; the clock stands still while the file is read, and goes on where it stood."""
    rate = 400 * KIB
    with (
        serving(site, send_progress_s=1.0, limits={"answer_bytes_per_s": rate}) as program,
        program.client(rcvbuf=RCVBUF) as client,
    ):
        begin(client)
        with pytest.raises(ConnectionResetError):
            while client.socket.recv(rate // 80):
                select.select([], [], [], 1 / 40)


def test_the_next_answer_has_a_deadline_of_its_own(site: Path) -> None:
    """What ran for the file is stopped with it: an idle connection behind it stays."""
    with serving(site, send_progress_s=PROGRESS_S) as program, program.client(rcvbuf=RCVBUF) as client:
        client.send(request("GET", "/large"))
        wait_until_stuck(program, client)
        assert client.response().body == content(SIZE)
        select.select([], [], [], 2 * PROGRESS_S)
        assert client.request("GET", "/small").body == b"small"


# ---- the end of the server


def test_a_stop_waits_for_a_file_and_cuts_one_that_is_stuck(site: Path) -> None:
    app = ("path_send:app", "--static", f"/files={site}", "--timeout-graceful-shutdown", "3")
    with (
        Program.serve(*app, env={"FILES": str(site)}) as program,
        program.client(rcvbuf=RCVBUF) as reading,
        program.client(rcvbuf=RCVBUF) as stuck,
    ):
        (site / "large").write_bytes(content(64 * MIB))  # more than both kernels hold of it
        for client in (reading, stuck):
            begin(client, "/files/large")
            wait_until_stuck(program, client)
        program.signal(signal.SIGTERM)
        program.stderr.wait_line("SIGTERM: stopping")
        assert len(reading.rest()) > 60 * MIB
        assert program.wait() == 0
        assert len(stuck.rest()) < 60 * MIB
        assert "Traceback" not in program.stderr.text


# ---- when something is short


def test_without_descriptors_it_says_so(site: Path) -> None:
    import resource

    with serving(site) as program:
        program.get("/small")
        with program.client() as client:
            client.request("GET", "/small")
            limit = program.fd_count  # all that it has now
            resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (limit, 4096))
            answer = client.request("GET", "/large")
            assert (answer.status, answer.get("retry-after")) == (503, "1")
            # Enough to find the file, and not for what sendfile works on: it is read instead.
            resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (limit + 2, 4096))
            assert client.request("GET", "/large").body == content(SIZE)
            resource.prlimit(program.pid, resource.RLIMIT_NOFILE, (limit + 100, 4096))
            assert client.request("GET", "/large").body == content(SIZE)
