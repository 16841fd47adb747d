"""Debug mode names the handler that takes long, and for which request."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.integration.support import Program

SERVER = """
    import asyncio

    from treadle import http
    from treadle.loop.current import get_loop


    def sync_handler(req, res):
        res.end("done")


    async def async_handler(req, res):
        await asyncio.sleep(0)
        res.end("done")


    get_loop().slow_callback_duration = 0
    server = http.create_server({handler}).listen(0)
    print("LISTENING", *server.address(), flush=True)
"""


@pytest.mark.parametrize(("handler", "line"), [("sync_handler", 8), ("async_handler", 12)])
def test_a_slow_handler_is_logged(tmp_path: Path, handler: str, line: int) -> None:
    file = tmp_path / "server.py"
    file.write_text(textwrap.dedent(SERVER).replace("{handler}", handler))
    with Program.run(file, env={"PYTHONASYNCIODEBUG": "1"}) as program:
        assert program.get("/report").body == b"done"
        found = program.stderr.wait_line(r"Executing (\S+ at \S+ of <IncomingMessage GET /report .*>) took \d\.\d{3} seconds")
        assert found[1].startswith(f"{handler}() at {file}:{line} of ")
