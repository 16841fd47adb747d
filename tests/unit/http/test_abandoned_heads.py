"""A head that was begun and not sent leaves nothing behind for the answer in its place, nor for the next exchange."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.http.support import bounded
from treadle import http

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def asked(server: http.Server, data: bytes) -> bytes:
    """All that comes back."""
    address = server.address()
    assert isinstance(address, tuple)
    reader, writer = await asyncio.open_connection(*address)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("status", [204, 205, 304])
def test_another_answer_has_its_body(status: int) -> None:
    def handler(_: Any, res: Any) -> None:
        with pytest.raises(Exception):  # noqa: B017 - whatever it says of a line end in a value
            res.write_head(status, {"X": "a\nb"})
        res.write_head(200)
        res.end("hello")

    async def main() -> None:
        server = http.create_server(handler).listen(0)
        assert (await asked(server, GET + GET)).count(b"\r\n\r\nhello") == 2
        server.close()

    bounded(main)


@pytest.mark.parametrize("status", [204, 304])
def test_an_error_in_its_place_has_its_body(status: int) -> None:
    def handler(_: Any, res: Any) -> None:
        res.write_head(status)
        raise ValueError("no")

    async def main() -> None:
        server = http.create_server(handler).listen(0)
        head, _, body = (await asked(server, GET)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 500 ")
        assert f"content-length: {len(body)}".encode() in head.lower() and body
        server.close()

    bounded(main)


def test_a_refused_head_is_not_logged_as_the_one_before(tmp_path: Path) -> None:
    async def main() -> None:
        log = http.access_log(tmp_path / "log", "json")
        server = http.create_server(lambda _, res: res.end("x"), access_log=log).listen(0)
        await asked(server, GET.replace(b"GET", b"POST"))
        await asked(server, b"\x16\x03\x01 garbage\r\n\r\n")
        await asked(server, b"GET /x HTTP/1.1\r\nHost: a\r\nbad field: 1\r\n\r\n")
        server.close()
        await server.wait_closed()
        await asyncio.to_thread(log.close)

    bounded(main)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["status"] for line in lines] == [200, 400, 400]
    assert "POST" in json.dumps(lines[0]) and not any("POST" in json.dumps(line) for line in lines[1:])
