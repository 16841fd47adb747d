"""The server that hears the vectors: every request that arrives whole is answered 200 with its body, or "ok".

`SYNC=1` in the environment makes it answer at once and never look at the body. `TLS`, a certificate with its key: it speaks
HTTPS, and what listens is a bridge to it in the same program, whose clients speak plain HTTP.
"""

import asyncio
import os

from treadle import http, net, tls


async def answer_body(req, res):
    if req.url == "/slow":
        await asyncio.sleep(0.01)
    body = await req.read()
    res.set_header("x-method", req.method)
    res.end(body or b"ok")


def answer_at_once(req, res):
    res.set_header("x-method", req.method)
    res.end(b"ok")


async def bridge(plain):
    """Both ways, half-closed states included; where one side is cut the other is reset."""
    secure = tls.connect(server.address()[1], "localhost", tls=context, allow_half_open=True)
    plain.on("error", lambda error: secure.destroy())
    secure.on("error", lambda error: plain.destroyed or plain.reset_and_destroy())
    plain.on("close", lambda *_: secure.destroy())
    plain.pipe(secure)
    secure.pipe(plain)


certificate = os.environ.get("TLS")
options = {} if certificate is None else {"tls": tls.ServerOptions(cert=certificate)}
server = http.create_server(answer_at_once if os.environ.get("SYNC") else answer_body, **options).listen(0)
listener = server
if certificate is not None:
    context = tls.ClientOptions(ca=certificate).load()
    listener = net.create_server(bridge, allow_half_open=True).listen(0)
print("LISTENING", *listener.address()[:2], flush=True)
