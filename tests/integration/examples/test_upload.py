"""examples/upload.py: a file goes in and comes back, memory stays bounded, and a client that leaves leaves nothing."""

from __future__ import annotations

import gzip
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.support import Program, eventually, request

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "upload.py"
MIB = 1024 * 1024


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with Program.run(EXAMPLE, env={"PORT": "0", "UPLOADS": str(tmp_path)}) as program:
        yield program
        assert program.is_alive


def test_a_file_goes_in_and_comes_back(program: Program, tmp_path: Path) -> None:
    sent = os.urandom(3 * MIB) + bytes(3 * MIB)
    answer = program.get("/photo.raw", method="PUT", body=sent)
    stored = (tmp_path / "photo.raw.gz").read_bytes()
    assert (answer.status, answer.body) == (200, b"stored\n")
    assert gzip.decompress(stored) == sent
    back = program.get("/photo.raw")
    assert (back.get("content-encoding"), back.body) == ("gzip", stored)
    assert os.listdir(tmp_path) == ["photo.raw.gz"]


@pytest.mark.parametrize("target", ["/", "/../x", "/.hidden", "/missing", "/a/b"])
def test_what_is_no_file(program: Program, target: str) -> None:
    assert program.get(target).status == 404


def test_a_disk_that_takes_nothing_is_answered(program: Program, tmp_path: Path) -> None:
    limits = resource.prlimit(program.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (100_000, limits[1]))
    answer = program.get("/large", method="PUT", body=os.urandom(3 * MIB))
    assert (answer.status, answer.body) == (507, b"not stored: File too large\n")
    eventually(lambda: os.listdir(tmp_path) == [], "the part is gone")
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, limits)
    assert program.get("/large", method="PUT", body=b"small").body == b"stored\n"


def test_memory_does_not_grow_with_the_file(program: Program, tmp_path: Path) -> None:
    block = os.urandom(MIB)
    program.get("/warm", method="PUT", body=block)
    assert len(program.get("/warm").body) > MIB
    memory, size = program.rss_bytes, 64
    with program.client() as client:
        client.send(request("PUT", "/large", f"Content-Length: {size * MIB}"))
        for _ in range(size):
            client.send(block)
        assert client.response().status == 200
    with program.client(rcvbuf=65_536) as client:
        client.send(request("GET", "/large"))
        assert len(client.response().body) > size * MIB
    assert program.rss_bytes - memory < 16 * MIB


def test_a_client_that_leaves_leaves_nothing(program: Program, tmp_path: Path) -> None:
    program.get("/warm", method="PUT", body=b"warm")
    (tmp_path / "warm.gz").unlink()
    fds = program.idle_fd_count()
    for _ in range(5):
        with program.client() as client:
            client.send(request("PUT", "/half", "Content-Length: 100000") + bytes(50_000))
            eventually(lambda: any(name.endswith(".part") for name in os.listdir(tmp_path)), "the file is begun")
            client.reset()
        eventually(lambda: os.listdir(tmp_path) == [], "the file is gone")
    eventually(lambda: program.idle_fd_count() == fds, "no descriptor stays")
    assert "Traceback" not in program.stderr.text
