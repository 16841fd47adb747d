"""The same handlers as in record_stream_facts.js, under the same names: a request and its answer tell what happens to them in the
order in which Node 24's do, as it is in stream_facts.json. What differs on purpose is in DIFFERENT, with its reason."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import treadle
from treadle import TreadleError, http, process
from treadle.streams import Readable, Writable, finished, pipeline
from treadle.timers import promises, set_immediate, set_timeout

FACTS: dict[str, list[str]] = json.loads(Path(__file__).with_name("stream_facts.json").read_text())["facts"]

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LEAVES, READS = object(), object()
TURNS = 4_000  # of a millisecond each, until the last line is there
BEHIND = 5  # more of them: is there a line that should not be?
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset

REQ = ["data", "end", "aborted", "error", "close", "resume"]
UNREAD = ["end", "aborted", "error", "close", "resume"]
RES = ["pipe", "unpipe", "drain", "prefinish", "finish", "error", "close"]

ABORTED = "ERR_HTTP_REQUEST_ABORTED"  # Node says ECONNRESET, as of a socket that is no more than slow to say so


class MineError(Exception):
    code = "ERR_MINE"


def code_of(error: BaseException) -> str:
    return error.code if isinstance(error, MineError | TreadleError) else repr(error)


def post(length: int, body: str) -> bytes:
    return f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}".encode()


class Case:
    """What one handler writes down."""

    def __init__(self, go: Callable[[], None]) -> None:
        self.lines: list[str] = []
        self.go = go
        self.kept: list[object] = []  # or the handler would have left nobody who can answer

    def log(self, line: object) -> None:
        self.lines.append(str(line).lower() if isinstance(line, bool) else str(line))

    def hear(self, name: str, emitter: Any, events: list[str]) -> None:
        for event in events:
            emitter.on(event, lambda *values, event=event: self._heard(name, event, values))

    def _heard(self, name: str, event: str, values: tuple[Any, ...]) -> None:
        more = f" {len(values[0])}" if event == "data" else f" {code_of(values[0])}" if event == "error" else ""
        self.log(f"{name} {event}{more}")

    def both(self, req: Any, res: Any, events: list[str] = UNREAD) -> None:
        self.hear("req", req, events)
        self.hear("res", res, RES)

    def told(self, text: str) -> Callable[..., None]:
        return lambda error=None, _=None: self.log(f"{text} {code_of(error) if error is not None else 'well'}")

    def soon(self) -> None:
        process.next_tick(self.log, "tick")
        set_immediate(self.log, "immediate")

    def sink(self, *, fails: bool = False) -> Any:
        def write(chunk: bytes, _: str, callback: Callable[..., None]) -> None:
            self.log(f"sink {len(chunk)}")
            callback(MineError("no") if fails else None)

        sink = Writable(write=write)
        self.hear("sink", sink, ["finish", "error", "close"])
        return sink

    def source(self) -> Any:
        source = Readable.from_([b"aa", b"bb"], object_mode=False)
        self.hear("source", source, ["end", "error", "close"])
        return source

    def slow_source(self) -> Any:
        source = Readable(read=lambda _: None)
        source.push("aa")
        self.hear("source", source, ["end", "error", "close"])
        return source

    def later(self, act: Callable[[], object]) -> None:
        set_timeout(act, 5)

    def attempt(self, act: Callable[[], object]) -> None:
        try:
            self.log(act())
        except TreadleError as error:
            self.log(f"raised {error.code}")


CASES: dict[str, tuple[bytes, Callable[[Case, Any, Any], object], object]] = {}


def case(sent: bytes, at_go: object = None) -> Callable[[Callable[[Case, Any, Any], object]], None]:
    def add(handler: Callable[[Case, Any, Any], object]) -> None:
        CASES[handler.__name__] = (sent, handler, at_go)

    return add


@case(GET)
def ended_at_once(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    t.soon()
    res.end("hi", callback=t.told("end"))
    t.log("returned")


@case(GET)
def the_request_is_read(t: Case, req: Any, res: Any) -> None:
    t.both(req, res, REQ)
    req.on("end", lambda: (t.log("answer"), res.end("hi")))
    t.log("returned")


@case(GET)
def only_close_of_the_answer(t: Case, req: Any, res: Any) -> None:
    res.on("close", lambda: t.log(f"res close {res.writable_finished}".lower()))
    res.end("hi")


@case(GET)
def only_close_of_the_request(t: Case, req: Any, res: Any) -> None:
    req.on("close", lambda: t.log(f"req close {req.readable_ended}".lower()))
    res.end("hi")


def write_twice_and_end(t: Case, res: Any) -> None:
    t.log(res.write("a", callback=t.told("a")))
    t.log(res.write("b", callback=t.told("b")))
    res.end("c", callback=t.told("end"))


@case(GET)
def written_and_ended(t: Case, req: Any, res: Any) -> None:
    t.hear("res", res, RES)
    write_twice_and_end(t, res)
    t.soon()
    t.log("returned")


@case(GET)
def written_and_ended_later(t: Case, req: Any, res: Any) -> None:
    t.hear("res", res, RES)
    t.later(lambda: (write_twice_and_end(t, res), t.soon()))


@case(GET)
def corked(t: Case, req: Any, res: Any) -> None:
    t.hear("res", res, RES)
    res.cork()
    t.log(res.write("a", callback=t.told("a")))
    t.log(res.writable_corked)
    res.uncork()
    res.end(callback=t.told("end"))
    t.soon()
    t.log("returned")


@case(GET)
def corked_until_the_end(t: Case, req: Any, res: Any) -> None:
    t.hear("res", res, RES)
    res.cork()
    write_twice_and_end(t, res)
    t.log(res.writable_ended)
    t.soon()
    t.log("returned")


@case(post(4, "abcd"))
def a_body_as_data(t: Case, req: Any, res: Any) -> None:
    t.both(req, res, REQ)
    t.soon()
    req.on("end", lambda: (t.log("answer"), res.end("hi")))
    t.log("returned")


@case(post(4, "abcd"))
def a_body_that_is_paused(t: Case, req: Any, res: Any) -> None:
    t.both(req, res, REQ)
    req.pause()
    t.log(req.is_paused())
    t.later(lambda: (t.log("resumed"), req.resume()))
    req.on("end", lambda: res.end("hi"))


@case(post(4, "abcd"))
def a_body_that_is_piped(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    req.pipe(t.sink()).on("finish", lambda: (t.log("answer"), res.end("hi")))
    t.log("returned")


@case(post(4, "abcd"))
def a_body_as_text(t: Case, req: Any, res: Any) -> None:
    req.set_encoding("utf8")
    req.on("data", t.log)
    req.on("end", lambda: (t.log("end"), res.end()))


@case(post(4, "abcd"))
def an_echo(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    pipeline(req, res, callback=t.told("pipeline"))
    t.log("returned")


@case(GET)
def piped(t: Case, req: Any, res: Any) -> None:
    t.hear("res", res, RES)
    t.source().pipe(res)
    t.log("returned")


@case(GET)
def from_a_pipeline(t: Case, req: Any, res: Any) -> None:
    t.hear("res", res, RES)
    pipeline(t.source(), res, callback=t.told("pipeline"))
    t.log("returned")


@case(GET)
def from_a_pipeline_that_fails(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    source: Any = Readable(read=lambda _: source.destroy(MineError("no")))
    t.hear("source", source, ["end", "error", "close"])
    pipeline(source, res, callback=t.told("pipeline"))
    t.log("returned")


@case(post(4, "ab"), b"cd")
def answered_before_the_body(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    res.end("hi")
    t.log("returned")
    res.on("close", lambda: t.later(t.go))


@case(post(4, "ab"), b"cd")
def answered_before_the_body_that_is_read(t: Case, req: Any, res: Any) -> None:
    t.both(req, res, REQ)
    res.end("hi")
    t.log("returned")
    res.on("close", lambda: t.later(t.go))


@case(GET, LEAVES)
def gone_before_the_answer(t: Case, req: Any, res: Any) -> None:
    def look() -> None:
        errored = "null" if res.errored is None else res.errored
        t.log(f"{req.destroyed} {res.destroyed} {res.closed} {res.writable_finished} {errored}".lower())
        t.log(res.write("late", callback=t.told("late")))

    t.both(req, res)
    t.later(t.go)
    res.on("close", lambda: t.later(look))


@case(GET, LEAVES)
def gone_before_the_answer_to_a_request_that_was_read(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    req.resume()
    finished(res, callback=t.told("finished"))
    t.later(t.go)


@case(post(4, "ab"), LEAVES)
def gone_in_the_body(t: Case, req: Any, res: Any) -> None:
    t.both(req, res, REQ)
    t.later(t.go)


@case(post(4, "ab"), LEAVES)
def gone_in_the_body_and_nobody_hears_errors(t: Case, req: Any, res: Any) -> None:
    t.hear("req", req, ["data", "end", "aborted", "close"])
    t.hear("res", res, ["finish", "close"])
    t.later(t.go)


@case(post(4, "ab"), LEAVES)
def gone_in_a_body_that_is_piped(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    pipeline(req, t.sink(), callback=t.told("pipeline"))
    t.later(t.go)


@case(GET, LEAVES)
def gone_in_an_answer_from_a_pipeline(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    pipeline(t.slow_source(), res, callback=t.told("pipeline"))
    t.later(t.go)


@case(GET, LEAVES)
def gone_in_an_answer_that_is_piped(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    t.slow_source().pipe(res)
    t.later(t.go)


@case(GET)
def the_answer_is_destroyed(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    t.soon()
    res.destroy()
    t.log(f"returned {res.destroyed} {res.closed} {req.destroyed}".lower())


@case(GET)
def the_answer_is_destroyed_with_an_error(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    finished(res, callback=t.told("finished"))
    t.soon()
    res.destroy(MineError("no"))
    t.log(f"returned {res.errored.code}")


@case(GET)
def the_answer_is_destroyed_when_its_head_is_out(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    res.write("a")
    t.later(lambda: (res.destroy(), t.log(res.write("b", callback=t.told("b")))))


@case(GET)
def the_answer_is_destroyed_when_it_is_ended(t: Case, req: Any, res: Any) -> None:
    t.hear("res", res, RES)
    res.end("a", callback=t.told("end"))
    t.soon()
    res.destroy()
    t.log("returned")


@case(GET)
def the_request_is_destroyed(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    t.soon()
    req.destroy()
    t.log(f"returned {req.destroyed} {res.destroyed}".lower())


@case(post(4, "ab"))
def the_request_is_destroyed_with_an_error(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    t.soon()
    req.destroy(MineError("no"))
    t.log("returned")


@case(post(4, "ab"))
def the_request_is_destroyed_by_a_pipeline(t: Case, req: Any, res: Any) -> None:
    t.both(req, res)
    pipeline(req, t.sink(fails=True), callback=t.told("pipeline"))
    t.log("returned")


@case(post(2, "ab"))
def finished_of_both(t: Case, req: Any, res: Any) -> None:
    finished(req, callback=t.told("req"))
    finished(res, callback=t.told("res"))
    req.resume()
    res.end("hi")
    t.log("returned")


@case(GET)
def finished_behind_the_end(t: Case, req: Any, res: Any) -> None:
    res.end("hi")
    finished(res, callback=t.told("finished"))
    res.on("finish", lambda: t.log("finish"))
    t.log("returned")


@case(GET)
def finished_long_after_the_end(t: Case, req: Any, res: Any) -> None:
    res.end("hi")
    t.later(lambda: (finished(res, callback=t.told("res")), finished(req, callback=t.told("req"))))
    t.log("returned")


@case(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
def the_answer_to_a_head(t: Case, req: Any, res: Any) -> None:
    t.hear("res", res, RES)
    t.log(res.write("a", callback=t.told("a")))
    res.end("b")
    t.log("returned")


@case(GET, READS)
def full_and_drained(t: Case, req: Any, res: Any) -> None:
    def drained() -> None:
        t.log(f"{res.writable_need_drain} {res.writable_length}".lower())
        res.end(callback=t.told("end"))

    t.hear("res", res, RES)
    while res.write(bytes(65_536)):
        pass
    t.log(f"full {res.writable_need_drain}".lower())
    t.later(t.go)
    res.once("drain", drained)


#: What is told otherwise than in Node, and why.
DIFFERENT: dict[str, list[str]] = {
    # The callbacks of all writes come before 'finish', as with every other stream; Node's answers are none, and forget that for
    # the second write of a cork.
    "corked_until_the_end": [
        "true", "true", "res prefinish", "true", "returned", "a well", "b well", "res finish", "end well", "tick", "res close",
        "immediate",
    ],
    # finished() says with what the answer was destroyed, and not only that it was.
    "the_answer_is_destroyed_with_an_error": [
        "returned ERR_MINE", "tick", "immediate", "req aborted", "res close", "finished ERR_MINE", f"req error {ABORTED}",
        "req close",
    ],
    # An answer whose connection has gone is told so; Node forgets it where a pipeline cuts the connection inside a receive.
    "the_request_is_destroyed_by_a_pipeline": [
        "returned", "req resume", "sink 2", "sink error ERR_MINE", "req aborted", "sink close", "req error ERR_MINE", "req close",
        "pipeline ERR_MINE", "res close",
    ],
}  # fmt: skip


async def run(sent: bytes, handler: Callable[[Case, Any, Any], object], at_go: object, expected: int) -> list[str]:
    """What the handler wrote down, once all that was expected is there, and a little later."""
    is_reading = at_go is not READS

    def go() -> None:
        nonlocal is_reading
        if at_go is LEAVES:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
        elif at_go is READS:
            is_reading = True
        elif isinstance(at_go, bytes):
            client.send(at_go)

    def handle(req: Any, res: Any) -> None:
        t.kept.append(res)
        handler(t, req, res)

    t = Case(go)
    server = http.create_server(handle).listen(0)
    client = socket.socket()
    try:
        client.connect(server.address())  # type: ignore[arg-type]
        client.setblocking(False)
        client.send(sent)
        behind = BEHIND
        for _ in range(TURNS):
            await promises.sleep(1)
            if is_reading and client.fileno() >= 0:
                try:
                    while client.recv(1 << 20):
                        pass
                except BlockingIOError:
                    pass
            if len(t.lines) >= expected:
                behind -= 1
                if behind == 0:
                    break
        return list(t.lines)
    finally:
        client.close()
        server.close()
        server.close_all_connections()


def test_every_handler_is_recorded() -> None:
    assert list(CASES) == list(FACTS)


@pytest.mark.parametrize("name", FACTS)
def test_events_come_in_nodes_order(name: str) -> None:
    expected = DIFFERENT.get(name) or [line.replace("ECONNRESET", ABORTED) for line in FACTS[name]]
    assert treadle.run(run(*CASES[name], len(expected))) == expected


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_differs_is_still_different(name: str) -> None:
    assert [line.replace("ECONNRESET", ABORTED) for line in FACTS[name]] != DIFFERENT[name]
