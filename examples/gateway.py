"""A gateway: streams an upstream's answer through with backpressure, joins two calls, serves a file, answers JSON.

Run it beside examples/upstream.py: UPSTREAM=http://127.0.0.1:8002 treadle run examples/gateway.py
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable

from treadle import fs, http

try:
    import httpx
except ImportError:
    raise SystemExit("the gateway calls its upstream with httpx: pip install httpx") from None

UPSTREAM = os.environ.get("UPSTREAM", "http://127.0.0.1:8002")
PORT = int(os.environ.get("GATEWAY_PORT", "8000"))
client = httpx.AsyncClient(base_url=UPSTREAM, timeout=30)

PAGE = """treadle's example gateway. Try:

  curl -i http://{host}/json
  curl -i http://{host}/bff/7                 two upstream calls at once, joined
  curl http://{host}/stream/64 | wc -c        64 MiB streamed through, in bounded memory
  curl --limit-rate 1M http://{host}/stream/64 -o /dev/null
  curl http://{host}/file                     this program, read by the pool
  curl -d 'some text' http://{host}/echo

and beside it, a FastAPI application under `treadle serve`:

  curl http://127.0.0.1:{api}/items/3         its other routes: http://127.0.0.1:{api}/docs
"""


def index(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    res.write_head(200, {"Content-Type": "text/plain; charset=utf-8"})
    res.end(PAGE.format(host=req.headers.get("host", f"127.0.0.1:{PORT}"), api=os.environ.get("API_PORT", "8001")))


def answer_json(req: http.IncomingMessage, res: http.ServerResponse, value: object = None) -> None:
    body = json.dumps(value if value is not None else {"hello": "world", "agent": req.headers.get("user-agent")})
    res.write_head(200, {"Content-Type": "application/json"})
    res.end(body)


async def bff(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    number = req.url.rpartition("/")[2]
    user, orders = await asyncio.gather(client.get(f"/users/{number}"), client.get(f"/orders/{number}"))
    answer_json(req, res, {"user": user.raise_for_status().json(), "orders": orders.raise_for_status().json()})


async def stream(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    async with client.stream("GET", f"/big/{req.url.rpartition('/')[2]}") as upstream:
        res.write_head(upstream.status_code, {"Content-Type": upstream.headers["content-type"]})
        async for chunk in upstream.aiter_raw():
            if not res.write(chunk):
                await res.ready()  # the client is slower than the upstream: read no further until it has caught up
    res.end()


async def file(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    res.write_head(200, {"Content-Type": "text/x-python; charset=utf-8"})
    res.end(await fs.read_file(__file__))


async def echo(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    res.write_head(200, {"Content-Type": req.headers.get("content-type", "application/octet-stream")})
    res.end(await req.read(limit=1024 * 1024))


Route = Callable[[http.IncomingMessage, http.ServerResponse], Awaitable[None] | None]
ROUTES: dict[str, Route] = {"": index, "json": answer_json, "bff": bff, "stream": stream, "file": file, "echo": echo}


async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    route = ROUTES.get(req.url.partition("?")[0].split("/")[1])
    if route is None:
        res.status_code = 404
        res.end("no such page; / says what there is\n")
        return
    try:
        result = route(req, res)
        if result is not None:
            await result
    except httpx.HTTPError as error:
        if res.headers_sent:
            raise  # the answer has begun: cut it, so that the client sees that it is not whole
        res.status_code = 502
        res.end(f"the upstream failed: {error!r}\n")


http.create_server(handler).listen(PORT)
print(f"gateway on http://127.0.0.1:{PORT}", flush=True)
