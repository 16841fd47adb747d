"""node_style.py over TLS: the twin of peers/node_https.js. $TLS_CERT has the certificate and its key."""

from __future__ import annotations

import os

from treadle import http, tls

BODY = "Hello, World!"


def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    """Answer `/` with 13 bytes of text, anything else with 404."""
    if req.url == "/":
        res.write_head(200, {"Content-Type": "text/plain", "Content-Length": 13})
        res.end(BODY)
    else:
        res.write_head(404)
        res.end()


options = tls.ServerOptions(cert=os.environ["TLS_CERT"])
http.create_server(handler, tls=options).listen(int(os.environ["PORT"]), "127.0.0.1", backlog=4096)
