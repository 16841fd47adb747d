"""The server that hears the vectors: every request that arrives whole is answered 200 with its body, or "ok".

`SYNC=1` in the environment makes it answer at once and never look at the body.
"""

import asyncio
import os

from treadle import http


async def answer_body(req, res):
    if req.url == "/slow":
        await asyncio.sleep(0.01)
    body = await req.read()
    res.set_header("x-method", req.method)
    res.end(body or b"ok")


def answer_at_once(req, res):
    res.set_header("x-method", req.method)
    res.end(b"ok")


server = http.create_server(answer_at_once if os.environ.get("SYNC") else answer_body).listen(0)
print("LISTENING", *server.address(), flush=True)
