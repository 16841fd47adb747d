"""A FastAPI application, and Starlette below it, that use what real services use: lifespan, threads, streams, files."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from fastapi import BackgroundTasks, Depends, FastAPI, Header, Request
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

variable = contextvars.ContextVar("variable", default="unset")
done_in_background = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict]:
    print("framework started", flush=True)
    yield {"word": "from lifespan"}
    print("framework stopped", flush=True)


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    count: int = 1


@app.middleware("http")
async def stamp(request: Request, call_next):
    variable.set(request.url.path)
    response = await call_next(request)
    response.headers["x-stamp"] = "stamped"
    return response


async def dependency(x_token: str = Header(default="none")):
    yield x_token


@app.get("/")
async def root():
    return {"hello": "world"}


@app.get("/items/{item_id}")
async def read_item(item_id: int, request: Request, token: str = Depends(dependency)):
    return {"item": item_id, "token": token, "query": dict(request.query_params), "url": str(request.url)}


@app.post("/items")
async def create_item(item: Item):
    return item


@app.get("/thread")
def in_thread():
    return {"is_main": threading.current_thread() is threading.main_thread(), "variable": variable.get()}


@app.get("/threads")
async def in_threads():
    await asyncio.gather(*(anyio.to_thread.run_sync(threading.get_ident) for _ in range(20)))
    return "ok"


@app.get("/task-group")
async def task_group():
    """anyio looks at the identity of the task it runs in."""
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0.001)
        group.start_soon(anyio.sleep, 0)
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep(5)
    return {"cancelled": scope.cancelled_caught}


@app.get("/timeout")
async def timeout():
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(5)
    except TimeoutError:
        return "timed out"


@app.get("/stream")
async def stream():
    async def pieces():
        for index in range(5):
            yield f"piece {index};"
            await asyncio.sleep(0)

    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/stream-sync")
def stream_sync():
    return StreamingResponse((f"piece {index};" for index in range(5)), media_type="text/plain")


@app.get("/file")
async def file():
    return FileResponse(Path(__file__))


@app.get("/background")
async def background(tasks: BackgroundTasks):
    tasks.add_task(done_in_background.append, "sync")

    async def later():
        done_in_background.append("async")

    tasks.add_task(later)
    return "started"


@app.get("/background-done")
async def background_done():
    return done_in_background


@app.post("/upload")
async def upload(request: Request):
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return {"size": size}


@app.get("/state")
async def state(request: Request):
    return {"word": request.state.word}


@app.get("/raise")
async def fail():
    raise RuntimeError("marker-framework")


@app.exception_handler(KeyError)
async def on_key_error(request: Request, error: KeyError):
    return JSONResponse({"caught": str(error)}, status_code=418)


@app.get("/raise-handled")
async def fail_handled():
    raise KeyError("handled")


class Wrapping(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        body = await request.body()
        response = await call_next(request)
        response.headers["x-body"] = str(len(body))
        return response


async def wrapped(request):
    return PlainTextResponse(await request.body())


below = Starlette(routes=[Route("/wrapped", wrapped, methods=["GET", "POST"])])
below.add_middleware(Wrapping)
app.mount("/below", below)
