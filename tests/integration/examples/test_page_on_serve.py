"""docs/guide/serve.md shows logs: those of a program that is stopped now are the same, but for times, ports and process ids."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.integration.support import Program, eventually, request

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "serve.md"
APP = """
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "http":
        print("begun", flush=True)
        await asyncio.sleep(float(scope["path"][1:]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
"""
VARIES = re.compile(r"^ *\S+ \S+,\d{3} |:\d+ \(process \d+\)")  # times; ports and process ids


def said(lines: list[str]) -> list[str]:
    """What the logger `treadle` says: whether a cut handler's end is worth a line is another logger's affair."""
    return [text for line in lines if " treadle: " in (text := VARIES.sub("", line))]


def logs_of_the_page() -> list[list[str]]:
    blocks = re.findall(r"(?:^    \d{4}-.*\n)+", PAGE.read_text(), re.MULTILINE)
    return [said(block.splitlines()) for block in blocks]


@pytest.mark.parametrize(("seconds", "flags", "shown"), [("0.5", [], 0), ("60", ["--timeout-graceful-shutdown", "1"], 1)])
def test_it_stops_as_the_page_shows(tmp_path: Path, seconds: str, flags: list[str], shown: int) -> None:
    (tmp_path / "app.py").write_text(APP)
    with Program("serve", "app:app", "--port", "0", *flags, cwd=tmp_path) as program, program.client() as client:
        client.send(request("GET", f"/{seconds}"))
        eventually(lambda: program.stdout.text == "begun", "the request is under way")
        program.signal(signal.SIGTERM)
        client.rest()
        client.close()
        assert program.wait() == 0
        assert said(program.stderr.text.splitlines()) == logs_of_the_page()[shown]
