"""ASGI for a browser: its page is in the folder of $PAGE, and reports to `/report`, which is printed.

An answer that is held waits for another request, so that nothing here depends on time: `/held` sends a piece for each `/release`,
`/endless` ends when its client has left, which `/left` waits for.
"""

import asyncio
import hashlib
import json
import os
from pathlib import Path

from treadle.asgi.static_mounts import in_front_of
from treadle.http import serve_static

PAGE = Path(os.environ.get("PAGE", "."))
PIECES = 5

released = asyncio.Queue()
left = asyncio.Event()


async def answer(send, body, content_type=b"text/plain", status=200):
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def start_stream(send, content_type=b"application/octet-stream"):
    headers = [(b"content-type", content_type), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def send_piece(send, piece, has_more=True):
    await send({"type": "http.response.body", "body": piece, "more_body": has_more})


async def read_body(receive):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


async def held(send):
    """The next piece leaves when the client has asked for it by a request of its own."""
    await start_stream(send)
    for index in range(PIECES):
        await send_piece(send, b"piece %d" % index)
        await released.get()
    await send_piece(send, b"", has_more=False)


async def endless(receive, send):
    await start_stream(send)
    await send_piece(send, b"begun")
    while (await receive())["type"] != "http.disconnect":
        pass
    left.set()


async def form(scope, receive, send):
    """What a form has sent: the text, and the digest of the file."""
    body = await read_body(receive)
    kind = dict(scope["headers"])[b"content-type"]
    parts = body.split(b"--" + kind.partition(b"boundary=")[2])[1:-1]
    found = {}
    for part in parts:
        head, _, content = part[2:-2].partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0].decode()
        found[name] = hashlib.sha256(content).hexdigest() if b"filename=" in head else content.decode()
    await answer(send, json.dumps(found).encode(), b"application/json")


async def events(scope, send):
    """Two events and the end; to who comes again, what was the last that it has heard."""
    last = dict(scope["headers"]).get(b"last-event-id")
    await start_stream(send, b"text/event-stream")
    if last is None:
        await send_piece(send, b"retry: 1\nid: 1\ndata: first\n\nid: 2\ndata: second\n\n", has_more=False)
    else:
        await send_piece(send, b"id: 3\ndata: after %s\n\n" % last, has_more=False)


async def application(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    path = scope["path"]
    if path == "/held":
        await held(send)
    elif path == "/release":
        released.put_nowait(None)
        await answer(send, b"")
    elif path == "/endless":
        await endless(receive, send)
    elif path == "/left":
        await left.wait()
        await answer(send, b"it has left")
    elif path == "/form":
        await form(scope, receive, send)
    elif path == "/upload":
        await answer(send, b"%d" % len(await read_body(receive)))
    elif path == "/events":
        await events(scope, send)
    elif path == "/port":
        await answer(send, b"%d" % scope["client"][1])
    elif path == "/report":
        print("REPORT", json.dumps(json.loads(await read_body(receive))), flush=True)
        await answer(send, b"")
    elif path == "/":
        await answer(send, (PAGE / "page.html").read_bytes(), b"text/html; charset=utf-8")
    else:
        await answer(send, b"", status=404)


app = in_front_of(application, (serve_static(os.environ["BUILT"], prefix="/built", precompressed=True),))
