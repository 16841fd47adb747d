"""treadle's `http.create_server` in Node's manner: the same handler as peers/node_http.js, line by line.

Run by `treadle run`; the port comes in $PORT, as for every server of the bench.
"""

from __future__ import annotations

import os

from treadle import http

BODY = "Hello, World!"


def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    """Answer `/` with 13 bytes of text, anything else with 404."""
    if req.url == "/":
        res.write_head(200, {"Content-Type": "text/plain", "Content-Length": 13})
        res.end(BODY)
    else:
        res.write_head(404)
        res.end()


http.create_server(handler).listen(int(os.environ["PORT"]), "127.0.0.1", backlog=4096)
