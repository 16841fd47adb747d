"""The files of a directory, and answers with parts of a file that a handler writes itself.

Environment: `ROOT`; `OPTIONS`, a JSON object of serve_static's; `TIMEOUTS` and `LIMITS`, of their fields; `SNDBUF`, the bytes that the kernel
takes on this side. `/write/<offset>/<size>` and `/chunks/<offset>/<size>` send a part of `large` by write_file(), `/proc` what has no size and
no sendfile(2), `/send` one file under another name, `/cancel` gives up in the middle. Each says on stdout what it was told.
"""

import asyncio
import json
import os
import socket

from treadle import fs, http


def say(*words):
    print(*words, flush=True)


async def write_part(res, path, offset, size, length):
    async with fs.open(path) as file:
        if length is not None:
            res.set_header("Content-Length", length)
        res.write(b"<")
        try:
            await res.write_file(file, offset, size)
        except BaseException as error:
            say("told", getattr(error, "code", None) or repr(error))
            raise
        res.end(b">")


opened = []


async def shared_file():
    opened.append(await fs.open(os.path.join(ROOT, "large")))
    return opened[0]


async def handler(req, res):
    kind, *rest = req.url[1:].split("/")
    large = os.path.join(ROOT, "large")
    if kind == "write":
        offset, size = map(int, rest[:2])
        await write_part(res, large, offset, size, size + 2)
    elif kind == "shared":  # at once, before anything is waited for; and with listeners, as a stream
        offset, size = map(int, rest[:2])
        if len(rest) > 2:
            res.on("finish", lambda: say("finish"))
        shared = await shared_file() if not opened else opened[0]
        res.set_header("Content-Length", size + 100_002)
        res.write(b"<" + b"x" * 100_000)  # more than the mark
        if len(rest) > 2:
            res.write(b"")
        await res.write_file(shared, offset, size)
        res.end(b">")
    elif kind == "intrude":  # somebody writes while the file is on its way, more than the answer has said
        async with fs.open(large) as file:
            res.set_header("Content-Length", 300_000)
            task = asyncio.create_task(res.write_file(file, 0, 300_000))
            await asyncio.sleep(0)
            res.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse")
            await task
            res.end()
    elif kind == "short":  # the answer has said less
        await write_part(res, large, 0, 1_000_000, 10)
    elif kind == "chunks":
        offset, size = map(int, rest)
        await write_part(res, large, offset, size, None)
    elif kind == "proc":
        await write_part(res, "/proc/self/cmdline", 0, int(rest[0]), int(rest[0]) + 2)
    elif kind == "rest":
        await write_part(res, large, int(rest[0]), None, None)
    elif kind == "send":
        res.set_header("Content-Disposition", "attachment")
        await files.send(req, res, "/".join(rest))
    elif kind == "cancel":
        task = asyncio.create_task(write_part(res, large, 0, 10_000_000, 10_000_002))
        await asyncio.sleep(0.05)  # the peer reads nothing meanwhile: it is in the middle, and stays there
        task.cancel()
        await asyncio.wait([task])
    else:
        await files(req, res)


ROOT = os.environ["ROOT"]
files = http.serve_static(ROOT, **json.loads(os.environ.get("OPTIONS", "{}")))
listening = socket.socket()
if "SNDBUF" in os.environ:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, int(os.environ["SNDBUF"]))  # accepted sockets inherit it
listening.bind(("127.0.0.1", 0))
server = http.create_server(
    files if "PLAIN" in os.environ else handler,
    timeouts=http.Timeouts(**json.loads(os.environ.get("TIMEOUTS", "{}"))),
    limits=http.Limits(**json.loads(os.environ.get("LIMITS", "{}"))),
)
server.listen(sock=listening)
say("LISTENING", *server.address())
