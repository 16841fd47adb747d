"""Big answers on a server with a short keep-alive, and one that is asked to close meanwhile."""

from treadle import http

SIZE = 6_000_000


async def handler(req, res):
    if req.url == "/close":
        server.close()
    if req.url == "/early":
        res.end(b"x" * SIZE)  # its body is still on its way
        return
    res.end(b"x" * SIZE)


server = http.create_server(handler, timeouts=http.Timeouts(keep_alive_s=0.3)).listen(0)
server.on("close", lambda: print("closed", flush=True))
print("LISTENING", *server.address(), flush=True)
