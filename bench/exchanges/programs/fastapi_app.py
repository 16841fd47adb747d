"""FastAPI with two of the exchanges; the framework's own cost is the same under every server."""

from __future__ import annotations

from typing import Any

from fastapi import Body, FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI(openapi_url=None)


@app.get("/", response_class=PlainTextResponse)
async def hello() -> str:
    """Answer 13 bytes of text."""
    return "Hello, World!"


@app.post("/json")
async def echo_json(sent: dict[str, Any] = Body()) -> dict[str, Any]:  # noqa: B008 - FastAPI's way to say it
    """Answer what was sent."""
    return sent
