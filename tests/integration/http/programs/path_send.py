"""Applications that leave the body to the server: raw ones, by path, and Starlette's FileResponse.

`FILES` is a folder with `large`, `small`, a FIFO and a directory. What `send` raises is printed.
"""

import asyncio
import json
import os

FILES = os.environ["FILES"]


def say(*words):
    print(*words, flush=True)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    kind, _, name = scope["path"][1:].partition("/")
    if kind == "starlette":
        from starlette.responses import FileResponse

        await FileResponse(os.path.join(FILES, name))(scope, receive, send)
        return
    path = os.path.join(FILES, name)
    headers = [(b"x-kind", kind.encode())]
    if kind == "sized":
        headers.append((b"content-length", str(os.path.getsize(path)).encode()))
    elif kind == "part":
        headers.append((b"content-length", b"5"))
    elif kind == "more":
        headers.append((b"content-length", b"1000000"))
    elif kind == "chunked":
        headers.append((b"transfer-encoding", b"chunked"))
    elif kind == "announced":
        headers.append((b"trailer", b"x-sum"))
    elif kind == "sized-trailed":
        headers.append((b"content-length", str(os.path.getsize(path)).encode()))
    elif kind == "relative":
        path = name
    if kind == "extensions":
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(sorted(scope["extensions"])).encode()})
        scope["extensions"]["mine"] = {}
        return
    has_trailers = kind in ("trailed", "announced", "sized-trailed")
    try:
        if kind != "early":
            await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": has_trailers})
        if kind == "late":
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        if kind == "beside":  # while the file is looked for, or sent
            sending = asyncio.ensure_future(send({"type": "http.response.pathsend", "path": path}))
            await asyncio.sleep(0)
            try:
                await send({"type": "http.response.body", "body": b"other"})
            finally:
                await sending
        await send({"type": "http.response.pathsend", "path": path})
        if has_trailers:
            await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})
        if kind == "twice":
            await send({"type": "http.response.pathsend", "path": path})
    except Exception as error:
        say("told", type(error).__name__, getattr(error, "code", None) or getattr(error, "errno", None))
        raise
