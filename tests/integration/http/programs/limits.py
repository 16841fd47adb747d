"""A server with small limits; `/read` reads its body, `/hold` waits for `/release` first."""

import asyncio

from treadle import http

released = asyncio.Event()


async def handler(req, res):
    if req.url == "/hold":
        await released.wait()
    elif req.url == "/release":
        released.set()
    res.end(b"%d" % len(await req.read()))


limits = http.Limits(request_line_bytes=100, headers_bytes=1_000, headers_count=5, body_high_water_mark=1_024)
server = http.create_server(handler, limits=limits).listen(0)
print("LISTENING", *server.address(), flush=True)
