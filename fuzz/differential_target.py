"""The server whose framing is compared: a request that arrives whole is answered 200, with what was seen of it in the headers."""

import sys

from fuzz.framings import digest
from treadle import http


async def handler(req, res):
    body = await req.read()
    res.set_header("x-method", req.method)
    res.set_header("x-target", req.url.encode("utf-8", "surrogateescape").hex() or "-")
    res.set_header("x-length", len(body))
    res.set_header("x-digest", digest(body))
    res.end()


server = http.create_server(handler).listen(path=sys.argv[1])
print("LISTENING", server.address(), flush=True)
