"""examples/compressed.py: a report that is compressed as it is made, and events that arrive one by one."""

from __future__ import annotations

import gzip
import socket
import zlib
from pathlib import Path

import pytest

from tests.integration.support import DEADLINE_S, Program, request

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "compressed.py"
REPORT = "".join(f"{number}: nothing to report\n" for number in range(100_000)).encode()


def test_a_report_is_compressed_for_who_takes_it() -> None:
    with Program.run(EXAMPLE, env={"PORT": "0"}) as program:
        packed = program.get("/report", "Accept-Encoding: gzip")
        assert packed.get("content-encoding") == "gzip"
        assert gzip.decompress(packed.body) == REPORT
        assert len(packed.body) < len(REPORT) / 5
        plain = program.get("/report")
        assert (plain.get("content-encoding"), plain.body) == (None, REPORT)


def test_an_event_arrives_when_it_happens() -> None:
    with Program.run(EXAMPLE, env={"PORT": "0", "EVERY_MS": "3600000"}) as program:  # the second one never comes
        address = program.address
        assert isinstance(address, tuple)
        with socket.create_connection(address, timeout=DEADLINE_S) as client:
            client.sendall(request("GET", "/events", "Accept-Encoding: gzip"))
            received = b""
            while b"data: 0\n\n" not in readable(received):
                part = client.recv(65536)
                assert part, received
                received += part


def readable(received: bytes) -> bytes:
    """What of a chunked, gzipped answer can be read by now."""
    _, _, rest = received.partition(b"\r\n\r\n")
    reader, plain = zlib.decompressobj(31), b""
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        plain += reader.decompress(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return plain
