"""A raw WSGI application with one path for each thing that a test wants to know. What happens to it is printed."""

import asyncio
import concurrent.futures
import json
import sys
import threading
import time

BLOCK = bytes(65_536)
released = threading.Event()
facts = {"offered": 0, "closed": [], "read": 0, "raised": ""}


class Body:
    """An iterable of pieces that says when it is closed."""

    def __init__(self, name, pieces):
        self.name = name
        self.pieces = iter(pieces)

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self.pieces)
        except OSError as error:
            facts["raised"] = type(error).__name__
            raise

    def close(self):
        facts["closed"].append(self.name)


def plain(start, body, status="200 OK", *fields):
    start(status, [("Content-Type", "text/plain"), *fields])
    return [body]


def show(environ, start):
    kept = {key: value for key, value in environ.items() if isinstance(value, (str, int, bool, tuple))}
    return plain(start, json.dumps(kept).encode())


def show_facts(environ, start):
    return plain(start, json.dumps(facts).encode())


def clear(environ, start):
    facts.update(offered=0, closed=[], read=0, raised="")
    released.clear()
    return plain(start, b"")


def release(environ, start):
    released.set()
    return plain(start, b"")


def read_all(environ, start):
    body = environ["wsgi.input"].read()
    return plain(start, b"%d %d" % (len(body), sum(body) % 251))


def read_lines(environ, start):
    stream = environ["wsgi.input"]
    return plain(
        start, json.dumps([stream.readline().decode(), stream.read(3).decode(), [one.decode() for one in stream]]).encode()
    )


def read_none(environ, start):
    return plain(start, b"unread")


def read_slowly(environ, start):
    """The body is read only once it is told to."""
    released.wait(20)
    while True:
        piece = environ["wsgi.input"].read(65_536)
        if not piece:
            return plain(start, b"%d" % facts["read"])
        facts["read"] += len(piece)


def echo(environ, start):
    start("200 OK", [])
    return Body("echo", iter(lambda: environ["wsgi.input"].read(10_000), b""))


def stream(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])

    def pieces():
        yield b"first;"
        released.wait(20)
        yield b""
        yield b"second;"

    return Body("stream", pieces())


def endless(environ, start):
    start("200 OK", [])

    def pieces():
        while True:
            facts["offered"] += len(BLOCK)
            yield BLOCK

    return Body("endless", pieces())


def idles(environ, start):
    """Nothing but empty pieces, behind a first one or without."""
    start("200 OK", [])

    def pieces():
        if environ["QUERY_STRING"] == "begun":
            yield b"begun"
        facts["offered"] = 1
        while True:
            time.sleep(0.01)
            yield b""

    return Body("idles", pieces())


class ReadsLate(Body):
    """What is left of its input is read when the answer is out."""

    def __init__(self, environ, pieces):
        super().__init__("late", pieces)
        self.environ = environ

    def close(self):
        if self.environ["QUERY_STRING"] == "wait":
            released.wait(20)
        facts["late"] = [self.environ["wsgi.input"].read().decode() for _ in range(2)]
        super().close()


def reads_late(environ, start):
    start("200 OK", [("Content-Length", "5")])
    return ReadsLate(environ, [b"hello"])


def push(environ, start):
    write = start("200 OK", [])
    write(b"pushed;")
    write(b"")
    return Body("push", [b"returned"])


def with_length(environ, start):
    start("200 OK", [("Content-Length", "5")])

    def pieces():
        yield b"hello"
        released.wait(20)  # the peer has its answer already

    return Body("with_length", pieces())


def too_long(environ, start):
    start("200 OK", [("Content-Length", "5")])
    return Body("too_long", [b"hello", b"world"])


def none(environ, start):
    start("204 No Content", [])
    return Body("none", [])


def no_start(environ, start):
    return Body("no_start", [b"x"])


def starts_twice(environ, start):
    start("200 OK", [])
    start("200 OK", [])
    return []


def raises(environ, start):
    raise RuntimeError("marker-wsgi-before")


def raises_one(environ, start):
    """What no future takes, ends a program, or means another thing to a task."""
    kind = environ["PATH_INFO"].rpartition("/")[2]
    raise {
        "StopIteration": StopIteration, "StopAsyncIteration": StopAsyncIteration, "SystemExit": SystemExit,
        "KeyboardInterrupt": KeyboardInterrupt, "GeneratorExit": GeneratorExit, "CancelledError": asyncio.CancelledError,
        "_base.CancelledError": concurrent.futures.CancelledError, "BaseException": BaseException,
    }[kind]("marker-wsgi-one")  # fmt: skip


def raises_in_the_middle(environ, start):
    start("200 OK", [])

    def pieces():
        yield b"some"
        raise RuntimeError("marker-wsgi-middle")

    return Body("middle", pieces())


def replaces_its_head(environ, start):
    start("200 OK", [("X-First", "1")])
    try:
        raise ValueError("marker-replaced")
    except ValueError:
        start("500 Internal Server Error", [("X-Second", "2")], sys.exc_info())
    return Body("replaced", [b"error page"])


def replaces_too_late(environ, start):
    start("200 OK", [])

    def pieces():
        yield b"some"
        try:
            raise ValueError("marker-too-late")
        except ValueError:
            start("500 Internal Server Error", [], sys.exc_info())
        yield b"never"

    return Body("too late", pieces())


def mistakes(environ, start):
    """What no application should do."""
    kind = environ["QUERY_STRING"]
    if kind == "status":
        start(200, [])
    elif kind == "words":
        start("fine", [])
    elif kind == "fields":
        start("200 OK", [(b"a", b"b")])
    else:
        start("200 OK", [])
    return {"none": None, "text": "text", "bytes": b"bytes", "pieces": ["text"]}.get(kind, [b"x"])


def sleeps(environ, start):
    time.sleep(0.3)
    return plain(start, threading.current_thread().name.encode())


def app(environ, start_response):
    name = environ["PATH_INFO"].split("/")[1]
    handler = globals().get(name)
    if not callable(handler) or name in ("app", "plain", "Body"):
        return plain(start_response, b"missing", "404 Not Found") if name else plain(start_response, b"hello")
    return handler(environ, start_response)


def create_app(option=None):
    return app
