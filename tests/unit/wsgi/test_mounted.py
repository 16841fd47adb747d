"""A WSGI application inside an ASGI one, and by an ASGI client: what others put into a scope is enough."""

from __future__ import annotations

import json
from typing import Any

import pytest

import treadle
from treadle.wsgi import from_wsgi

httpx = pytest.importorskip("httpx")
pytest.importorskip("a2wsgi")


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    body = environ["wsgi.input"].read().decode()
    return [json.dumps([environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"], body]).encode()]


@pytest.mark.parametrize("has_raw_path", [True, False])
def test_by_an_asgi_client(has_raw_path: bool) -> None:
    inner = from_wsgi(app)

    async def outer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if not has_raw_path:
            del scope["raw_path"]
            del scope["root_path"]
        await inner(scope, receive, send)

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://test") as client:
            answer = await client.post("/a%20b/%C3%A9?q=%20", content=b"body")
        assert answer.json() == ["", "/a b/\xc3\xa9", "q=%20", "body"]

    treadle.run(main)


def test_mounted_by_starlette() -> None:
    applications = pytest.importorskip("starlette.applications")
    routing = pytest.importorskip("starlette.routing")

    async def main() -> None:
        outer = applications.Starlette(routes=[routing.Mount("/old", app=from_wsgi(app))])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://test") as client:
            answer = await client.get("/old/page")
        assert answer.json() == ["/old", "/page", "", ""]

    treadle.run(main)


def test_what_it_does_not_speak_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="websocket"):
            await from_wsgi(app)({"type": "websocket"}, None, None)  # type: ignore[arg-type]

    treadle.run(main)
