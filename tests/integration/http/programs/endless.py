"""A handler that writes for ever, and looks at what write() says, as the guide has it."""

from treadle import http


async def handler(req, res):
    if req.url == "/":
        return res.end("alive")
    try:
        while True:
            if not res.write(b"x" * 10_000):
                await res.ready()
    except ConnectionError:
        print("left", flush=True)
        raise


server = http.create_server(handler).listen(0)
print("LISTENING", *server.address(), flush=True)
