"""A raw ASGI application with one path for each thing that a test wants to know of the server.

`LIFESPAN` in the environment: `ok` (default), `fail` (startup.failed), `raise`, `raise-late` (after startup.complete),
`unsupported` (the application knows http only), `fail-shutdown`. What it is told and does is printed.
"""

import asyncio
import json
import os

LIFESPAN = os.environ.get("LIFESPAN", "ok")
MIB = 1024 * 1024
BLOCK = bytes(65_536)
facts = {"offered": 0, "notes": []}
released = asyncio.Event()


def say(*words):
    print(*words, flush=True)


def tagged(value):
    """As JSON, with the types still to be seen."""
    if isinstance(value, bytes):
        return ["bytes", value.decode("latin-1")]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(tagged, value)]
    if isinstance(value, dict):
        return {key: tagged(one) for key, one in value.items()}
    return value


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    assert scope["type"] == "http", scope["type"]
    name = scope["path"].split("/")[1]
    return await PATHS.get(name, missing)(scope, receive, send)


async def lifespan(scope, receive, send):
    if LIFESPAN == "unsupported":
        raise RuntimeError("marker-unsupported: http only")
    message = await receive()
    say("told", message["type"], scope["asgi"]["version"])
    if LIFESPAN == "fail":
        return await send({"type": "lifespan.startup.failed", "message": "marker-startup-failed"})
    if LIFESPAN == "raise":
        raise RuntimeError("marker-startup-raised")
    scope["state"]["token"] = "from lifespan"
    scope["state"]["list"] = []
    await send({"type": "lifespan.startup.complete"})
    if LIFESPAN == "raise-late":
        raise RuntimeError("marker-raised-late")
    message = await receive()
    say("told", message["type"])
    if LIFESPAN == "fail-shutdown":
        return await send({"type": "lifespan.shutdown.failed", "message": "marker-shutdown-failed"})
    await asyncio.sleep(0.01)
    say("cleaned up")
    await send({"type": "lifespan.shutdown.complete"})
    return None


async def answer(send, body=b"", status=200, headers=()):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def answer_json(send, value):
    body = json.dumps(value).encode()
    await answer(send, body, headers=[(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))])


async def missing(scope, receive, send):
    await answer(send, b"missing", 404)


async def hello(scope, receive, send):
    await answer(send, b"hello", headers=[(b"content-length", b"5")])


async def show_scope(scope, receive, send):
    state = scope.get("state")
    seen = tagged({key: value for key, value in scope.items() if key not in ("state", "extensions")})
    seen["state"] = dict(state) if state is not None else None
    if "tls" in scope["extensions"]:
        seen["tls"] = tagged(scope["extensions"]["tls"])
    await answer_json(send, seen)


async def change_state(scope, receive, send):
    """The top level is each request's own copy, what hangs below it is shared."""
    before = dict(scope["state"], list=list(scope["state"]["list"]))
    scope["state"]["mine"] = "mine"
    scope["state"]["list"].append("x")
    await answer_json(send, before)


async def show_messages(scope, receive, send):
    messages = []
    while True:
        message = await receive()
        messages.append({**message, "body": len(message.get("body", b""))})
        if message["type"] != "http.request" or not message.get("more_body", False):
            break
    await answer_json(send, messages)


async def echo(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    await answer(send, body)


async def echo_stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})


