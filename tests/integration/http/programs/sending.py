"""Answers that a peer may leave unread, and a server that says when it has closed.

Environment: `TIMEOUTS` and `LIMITS` for JSON objects of `Timeouts` and `Limits` fields; `SNDBUF` for the bytes that the kernel takes on this side, few of them
so that what the peer does not read stays with the server. `/kib/<n>` answers at once, `/stream/<n>` piece by piece, `/close` closes the server, `/calls` counts handlers.
"""

import json
import os
import socket

from treadle import http

KIB = 1024
calls = 0


def say(*words):
    print(*words, flush=True)


def body_of(index, size):
    return b"%08d" % index + b"x" * (size - 8)  # written to, so that its pages are there: zeros would not be


async def stream(res, count):
    try:
        for index in range(count):
            if not res.write(body_of(index, KIB)):
                await res.ready()
        res.end()
    except Exception as error:
        say("told", getattr(error, "code", repr(error)))
        raise


def handler(req, res):
    global calls
    kind, _, number = req.url[1:].partition("/")
    if kind == "calls":
        res.end(f"{calls}")
    elif kind == "close":
        server.close()
        res.end("closing")
    elif kind == "stream":
        return stream(res, int(number))
    else:
        res.set_header("x-index", calls)
        res.end(body_of(calls, int(number) * KIB))
        calls += 1
    return None


listening = socket.socket()
if "SNDBUF" in os.environ:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, int(os.environ["SNDBUF"]))  # accepted sockets inherit it
listening.bind(("127.0.0.1", 0))
server = http.create_server(
    handler,
    timeouts=http.Timeouts(**json.loads(os.environ.get("TIMEOUTS", "{}"))),
    limits=http.Limits(**json.loads(os.environ.get("LIMITS", "{}"))),
)
server.on("close", lambda: say("close"))
server.listen(sock=listening)
say("LISTENING", *server.address())
