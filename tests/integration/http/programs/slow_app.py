"""ASGI for clients that are slow, with the deadlines of $TIMEOUTS: `/` says hello, `/upload` reads, `/download` sends 64 MiB.

`/told` says how many of each were told that their client has gone, since the server was started.
"""

import json
import os

from treadle.asgi import ServeConfig, Serving
from treadle.http import Timeouts
from treadle.loop.current import get_loop

CHUNK = b"x" * 65_536
CHUNKS = 1024
SIZE = [(b"content-length", b"%d" % (len(CHUNK) * CHUNKS))]
told = {"/upload": 0, "/download": 0}


async def answer(send, body):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def app(scope, receive, send):
    path = scope["path"]
    if path == "/upload":
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                told[path] += 1
                return
            if not message.get("more_body", False):
                break
    elif path == "/download":
        await send({"type": "http.response.start", "status": 200, "headers": SIZE})
        try:
            for _ in range(CHUNKS):
                await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        except OSError:
            told[path] += 1
            return
        await send({"type": "http.response.body", "body": b""})
        return
    await answer(send, json.dumps(told).encode() if path == "/told" else b"hello")


async def main():
    timeouts = Timeouts(**json.loads(os.environ["TIMEOUTS"]))
    serving = Serving(app, ServeConfig(port=0, lifespan="off", timeouts=timeouts))
    await serving.start()
    print("LISTENING", *serving.addresses[0], flush=True)


get_loop().create_task(main())
