"""An ASGI application that plays with its receive and send; `/notes` tells what it saw, `/clear` forgets.

`/send` sends the messages that the body of the request lists as a Python literal. `/faults` as in heads.py.
"""

import array
import ast
import asyncio
import json

notes = []
faults = []
held = []
BODIES = {"bytearray": bytearray(b"hello"), "memoryview": memoryview(b"hello"), "array": array.array("B", b"hello")}


async def lifespan(scope, receive, send):
    scope["state"]["token"] = "from lifespan"
    for kind in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{kind}.complete"})


async def answer(send, body=b"", status=200):
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def spoil(scope, receive, send):
    """Writes into everything that its scope holds."""
    scope["asgi"]["version"] = "spoiled"
    scope["asgi"]["spoiled"] = True
    scope["state"]["token"] = "spoiled"
    scope["headers"].append((b"spoiled", b"yes"))
    scope["type"] = scope["path"] = "spoiled"
    await answer(send, b"spoiled")


async def show(scope, receive, send):
    names = [name.decode() for name, _ in scope["headers"]]
    seen = {"asgi": scope["asgi"], "state": scope["state"], "names": names, "type": scope["type"], "path": scope["path"]}
    await answer(send, json.dumps(seen).encode())


async def target(scope, receive, send):
    hosts = [value.decode() for name, value in scope["headers"] if name == b"host"]
    seen = [scope["path"], scope["raw_path"].decode(), scope["query_string"].decode(), hosts]
    await answer(send, json.dumps(seen).encode())


async def receive_twice(scope, receive, send):
    """Two tasks receive; a third is cancelled while it waits."""
    await body_of(receive)
    tasks = [asyncio.create_task(anything(receive)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    await answer(send, b"done")
    results = await asyncio.gather(*tasks, return_exceptions=True)
    notes.extend(one["type"] if isinstance(one, dict) else type(one).__name__ for one in results)


async def anything(receive):
    return await receive()


async def share_body(scope, receive, send):
    """Two tasks read one body between them, while a third that read with them is cancelled."""
    tasks = [asyncio.create_task(read_pieces(receive)) for _ in range(2)]
    cancelled = asyncio.create_task(anything(receive))
    await asyncio.sleep(0)
    cancelled.cancel()
    notes.append("waiting")
    pieces, pending = [], tasks
    while pending and not any(is_last for _, is_last in pieces):
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        pieces.extend(task.result() for task in done)
    if not any(is_last for _, is_last in pieces):
        return notes.append("left")
    await answer(send, b"%d" % sum(size for size, _ in pieces))
    pieces.extend([await task for task in pending])
    return notes.append(sum(size for size, _ in pieces))


async def read_pieces(receive):
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return size, False
        size += len(message["body"])
        if not message["more_body"]:
            return size, True


async def receive_late(scope, receive, send):
    """A receive() that is made while there is nothing to tell, and asked when all is over."""
    await body_of(receive)
    waiting = receive()
    await answer(send, b"done")
    notes.append((await waiting)["type"])
    notes.append((await receive())["type"])


async def receive_behind(scope, receive, send):
    """Nothing of the body is read before the answer."""
    await answer(send, b"done")
    notes.extend([(await receive())["type"], (await receive())["type"]])


async def receive_all(scope, receive, send):
    """All that there is to receive, then the answer."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            notes.append(message["type"])
            return await answer(send, b"done")
        notes.append([message["body"].decode(), message["more_body"]])


async def receive_when_gone(scope, receive, send):
    """Nothing is received until the connection is gone, which is seen by sending."""
    notes.append("waiting")
    while True:
        try:
            await send({"type": "http.response.nothing"})
        except OSError:
            notes.extend([(await receive())["type"], "OSError"])
            return
        except Exception:
            await asyncio.sleep(0.01)


async def odd_body(scope, receive, send):
    kind = scope["path"].rpartition("/")[2]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = BODIES.get(kind)
    if body is None:
        body = {"int": 5, "str": "hello", "list": [1, 2]}[kind]
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def write_then_read(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun;", "more_body": True})
    await send({"type": "http.response.body", "body": await body_of(receive)})


async def send_messages(scope, receive, send):
    messages = ast.literal_eval((await body_of(receive)).decode())
    try:
        for message in messages:
            await send(message)
    except Exception as error:
        faults.append(getattr(error, "code", type(error).__name__))
        raise


async def hold(scope, receive, send):
    turn = asyncio.Event()
    held.append((turn, send))
    await turn.wait()


async def meddle(scope, receive, send):
    """Its headers are a generator that answers the held request."""

    def pairs():
        yield b"x-first", b"1"
        turn, other = held.pop()
        for message in (
            {"type": "http.response.start", "status": 201, "headers": [(b"x-held", b"yes"), (b"x-padding", b"p" * 300)]},
            {"type": "http.response.body", "body": b"held"},
        ):
            other(message)  # what a send that need not wait returns is done already
        turn.set()
        yield b"x-second", b"2"

    await send({"type": "http.response.start", "status": 200, "headers": pairs()})
    await send({"type": "http.response.body", "body": b"meddler"})


async def show_held(scope, receive, send):
    await answer(send, b"%d" % len(held))


async def show_notes(scope, receive, send):
    await answer(send, json.dumps(notes).encode())


async def show_faults(scope, receive, send):
    await answer(send, json.dumps(faults).encode())
    faults.clear()


async def clear(scope, receive, send):
    notes.clear()
    faults.clear()
    await answer(send)


async def leave(scope, receive, send):
    raise {"exit": SystemExit(7), "interrupt": KeyboardInterrupt()}[scope["path"].rpartition("/")[2]]


async def hello(scope, receive, send):
    await answer(send, b"hello")


PATHS = {
    "spoil": spoil,
    "show": show,
    "target": target,
    "receive-twice": receive_twice,
    "share-body": share_body,
    "receive-late": receive_late,
    "receive-behind": receive_behind,
    "receive-all": receive_all,
    "receive-when-gone": receive_when_gone,
    "odd-body": odd_body,
    "write-then-read": write_then_read,
    "send": send_messages,
    "hold": hold,
    "held": show_held,
    "meddle": meddle,
    "notes": show_notes,
    "faults": show_faults,
    "clear": clear,
    "leave": leave,
}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    return await PATHS.get(scope["path"].split("/")[1], hello)(scope, receive, send)


async def show_any_target(scope, receive, send):
    """Whatever the path, answers what the scope says of the target."""
    return await (lifespan if scope["type"] == "lifespan" else target)(scope, receive, send)
