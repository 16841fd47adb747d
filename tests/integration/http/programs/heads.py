"""Does to its answer what the body of the request says: a Python literal, a list of calls such as ("set_header", "X", "1").

The pseudo-call ("status_code", 204) sets the attribute. A call that raises is noted, and `/faults` tells the codes since it was
asked last; the handler then lets the exception pass. `/hold` is answered by the next one who asks for `/meddle/<how>`, while that
one's own head is being made. OPTIONS is answered with what the request says of its target.
"""

import ast
import json

from treadle import http

faults = []
held = []


def answer_the_held():
    _, res = held.pop()
    res.write_head(201, [("X-Held", "yes"), ("X-Padding", "p" * 300)])
    res.end("held")


def meddling_pairs():
    yield "X-First", "1"
    answer_the_held()
    yield "X-Second", "2"


class MeddlingMapping:
    def items(self):
        return meddling_pairs()


class MeddlingList(list):
    def __iter__(self):
        answer_the_held()
        return super().__iter__()


MEDDLERS = {
    "generator": meddling_pairs,
    "mapping": MeddlingMapping,
    "list": lambda: [("X-First", "1"), ("X-Second", MeddlingList(["2"]))],
    "list-in-dict": lambda: {"X-First": "1", "X-Second": MeddlingList(["2"])},
}


async def act(req, res):
    calls = ast.literal_eval((await req.read()).decode())
    try:
        for name, *arguments in calls:
            if name in ("status_code", "status_message"):
                setattr(res, name, *arguments)
            else:
                getattr(res, name)(*arguments)
    except Exception as error:
        faults.append(getattr(error, "code", type(error).__name__))
        raise


def handler(req, res):
    if req.url == "/act":
        return act(req, res)
    if req.method == "OPTIONS":
        hosts = [value.decode() for name, value in req.raw_headers if name.lower() == b"host"]
        res.end(json.dumps([req.url, req.headers["host"], hosts]))
        return None
    if req.url == "/hold":
        held.append((req, res))
    elif req.url.startswith("/meddle/"):
        res.write_head(200, MEDDLERS[req.url.rpartition("/")[2]]())
        res.end("meddler")
    elif req.url == "/held":
        res.end(f"{len(held)}")
    elif req.url == "/faults":
        res.end(json.dumps(faults))
        faults.clear()
    else:
        res.end("Hello, World!")
    return None


server = http.create_server(handler).listen(0)
print("LISTENING", *server.address(), flush=True)
