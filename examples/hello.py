"""A server in a few lines, as in Node. Run it: treadle run examples/hello.py"""

from treadle import http, timers

seen = 0


def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    global seen
    seen += 1
    res.write_head(200, {"Content-Type": "text/plain"})
    res.end(f"Hello from {req.url}\n")


server = http.create_server(handler).listen(8000)
timers.set_interval(lambda: print("answered", seen), 10_000).unref()
print("listening on", server.address())