async def stream(scope, receive, send):
    count = int(scope["path"].rpartition("/")[2])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for index in range(count):
        await send({"type": "http.response.body", "body": b"piece %d;" % index, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body"})


async def slow_stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    await released.wait()
    await send({"type": "http.response.body", "body": b"second", "more_body": False})


async def release(scope, receive, send):
    released.set()
    await answer(send, b"")


async def clear(scope, receive, send):
    released.clear()
    facts.update(offered=0, notes=[])
    await answer(send, b"")


async def show_facts(scope, receive, send):
    await answer_json(send, facts)


async def big(scope, receive, send):
    size = int(scope["path"].rpartition("/")[2]) * MIB
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(size // len(BLOCK)):
        await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
        facts["offered"] += len(BLOCK)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def endless(scope, receive, send):
    """Sends until the server lets it know, in whatever way, that nobody listens."""
    try:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while facts["offered"] < 512 * MIB:
            await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
            facts["offered"] += len(BLOCK)
            await asyncio.sleep(0)
        facts["notes"].append("never told")
    except BaseException as error:
        facts["notes"].append(f"told by {'OSError' if isinstance(error, OSError) else type(error).__name__}")
        raise


async def status(scope, receive, send):
    code, _, body = scope["path"].rpartition("/")[2].partition(":")
    await answer(send, body.encode(), int(code))


async def duplicates(scope, receive, send):
    await answer(send, b"ok", headers=[(b"set-cookie", b"a=1"), (b"Set-Cookie", b"b=2"), (b"x-high", b"\xe9")])


async def own_head(scope, receive, send):
    await answer(send, b"ok", headers=[(b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"), (b"server", b"mine")])


async def close(scope, receive, send):
    await answer(send, b"bye", headers=[(b"connection", b"close")])


async def own_chunked(scope, receive, send):
    await answer(send, b"hello", headers=[(b"transfer-encoding", b"chunked")])


async def injected(scope, receive, send):
    kind = scope["path"].rpartition("/")[2]
    pair = {"value": (b"x-test", b"a\r\nx-injected: yes"), "lf": (b"x-test", b"a\nx-injected: yes"), "name": (b"x\r\ny", b"a")}
    await answer(send, b"ok", headers=[pair.get(kind, (b"x test", b"a"))])


async def delay(scope, receive, send):
    facts["notes"].append("delay")
    await asyncio.sleep(int(scope["path"].rpartition("/")[2]) / 1000)
    await answer(send, scope["path"].encode())


async def wait_disconnect(scope, receive, send):
    """Reads the request to its end, then waits for the client to leave."""
    while True:
        message = await receive()
        facts["notes"].append(message["type"])
        if message["type"] == "http.disconnect":
            return


async def after_answer(scope, receive, send):
    await receive()
    await answer(send, b"done")
    facts["notes"].append((await receive())["type"])


async def unread(scope, receive, send):
    await answer(send, b"unread")


async def raise_before(scope, receive, send):
    raise RuntimeError("marker-asgi-before")


async def raise_after(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    await asyncio.sleep(0.01)
    raise RuntimeError("marker-asgi-after")


async def silent(scope, receive, send):
    """Returns without an answer."""


async def half(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})


async def started_only(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def body_first(scope, receive, send):
    await send({"type": "http.response.body", "body": b"never"})


async def start_twice(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.start", "status": 201, "headers": []})


async def too_long(scope, receive, send):
    await answer(send, b"01234GARBAGE", headers=[(b"content-length", b"5")])


async def too_short(scope, receive, send):
    await answer(send, b"01234", headers=[(b"content-length", b"10")])


async def unknown_message(scope, receive, send):
    await send({"type": "http.response.nonsense"})


async def after_end(scope, receive, send):
    await answer(send, b"whole", headers=[(b"content-length", b"5")])
    try:
        await send({"type": "http.response.body", "body": b"GARBAGE"})
        facts["notes"].append("passed")
    except Exception as error:
        facts["notes"].append(type(error).__name__)


async def concurrent(scope, receive, send):
    """One task streams while another listens for the end, as Starlette's StreamingResponse does."""

    async def listen():
        while (await receive())["type"] != "http.disconnect":
            pass
        facts["notes"].append("listener told")

    async def talk():
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"tick;", "more_body": True})
            await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(listen()), asyncio.create_task(talk())]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


PATHS = {
    "": hello,
    "scope": show_scope,
    "state": change_state,
    "messages": show_messages,
    "echo": echo,
    "echo-stream": echo_stream,
    "stream": stream,
    "slow-stream": slow_stream,
    "release": release,
    "clear": clear,
    "facts": show_facts,
    "big": big,
    "endless": endless,
    "status": status,
    "duplicates": duplicates,
    "own-head": own_head,
    "close": close,
    "own-chunked": own_chunked,
    "injected": injected,
    "delay": delay,
    "wait-disconnect": wait_disconnect,
    "after-answer": after_answer,
    "unread": unread,
    "raise-before": raise_before,
    "raise-after": raise_after,
    "silent": silent,
    "half": half,
    "started-only": started_only,
    "body-first": body_first,
    "start-twice": start_twice,
    "too-long": too_long,
    "too-short": too_short,
    "unknown-message": unknown_message,
    "after-end": after_end,
    "concurrent": concurrent,
}


def make_app():
    return app


def needs_argument(argument):
    return app


not_callable = 7
