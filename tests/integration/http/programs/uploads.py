"""What a client has sent, told back: as it came, or as a form. For clients of others (test_curl.py)."""

import hashlib

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route


async def told(request: Request) -> JSONResponse:
    """The method, what matters of the head, and the body by its size and digest; read in pieces."""
    size, digest = 0, hashlib.sha256()
    async for chunk in request.stream():
        size += len(chunk)
        digest.update(chunk)
    names = ("content-type", "content-length", "transfer-encoding", "expect")
    fields = {name: request.headers[name] for name in names if name in request.headers}
    client = request.client
    return JSONResponse({
        "method": request.method,
        "query": request.url.query,
        "http": request.scope["http_version"],
        "size": size,
        "digest": digest.hexdigest(),
        "port": client.port if client else None,
        **fields,
    })  # fmt: skip


async def form(request: Request) -> JSONResponse:
    """Each field with its value; a file with its name, type, size and digest."""
    fields = {}
    async with request.form() as sent:
        for name, value in sent.multi_items():
            if isinstance(value, UploadFile):
                content = await value.read()
                fields[name] = [value.filename, value.content_type, len(content), hashlib.sha256(content).hexdigest()]
            else:
                fields[name] = value
    return JSONResponse(fields)


async def refused(request: Request) -> PlainTextResponse:
    """An answer before the body was looked at."""
    return PlainTextResponse("no", 413)


async def streamed(request: Request) -> StreamingResponse:
    """A body of unknown length."""

    async def pieces():  # type: ignore[no-untyped-def]
        for index in range(1_000):
            yield f"{index:08}\n"

    return StreamingResponse(pieces(), media_type="text/plain")


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
app = Starlette(
    routes=[
        Route("/told", told, methods=METHODS),
        Route("/put/{name}", told, methods=METHODS),
        Route("/form", form, methods=METHODS),
        Route("/refused", refused, methods=METHODS),
        Route("/streamed", streamed),
    ]
)
