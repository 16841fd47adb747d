"""Names and words are compared in ASCII, whatever the locale of the process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = textwrap.dedent("""
    import asyncio, locale, sys
    import treadle
    from treadle import http

    assert sys.argv[1] != "tr" or "tr_TR" in locale.setlocale(locale.LC_CTYPE)

    async def main():
        seen = []

        def handler(req, res):
            seen.append(req.url)
            res.end()

        server = http.create_server(handler).listen(0)
        reader, writer = await asyncio.open_connection(*server.address())
        writer.write(b"POST /a HTTP/1.1\\r\\nHOST: x\\r\\nTRANSFER-ENCODING: CHUNKED\\r\\nCONNECTION: CLOSE\\r\\n\\r\\n")
        writer.write(b"0\\r\\n\\r\\nGET /b HTTP/1.1\\r\\nHOST: x\\r\\n\\r\\n")
        print((await reader.read()).split(b" ")[1].decode(), *seen)
        writer.close()
        server.close()

    treadle.run(main())
""")


def outcome(*environment: tuple[str, str], word: str = "") -> str:
    command = [sys.executable, "-c", PROGRAM, word]
    return subprocess.run(
        command, env={**os.environ, **dict(environment)}, capture_output=True, text=True, timeout=60, check=True
    ).stdout


def test_upper_case_frames_as_lower_case_does() -> None:
    assert outcome() == "200 /a\n"


def test_and_so_it_does_in_turkish(tmp_path: Path) -> None:
    if shutil.which("localedef") is None or not Path("/usr/share/i18n/locales/tr_TR").exists():
        pytest.skip("no definition of the Turkish locale")
    subprocess.run(["localedef", "-i", "tr_TR", "-f", "UTF-8", str(tmp_path / "tr_TR.UTF-8")], check=True, capture_output=True)
    assert outcome(("LOCPATH", str(tmp_path)), ("LC_ALL", "tr_TR.UTF-8"), word="tr") == "200 /a\n"
