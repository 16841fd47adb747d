"""Starlette with the three exchanges; the framework's own cost is the same under every server."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route


async def hello(_request: Request) -> PlainTextResponse:
    """Answer 13 bytes of text."""
    return PlainTextResponse("Hello, World!")


async def echo_json(request: Request) -> JSONResponse:
    """Answer what was sent."""
    return JSONResponse(await request.json())


app = Starlette(routes=[Route("/", hello), Route("/json", echo_json, methods=["POST"])])
