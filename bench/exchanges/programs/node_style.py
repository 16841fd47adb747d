"""The three exchanges in Node's manner: the same handler as node.js beside it, line by line."""

from __future__ import annotations

import json
import os

from treadle import http

FIELDS = {
    "Content-Type": "text/plain",
    "Content-Length": 1,
    "Cache-Control": "no-store",
    "ETag": '"33a64df551425fcc"',
    "Vary": "accept-encoding",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Server-Timing": "app;dur=1",
}


def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    """Answer by the path."""
    if req.url == "/":
        res.write_head(200, {"Content-Type": "text/plain", "Content-Length": 13})
        res.end("Hello, World!")
    elif req.url == "/json":
        chunks: list[bytes] = []
        req.on("data", chunks.append)
        req.on("end", lambda: echo_json(b"".join(chunks), res))
    else:
        request_id = req.headers["x-request-id"]
        res.write_head(200, {**FIELDS, "X-Request-Id": request_id})
        res.end("1" if request_id == "b7a1c0de" else "0")


def echo_json(body: bytes, res: http.ServerResponse) -> None:
    """Send what is made of what was parsed."""
    answer = json.dumps(json.loads(body)).encode()
    res.write_head(200, {"Content-Type": "application/json", "Content-Length": len(answer)})
    res.end(answer)


http.create_server(handler).listen(int(os.environ["PORT"]), "127.0.0.1", backlog=4096)
