"""A server that closes itself when asked, and prints what happens then, in order.

`/close` closes it from a handler, `/close-all` and `/close-idle` do what they say; `/delay/<ms>` is slow.
"""

import asyncio

from treadle import http


def say(*words):
    print(*words, flush=True)


async def wait_and_say():
    await server.wait_closed()
    say("wait_closed")


def closed_by_callback():
    say("callback", server.connections)


async def handler(req, res):
    if req.url.startswith("/delay/"):
        say("slow begins")
        await asyncio.sleep(int(req.url.rpartition("/")[2]) / 1000)
    elif req.url == "/close":
        server.close(closed_by_callback)
        asyncio.ensure_future(wait_and_say())
    elif req.url == "/close-twice":
        server.close(closed_by_callback)
        server.close()
    elif req.url == "/close-all":
        server.close(closed_by_callback)
        server.close_all_connections()
    elif req.url == "/close-idle":
        server.close_idle_connections()
    elif req.url == "/stream":
        res.write("begun;")
        await asyncio.sleep(0.2)
    res.end(f"{req.url}")


server = http.create_server(handler, timeouts=http.Timeouts(linger_s=1))
server.on("listening", lambda: say("listening"))
server.on("close", lambda: say("close"))
server.on("connection", lambda *_: None)
server.listen(0, "127.0.0.1", lambda: say("listen callback"))
say("LISTENING", *server.address())
