"""Handlers of every shape: what is returned to be awaited, several listeners, listeners that go, and ends of the program.

`LISTENERS` in the environment says which server it is: `one` (default: a handler by path), `once`, `beside`, `two`, `two-fail`.
"""

import asyncio
import os

from treadle import http

met = asyncio.Event()
notes = []


class Later:
    """Awaitable, and nothing else."""

    def __init__(self, work):
        self._work = work

    def __await__(self):
        return self._work.__await__()


async def answer_later(res, text="later"):
    await asyncio.sleep(0)
    res.end(text)


async def fail_later():
    await asyncio.sleep(0)
    raise RuntimeError("marker-awaited")


def settled_later(set_result):
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(set_result, future)
    return future


def answered_future(res):
    def settle(future):
        res.end("later")
        future.set_result(None)

    return settled_later(settle)


def failing_future():
    return settled_later(lambda future: future.set_exception(RuntimeError("marker-awaited")))


def leave(kind):
    raise {"exit": SystemExit(7), "interrupt": KeyboardInterrupt()}[kind]


async def leave_later(kind):
    await asyncio.sleep(0)
    leave(kind)


async def leave_async(kind):
    leave(kind)


ROUTES = {
    "/": lambda res: res.end("Hello, World!"),
    "/future": answered_future,
    "/task": lambda res: asyncio.ensure_future(answer_later(res)),
    "/awaitable": lambda res: Later(answer_later(res)),
    "/gather": lambda res: asyncio.gather(asyncio.sleep(0), answer_later(res)),
    "/coroutine": answer_later,
    "/future-fails": lambda res: failing_future(),
    "/task-fails": lambda res: asyncio.ensure_future(fail_later()),
    "/awaitable-fails": lambda res: Later(fail_later()),
    "/gather-fails": lambda res: asyncio.gather(asyncio.sleep(0), fail_later()),
    "/coroutine-fails": lambda res: fail_later(),
    "/notes": lambda res: res.end(",".join(notes)),
    **{f"/{kind}": lambda res, kind=kind: leave(kind) for kind in ("exit", "interrupt")},
    **{f"/{kind}-async": lambda res, kind=kind: leave_async(kind) for kind in ("exit", "interrupt")},
    **{f"/{kind}-later": lambda res, kind=kind: leave_later(kind) for kind in ("exit", "interrupt")},
}


def by_path(req, res):
    return ROUTES[req.url](res)


def note_once(req, res):
    notes.append("once")


def first_then_by_path(req, res):
    notes.append("first")
    res.end("first")
    server.on("request", by_path)


async def wait_for_the_other(req, res):
    await met.wait()
    notes.append("waited")
    res.end("two")


async def meet(req, res):
    notes.append("met")
    met.set()


async def fail_beside(req, res):
    await fail_later()


kind = os.environ.get("LISTENERS", "one")
server = http.create_server(by_path if kind in ("one", "beside") else None)
if kind == "once":
    server.once("request", first_then_by_path)
elif kind == "beside":
    server.once("request", note_once)
elif kind == "two":
    server.on("request", wait_for_the_other).on("request", meet)
elif kind == "two-fail":
    server.on("request", fail_beside).on("request", meet)
server.listen(0)
print("LISTENING", *server.address(), flush=True)
