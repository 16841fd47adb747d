"""An ASGI application: `/send` sends the messages that the body of the request lists as a Python literal, then `/faults` tells what
that raised; `/extensions` shows what its scope says; below `/starlette` Starlette answers, with an early hint."""

import ast
import json

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

faults = []


async def hinted(request):
    await request.send_early_hints("</a.css>; rel=preload", "</b.js>; rel=preload")
    return PlainTextResponse("hinted")


starlette = Starlette(routes=[Mount("/starlette", routes=[Route("/hinted", hinted)])])


async def answer(send, text):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})


async def send_messages(receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    for message in ast.literal_eval(body.decode()):
        try:
            await send(message)
        except Exception as error:
            faults.append(f"{getattr(error, 'code', type(error).__name__)}")


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("http only")
    if scope["path"].startswith("/starlette"):
        return await starlette(scope, receive, send)
    if scope["path"] == "/send":
        return await send_messages(receive, send)
    if scope["path"] == "/faults":
        await answer(send, json.dumps(faults))
        return faults.clear()
    return await answer(send, json.dumps(sorted(scope["extensions"])))
