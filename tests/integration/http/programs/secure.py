"""HTTPS with what the other programs do not do: files, and a loop that is blocked. Environment: `TLS`, a certificate with its key;
`ROOT`, a folder whose files are served; `KEEP_ALIVE_S`."""

import os
import time

from treadle import http, tls
from treadle.streams import pipeline

files = http.serve_static(os.environ["ROOT"])


def handler(req, res):
    if req.url.startswith("/block/"):
        print("blocked", flush=True)
        time.sleep(int(req.url.rpartition("/")[2]) / 1000)
        res.end("blocked")
        return None
    if req.url == "/":
        res.end("hello")
        return None
    return files(req, res)


async def echo(req, socket, head):
    """What comes on the socket goes back, behind what came with the request."""
    socket.write(f"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: {type(socket).__name__}\r\n\r\n")
    socket.write(head)
    await pipeline(socket, socket)


timeouts = http.Timeouts(keep_alive_s=float(os.environ.get("KEEP_ALIVE_S", 75)))
server = http.create_server(handler, timeouts=timeouts, tls=tls.ServerOptions(cert=os.environ["TLS"])).listen(0)
server.on("upgrade", echo)
server.on("connect", echo)
print("LISTENING", *server.address(), flush=True)
