"""A real HTTP server for the gateway to call, in a process of its own: Python's own http.server, nothing of treadle.

Run it: python examples/upstream.py 8002. Paths: /big/<MiB> (chunked, deterministic bytes), /users/<id>, /orders/<id>.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = bytes(range(256)) * 256  # 64 KiB


class Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        kind, _, number = self.path.strip("/").partition("/")
        if kind == "big" and number.isdigit():
            self.big(int(number))
        elif kind in ("users", "orders") and number.isdigit():
            time.sleep(0.05)  # what a database takes
            self.json({"kind": kind, "id": int(number)})
        else:
            self.send_error(404)

    def big(self, mebibytes: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for _ in range(mebibytes * 16):
                self.wfile.write(b"10000\r\n" + BLOCK + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:  # the gateway's client has left, and so the gateway
            self.close_connection = True

    def json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8002), Upstream)
    print(f"upstream on http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
