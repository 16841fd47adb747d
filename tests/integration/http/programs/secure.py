"""HTTPS with what the other programs do not do: files, and a loop that is blocked. Environment: `TLS`, a certificate with its key;
`ROOT`, a folder whose files are served; `KEEP_ALIVE_S`."""

import os
import time

from treadle import http, tls

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


timeouts = http.Timeouts(keep_alive_s=float(os.environ.get("KEEP_ALIVE_S", 75)))
server = http.create_server(handler, timeouts=timeouts, tls=tls.ServerOptions(cert=os.environ["TLS"])).listen(0)
print("LISTENING", *server.address(), flush=True)
