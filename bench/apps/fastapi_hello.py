"""FastAPI: one async route that answers text; the framework's own cost is the same under every server."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI(openapi_url=None)


@app.get("/", response_class=PlainTextResponse)
async def root() -> str:
    """Answer 13 bytes of text."""
    return "Hello, World!"
