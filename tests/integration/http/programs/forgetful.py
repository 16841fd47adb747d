"""Handlers that return without an answer: some forgot it, some left it to somebody else."""

import asyncio

from treadle import http, timers

kept = []


def forget(req, res):
    pass


async def forget_async(req, res):
    await asyncio.sleep(0.01)


async def forget_at_once(req, res):
    pass


def give_back(req, res):
    return "hello"


async def give_back_async(req, res):
    return {"a": 1}


def begin_only(req, res):
    res.write("beginning")


def leave_to_a_timer(req, res):
    timers.set_timeout(res.end, 20, "from a timer")


async def leave_to_a_task(req, res):
    async def later():
        await asyncio.sleep(0.02)
        res.end("from a task")

    asyncio.ensure_future(later())


def leave_to_the_next(req, res):
    if kept:
        kept.pop().end("from the next")
        res.end("first one answered")
    else:
        kept.append(res)


async def hold_and_give_up(req, res):
    kept.append(res)
    await asyncio.sleep(0.01)
    kept.clear()


HANDLERS = {name.replace("_", "-"): value for name, value in list(globals().items()) if callable(value)}


def handler(req, res):
    return HANDLERS[req.url.strip("/")](req, res)


server = http.create_server(handler, timeouts=http.Timeouts(request_s=0.5)).listen(0)
print("LISTENING", *server.address(), flush=True)
