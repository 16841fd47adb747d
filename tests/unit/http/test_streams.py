"""A request is a Readable and an answer a Writable: what that adds to reading and writing them, and what it leaves as it was.

The order of their events beside Node's is test_stream_facts.py's; clients that leave are test_gone.py's.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import hashlib
import io
import sys
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.http.support import bounded, until
from treadle import TreadleError, fs, http, process
from treadle.streams import PassThrough, Readable, Stream, Transform, Writable, finished, pipeline
from treadle.timers import promises

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
KIB = 1024
MIB = 1024 * KIB

Handler = Callable[[Any, Any], object]


def post(body: bytes, *fields: bytes, length: int | None = None) -> bytes:
    size = b"Content-Length: %d" % (len(body) if length is None else length)
    return b"\r\n".join([b"POST /x HTTP/1.1", b"Host: a", size, *fields, b"", body])


class Peer:
    """A client of one server, in the same loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[bytes, dict[str, str]]:
        line, *fields = (await self.reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        pairs = (field.decode().split(": ", 1) for field in fields)
        return line, {name.lower(): value for name, value in pairs}

    async def answer(self) -> tuple[bytes, dict[str, str], bytes]:
        line, fields = await self.head()
        if "content-length" in fields:
            return line, fields, await self.reader.readexactly(int(fields["content-length"]))
        pieces = []
        while size := int(await self.reader.readline(), 16):
            pieces.append(await self.reader.readexactly(size))
            await self.reader.readexactly(2)
        while await self.reader.readline() != b"\r\n":
            pass  # a trailer
        return line, fields, b"".join(pieces)


@asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[Peer]:
    server = http.create_server(handler, **options).listen(0)
    reader, writer = await asyncio.open_connection(*server.address())  # type: ignore[misc]
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()
        server.close()
        server.close_all_connections()
        await server.wait_closed()


def exchange(handler: Handler, sent: bytes, **options: Any) -> tuple[bytes, dict[str, str], bytes]:
    """One request, and its answer."""
    answers: list[tuple[bytes, dict[str, str], bytes]] = []

    async def main() -> None:
        async with serving(handler, **options) as peer:
            peer.send(sent)
            answers.append(await peer.answer())

    bounded(main)
    return answers[0]


# ---- what they are


def test_what_a_handler_gets_are_streams() -> None:
    def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        assert isinstance(req, Readable)
        assert isinstance(res, Writable)
        assert isinstance(req, Stream)
        assert isinstance(res, Stream)
        assert not isinstance(req, Writable)
        assert not isinstance(res, Readable)
        assert res.writable
        assert req.readable
        assert not res.writable_ended
        assert (res.writable_object_mode, req.readable_object_mode) == (False, False)
        assert (res.writable_high_water_mark, req.readable_high_water_mark) == (64 * KIB, 64 * KIB)
        assert repr(req) == "<IncomingMessage GET / complete unread=0>"
        assert repr(res) == "<ServerResponse 200 open sent=0>"
        res.end(f"{req.readable_statistics().state} {res.writable_statistics().state}")

    assert exchange(handler, GET)[2] == b"SUPPLYING OPEN"


def test_they_are_made_by_the_server_alone() -> None:
    for made in (http.IncomingMessage, http.ServerResponse):
        with pytest.raises(TypeError):
            made()


def test_looking_at_an_answer_leaves_it_as_it_is() -> None:
    """Whether it was ended, and how much waits, is known without the machinery of a stream."""

    def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        before = (res.writable_ended, res.writable_finished, res.writable_length, res.writable_need_drain, res.destroyed)
        res.end("x")
        after = (res.writable_ended, res.writable_finished, res.writable_length, res.writable_need_drain)
        assert before == (False, False, 0, False, False)
        assert after == (True, True, 0, False)

    assert exchange(handler, GET)[2] == b"x"


# ---- a small answer stays one piece


@pytest.mark.parametrize("event", ["finish", "close", "error", "drain", "mine"])
def test_an_answer_that_is_listened_to_is_still_one_piece_with_a_length(event: str) -> None:
    def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        res.on(event, lambda *_: None)
        res.end("hello")

    line, fields, body = exchange(handler, GET)
    assert (line, fields["content-length"], body) == (b"HTTP/1.1 200 OK", "5", b"hello")


def test_what_a_cork_holds_leaves_in_one_piece() -> None:
    pieces: list[bytes] = []

    async def main() -> None:
        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            await promises.sleep(1)
            res.cork()
            for piece in ("a", "b", "c"):
                assert res.write(piece)
            assert res.writable_length == 3
            await promises.sleep(1)
            assert res.is_unsent
            res.uncork()
            assert not res.is_unsent
            await promises.sleep(1)
            res.end()

        async with serving(handler) as peer:
            peer.send(GET)
            await peer.head()
            pieces.append(await peer.reader.read(100))

    bounded(main)
    assert pieces[0].startswith(b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n")


@pytest.mark.parametrize("listens", [False, True])
def test_text_is_encoded_as_it_is_said(listens: bool) -> None:
    def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        if listens:
            res.on("finish", lambda: None)
        res.write("ä", "latin1")
        res.write("e4", "hex")
        res.write("ä")
        res.end("w6Q=", "base64")

    assert exchange(handler, GET)[2] == b"\xe4\xe4\xc3\xa4\xc3\xa4"


def test_a_default_encoding() -> None:
    def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        res.set_default_encoding("latin1")
        res.write("ä")
        res.end("ä", "utf8")

    assert exchange(handler, GET)[2] == b"\xe4\xc3\xa4"


@pytest.mark.parametrize("listens", [False, True])
def test_who_writes_wrongly_is_told_at_once(listens: bool) -> None:
    """The same, whether or not somebody listens: raised, and no event that would end the program."""
    codes: list[str] = []

    def attempt(act: Callable[[], object]) -> None:
        with pytest.raises(TreadleError) as caught:
            act()
        codes.append(caught.value.code)

    def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        if listens:
            res.on("close", lambda: None)
        attempt(lambda: res.write(5))  # type: ignore[arg-type]
        attempt(lambda: res.write("x", "klingon"))
        res.end("fine")
        attempt(lambda: res.write("late"))
        attempt(lambda: res.end("late"))
        res.end()

    assert exchange(handler, GET)[2] == b"fine"
    assert codes == ["ERR_INVALID_ARG_TYPE", "ERR_UNKNOWN_ENCODING", "ERR_STREAM_WRITE_AFTER_END", "ERR_STREAM_WRITE_AFTER_END"]


@pytest.mark.parametrize("how", ["written", "ended", "short", "piped"])
def test_a_length_that_is_not_kept_cuts_the_connection(how: str) -> None:
    log: list[object] = []

    async def main() -> None:
        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            res.on("finish", lambda: log.append("finish"))
            res.on("error", lambda _: log.append("error"))
            res.on("close", lambda: log.append("close"))
            res.write_head(200, {"Content-Length": 3})
            try:
                if how == "written":
                    res.write("four")
                elif how == "ended":
                    res.end("four")
                elif how == "short":
                    res.write("ab")
                    res.end()
                else:
                    await pipeline([b"fo", b"ur"], res)
            except TreadleError as error:
                log.append(error.code)

        async with serving(handler) as peer:
            peer.send(GET)
            answer = await peer.reader.read()
            assert not answer.endswith(b"four")
            await until(lambda: "close" in log)

    bounded(main)
    assert sorted(map(str, log)) == ["ERR_HTTP_CONTENT_LENGTH_MISMATCH", "close"]


BAD_ANSWERS: dict[str, tuple[dict[str, Any], Callable[[], Any]]] = {
    "short": ({"Content-Length": 9}, lambda: Readable.from_([b"abc"])),
    "short, a file": ({"Content-Length": 9}, lambda: Readable.from_(io.BytesIO(b"abc"))),
    "short, through a stage": ({"Content-Length": 9}, lambda: Readable.from_([b"abc"]).pipe(PassThrough())),
    "nothing": ({"Content-Length": 9}, lambda: Readable.from_([])),
    "long": ({"Content-Length": 2}, lambda: Readable.from_([b"abc"])),
    "long, amid it": ({"Content-Length": 100_000}, lambda: Readable.from_([b"x" * 65_536] * 4, object_mode=False)),
    "no status": ({}, lambda: Readable.from_([])),
}


@pytest.mark.parametrize("how", BAD_ANSWERS)
@pytest.mark.parametrize("connect", ["pipeline", "pipeline, caught", "pipe", "pipe, listened to"])
def test_what_is_given_to_an_answer_wrongly_ends_no_program(how: str, connect: str, caplog: pytest.LogCaptureFixture) -> None:
    """A log that is cut while it is sent. Nobody has called end(): the connection is cut, and the log says so, once."""
    code = "ERR_HTTP_INVALID_STATUS_CODE" if how == "no status" else "ERR_HTTP_CONTENT_LENGTH_MISMATCH"
    fields, source = BAD_ANSWERS[how]
    told: list[str] = []
    caught: list[str] = []
    uncaught: list[BaseException] = []

    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        for name, value in fields.items():
            res.set_header(name, value)
        res.status_code = 99 if how == "no status" else 200
        if connect == "pipe, listened to":
            finished(res, callback=lambda error: told.append(error.code))  # type: ignore[union-attr]
        elif connect == "pipe":
            res.on("close", lambda: told.append(res.errored.code))  # type: ignore[union-attr]
        if connect.startswith("pipe,") or connect == "pipe":
            source().pipe(res)
            return
        try:
            await pipeline(source(), res)
        except TreadleError as error:
            caught.append(error.code)
            if connect == "pipeline":
                raise

    async def main() -> None:
        async with serving(handler) as peer:
            peer.send(GET)
            answer = await peer.reader.read()
            assert len(answer) < 100_000 + 200
            await until(lambda: told or (caught and (connect != "pipeline" or caplog.records)))

    process.on("uncaught_exception", uncaught.append)
    try:
        with caplog.at_level("INFO", "treadle.http"):
            bounded(main)
    finally:
        process.off("uncaught_exception", uncaught.append)
    assert uncaught == []
    assert told + caught == [code]
    logged = [(record.levelname, record.exc_info[1].code) for record in caplog.records]  # type: ignore[index, union-attr]
    assert logged == ([("ERROR", code)] if connect in ("pipeline", "pipe") else [])
    assert all(record.getMessage().startswith("GET /: ") for record in caplog.records)


@pytest.mark.parametrize("ends", [False, True])
def test_what_waits_in_an_answer_and_is_too_much_is_told_in_the_log(ends: bool, caplog: pytest.LogCaptureFixture) -> None:
    """write() has returned by then, and end() does not raise for what is sent behind others."""
    sizes = (300_000, 0 if ends else 10)
    closed: list[bool] = []

    async def main() -> None:
        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            res.on("close", lambda: closed.append(True))
            res.set_header("Content-Length", 300_005)
            for size in sizes:
                res.write(b"x" * size)
            assert res.writable_length > 0
            if ends:
                res.write(b"x")
                res.end()
            await until(lambda: closed)

        async with serving(handler) as peer:
            peer.send(GET)
            answer = await peer.reader.read()
            assert len(answer) < 300_300
            await until(lambda: closed)

    bounded(main)
    assert [record.getMessage() for record in caplog.records] == ["GET /: the answer failed"]


# ---- reading


@pytest.mark.parametrize("size", [100, 300 * KIB])
@pytest.mark.parametrize("how", ["raised", "caught", "timeout", "iterated"])
def test_an_upload_that_a_pipeline_gives_up_is_told_in_the_log(how: str, size: int, caplog: pytest.LogCaptureFixture) -> None:
    """The pipeline has destroyed the request, and so cut the connection, unless all of it was read: no peer has left."""
    answers: list[bytes] = []

    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        source = req.iterator(destroy_on_return=False) if how == "iterated" else req
        try:
            if how == "timeout":
                async with asyncio.timeout(0.01):
                    await pipeline(source, Writable(write=lambda chunk, encoding, callback: None))
            await pipeline(source, fs.create_write_stream("/dev/full"))
        except OSError as error:
            if how in ("raised", "timeout"):
                raise
            res.status_code = 507
            res.end(error.strerror)

    async def main() -> None:
        async with serving(handler) as peer:
            peer.send(post(b"x" * size))
            try:
                answers.append((await peer.reader.read(13))[9:12])
            except ConnectionResetError:  # what it has sent lay unread
                answers.append(b"")
            await until(lambda: answers[0] or caplog.records)

    with caplog.at_level("INFO", "treadle.http"):
        bounded(main)
    assert answers[0] in ({b"507"} if how == "iterated" else {b"507" if how == "caught" else b"500", b""})
    told = [record.getMessage() for record in caplog.records]
    if how in ("raised", "timeout"):
        assert told == ["POST /x: the handler failed"]
        error = caplog.records[0].exc_info[1]  # type: ignore[index]
        assert isinstance(error, TimeoutError) if how == "timeout" else error.errno == errno.ENOSPC  # type: ignore[union-attr]
    elif answers[0]:
        assert told == []
    else:
        assert len(told) == 1 and told[0].startswith("POST /x: the answer 507 is lost: ")


def test_a_file_that_cannot_be_opened_for_an_answer_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        await pipeline(fs.create_read_stream("/nonexistent/file"), res)

    async def main() -> None:
        async with serving(handler) as peer:
            peer.send(GET)
            assert await peer.reader.read() == b""
            await until(lambda: caplog.records)

    bounded(main)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("ERROR", "GET /: the handler failed")]


@pytest.mark.parametrize("ends", [False, True])
def test_a_handler_that_is_cancelled_says_so(ends: bool, caplog: pytest.LogCaptureFixture) -> None:
    """By the end of the program, or by somebody else; nothing has failed in it."""
    tasks: list[Any] = []

    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        tasks.append(asyncio.current_task())
        await asyncio.Event().wait()

    async def main() -> None:
        server = http.create_server(handler).listen(0)
        _, writer = await asyncio.open_connection(*server.address())  # type: ignore[misc]
        writer.write(GET)
        await until(lambda: tasks)
        if ends:
            raise KeyError("the end")
        tasks[0].cancel()
        await until(lambda: caplog.records)
        writer.close()
        server.close()
        server.close_all_connections()

    if ends:
        with pytest.raises(KeyError):
            bounded(main)
    else:
        bounded(main)
    expected = (
        "cancelled before it was answered: the program ends" if ends else "the handler was cancelled before it had answered"
    )
    assert [record.getMessage() for record in caplog.records] == [f"GET /: {expected}"]
    assert caplog.records[0].exc_info is None


@pytest.mark.parametrize("where", ["/dev/full", "/nonexistent/directory/file"])
def test_an_upload_that_cannot_be_written_is_answered(where: str) -> None:
    """By the block's error, and the server goes on."""

    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        try:
            async with fs.create_write_stream(where) as sink:
                async for chunk in req:
                    await sink.ready()
                    sink.write(chunk)
                    await promises.sleep(1)
        except OSError as error:
            res.status_code = 507
            res.end(error.strerror)

    for _ in range(2):
        line, _, body = exchange(handler, post(b"x" * 3 * MIB))
        assert line.startswith(b"HTTP/1.1 507 ")
        assert body == (b"No space left on device" if where == "/dev/full" else b"No such file or directory")


def test_a_body_is_shared_by_all_ways_to_read_it() -> None:
    """What one has taken the other does not see, and together they see all."""
    seen: list[bytes] = []

    async def main() -> None:
        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            async for chunk in req:
                seen.append(chunk)
                break
            await req.wait()
            seen.append(req.read_nowait(1))
            req.on("data", seen.append)
            await finished(req)
            res.end()

        async with serving(handler) as peer:
            peer.send(post(b"one", length=9))
            await until(lambda: seen)
            peer.send(b"two")
            await until(lambda: len(seen) == 3)
            peer.send(b"six")
            await peer.answer()

    bounded(main)
    assert seen == [b"one", b"t", b"wo", b"six"]


def test_what_arrived_before_it_was_used_as_a_stream_is_not_lost() -> None:
    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        await until(lambda: req.complete)
        await pipeline(req, res)

    assert exchange(handler, post(b"x" * 50 * KIB))[2] == b"x" * 50 * KIB


@pytest.mark.parametrize("way", ["whole", "chunks", "paused"])
def test_reading_as_ever_while_somebody_listens(way: str) -> None:
    log: list[str] = []

    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        req.on("end", lambda: log.append("end"))
        req.on("close", lambda: log.append("close"))
        if way == "whole":
            body = await req.read()
        elif way == "chunks":
            body = b"".join([chunk async for chunk in req])
        else:
            req.pause()
            body = await req.read()
        res.end(body)
        await until(lambda: "close" in log)

    assert exchange(handler, post(b"hello"))[2] == b"hello"
    assert log == ["end", "close"]


def test_read_is_refused_once_somebody_has_begun() -> None:
    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        req.on("data", lambda _: None)
        await finished(req)
        with pytest.raises(TreadleError) as caught:
            await req.read()
        res.end(caught.value.code)

    assert exchange(handler, post(b"hello"))[2] == b"ERR_HTTP_BODY_CONSUMED"


@pytest.mark.parametrize("body", ["", "äöü"])
def test_a_body_as_text(body: str) -> None:
    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        req.set_encoding("utf8")
        text = await req.read()
        assert text == body or (not body and not text)
        res.end(text)

    assert exchange(handler, post(body.encode()))[2].decode() == body


def test_readable_and_read_nowait() -> None:
    log: list[object] = []

    def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        def readable() -> None:
            while (chunk := req.read_nowait(2)) is not None:
                log.append(chunk)

        req.on("readable", readable)
        req.on("end", res.end)

    exchange(handler, post(b"hello"))
    assert log == [b"he", b"ll", b"o"]


def test_helpers_of_iteration_and_functions_as_stages() -> None:
    async def shout(source: Any) -> AsyncIterator[bytes]:
        async for chunk in source:
            yield chunk.upper()

    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        await pipeline(req, shout, res)

    assert exchange(handler, post(b"hello"))[2] == b"HELLO"

    async def helped(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        res.end(b"-".join(await req.map(bytes.upper).take(1).to_list()))

    assert exchange(helped, post(b"hello"))[2] == b"HELLO"


def test_iterator_of_a_stream() -> None:
    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        res.end(b"".join([chunk async for chunk in req.iterator()]))

    assert exchange(handler, post(b"hello"))[2] == b"hello"


def test_100_continue_is_sent_when_a_stream_is_read() -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            req.on("end", lambda: None)
            await go.wait()
            await pipeline(req, res)

        async with serving(handler) as peer:
            peer.send(post(b"", b"Expect: 100-continue", length=5))
            await promises.sleep(5)
            assert not peer.reader._buffer  # type: ignore[attr-defined]  # listening is not reading
            go.set()
            assert (await peer.head())[0] == b"HTTP/1.1 100 Continue"
            peer.send(b"hello")
            assert (await peer.answer())[2] == b"hello"

    bounded(main)


def test_trailers_are_there_at_the_end() -> None:
    def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        req.on("end", lambda: res.end(req.trailers["x-sum"]))
        req.resume()

    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"
    assert exchange(handler, chunked)[2] == b"6"


# ---- back-pressure


def test_a_sink_that_waits_pauses_the_socket() -> None:
    """The rest of the body stays in the kernel and with the peer."""
    size = 32 * MIB
    block = bytes(range(256)) * 256

    async def main() -> None:
        waiting: list[Callable[[], None]] = []
        digest = hashlib.sha256()

        def write(chunk: bytes, _: str, callback: Callable[[], None]) -> None:
            digest.update(chunk)
            if gate.is_set():
                callback()
            else:
                waiting.append(callback)

        gate = asyncio.Event()

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            requests.append(req)
            sink = Writable(write=write, high_water_mark=16 * KIB)
            sinks.append(sink)
            await pipeline(req, sink)
            res.end(digest.hexdigest())

        requests: list[http.IncomingMessage] = []
        sinks: list[Writable] = []
        async with serving(handler) as peer:
            peer.send(post(b"", length=size))
            sent = 0
            while sent < size:
                peer.send(block)
                sent += len(block)
                try:
                    await asyncio.wait_for(peer.writer.drain(), 0.2)
                except TimeoutError:
                    break
            assert sent < size // 2, "the peer can send no more"
            held = requests[0].readable_length + sinks[0].writable_length
            assert held <= 64 * KIB + 64 * KIB + 64 * KIB, "a mark, one receive, and what the sink has"
            gate.set()
            waiting.pop()()
            while sent < size:
                peer.send(block)
                sent += len(block)
                await peer.writer.drain()
            assert (await peer.answer())[2].decode() == hashlib.sha256(block * (size // len(block))).hexdigest()

    bounded(main)


def test_a_peer_that_does_not_read_makes_a_source_wait() -> None:
    size = 32 * MIB
    block = bytes(range(256)) * 256

    async def main() -> None:
        given = 0

        async def blocks() -> AsyncIterator[bytes]:
            nonlocal given
            while given < size:
                given += len(block)
                yield block

        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            answers.append(res)
            await pipeline(blocks(), Transform(transform=lambda chunk, _, done: done(None, chunk)), res)

        answers: list[http.ServerResponse] = []
        async with serving(handler) as peer:
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            peer.send(GET)
            seen = -1
            while seen != given or not given:
                seen = given
                await promises.sleep(50)
            assert given < size // 2
            assert answers[0].writable_need_drain
            assert answers[0].writable_length < 256 * KIB
            peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
            body = (await peer.answer())[2]
            assert hashlib.sha256(body).digest() == hashlib.sha256(block * (size // len(block))).digest()

    bounded(main)


def test_finish_waits_until_the_kernel_has_taken_all() -> None:
    log: list[str] = []

    async def main() -> None:
        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            await promises.sleep(1)
            res.on("finish", lambda: log.append("finish"))
            res.end(bytes(32 * MIB))
            answers.append(res)

        answers: list[http.ServerResponse] = []
        async with serving(handler) as peer:
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            peer.send(GET)
            await until(lambda: answers)
            await promises.sleep(20)
            assert log == []
            assert answers[0].writable_ended
            assert not answers[0].writable_finished
            peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert len((await peer.answer())[2]) == 32 * MIB
            await until(lambda: log)
            assert answers[0].writable_finished

    bounded(main)
    assert log == ["finish"]


def test_drain_for_who_begins_to_listen_when_it_is_full() -> None:
    async def main() -> None:
        def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            while res.write(bytes(64 * KIB)):
                pass
            assert res.writable_need_drain
            res.once("drain", lambda: res.end("over"))

        async with serving(handler) as peer:
            peer.send(GET)
            assert (await peer.answer())[2].endswith(b"over")

    bounded(main)


# ---- connections go on


def test_pipelined_requests_as_streams() -> None:
    """Answers in order, bodies to whom they belong, on one connection."""

    async def main() -> None:
        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            res.on("finish", lambda: log.append(req.headers["x-number"]))
            await pipeline(req, res)

        log: list[str] = []
        async with serving(handler) as peer:
            peer.send(b"".join(post(b"body %d" % number, b"X-Number: %d" % number) for number in range(50)))
            for number in range(50):
                assert (await peer.answer())[2] == b"body %d" % number
            await until(lambda: len(log) == 50)
            assert log == [str(number) for number in range(50)]

    bounded(main)


@pytest.mark.parametrize("status", [204, 304])
def test_a_pipeline_into_an_answer_without_a_body(status: int) -> None:
    async def main() -> None:
        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            res.status_code = status
            await pipeline([b"no", b"thing"], res)
            log.append("through")

        log: list[str] = []
        async with serving(handler) as peer:
            for _ in range(2):
                peer.send(GET)
                line, _ = await peer.head()
                assert line.split()[1] == str(status).encode()
            await until(lambda: len(log) == 2)

    bounded(main)


def test_the_answer_to_a_head_that_is_piped() -> None:
    async def main() -> None:
        async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            await pipeline([b"x" * 200_000, b"y"], res)

        async with serving(handler) as peer:
            for _ in range(2):
                peer.send(GET.replace(b"GET", b"HEAD"))
                assert (await peer.head())[0] == b"HTTP/1.1 200 OK"

    bounded(main)


def test_a_handler_that_fails_behind_a_listener_is_answered_for() -> None:
    log: list[str] = []

    async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        res.on("finish", lambda: log.append("finish"))
        res.on("close", lambda: log.append("close"))
        raise ValueError("boom")

    line, _, _ = exchange(handler, GET)
    assert line == b"HTTP/1.1 500 Internal Server Error"
    assert log == ["finish", "close"]


def test_what_a_listener_raises_is_uncaught() -> None:
    def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
        req.on("data", fail)
        req.on("end", res.end)

    def fail(chunk: bytes) -> None:
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        exchange(handler, post(b"hello"))


def test_a_listener_that_fails_once_gets_the_rest() -> None:
    seen: list[object] = []

    async def main() -> None:
        def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            req.on("data", hear)
            req.on("end", lambda: res.end("all"))

        def hear(chunk: bytes) -> None:
            seen.append(chunk)
            if len(seen) == 1:
                raise ValueError("boom")

        process.on("uncaught_exception", caught)
        try:
            async with serving(handler) as peer:
                peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                peer.send(b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")
                assert (await peer.answer())[2] == b"all"
        finally:
            process.off("uncaught_exception", caught)

    def caught(error: BaseException, *_: object) -> None:
        seen.append(repr(error))

    bounded(main)
    assert seen == [b"a", "ValueError('boom')", b"b", b"c"]


# ---- both halves serve the next exchange, unless somebody keeps them


def alive() -> list[type]:
    return sorted(
        (type(one) for one in gc.get_objects() if type(one) in (http.IncomingMessage, http.ServerResponse)),
        key=lambda kind: kind.__name__,
    )


@pytest.mark.skipif(sys.flags.dev_mode, reason="who looks on keeps the request")
@pytest.mark.parametrize("is_async", [False, True] if sys.version_info >= (3, 12) else [False])  # before, a task begins later
def test_one_of_each_serves_the_next(is_async: bool) -> None:
    async def main() -> None:
        def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            res.end(req.headers["host"])

        async def async_handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            handler(req, res)

        async with serving(async_handler if is_async else handler) as peer:
            for _ in range(3):
                peer.send(GET)
                assert (await peer.answer())[2] == b"a"
                assert alive() == [http.IncomingMessage, http.ServerResponse]

    bounded(main)
    gc.collect()
    assert alive() == []


def test_nothing_of_an_exchange_is_seen_by_the_next() -> None:
    seen: list[tuple[object, ...]] = []

    async def main() -> None:
        def handler(req: Any, res: Any) -> None:
            seen.append((
                getattr(req, "user", None), getattr(res, "user", None), req.headers.get("x-mine"), res.get_header("x-mine"),
                req.listener_count("close"), res.listener_count("close"), req.aborted, res.status_code, res.headers_sent,
                req.is_body_begun, req.get_max_listeners(),
                req._controller, req._departure, req.cancel_on_disconnect,
            ))  # fmt: skip
            if req.url == "/mark":
                req.user = res.user = "me"
                res.set_header("x-mine", "yes")
                res.status_code = 404
            elif req.url == "/listen":
                req.on("close", lambda: None)
                res.on("close", lambda: None)
            elif req.url == "/limit":
                req.set_max_listeners(3)
            elif req.url == "/signal":
                req.cancel_on_disconnect = not req.signal.aborted
                res.set_timeout(1)
            elif req.url == "/trailers":
                res.write_early_hints({"link": "</a>"})
                res.set_header("Trailer", "A")
                res.add_trailers({"A": "1"})
            res.end(req.url)

        async with serving(handler) as peer:
            for url in (b"/", b"/mark", b"/", b"/listen", b"/", b"/limit", b"/", b"/signal", b"/", b"/trailers", b"/"):
                field = b"\r\nX-Mine: 1" if url == b"/mark" else b""
                peer.send(GET.replace(b"/ ", url + b" ").replace(b"Host: a", b"Host: a" + field))
                if url == b"/trailers":
                    assert (await peer.head())[0].startswith(b"HTTP/1.1 103 ")
                _, fields, body = await peer.answer()
                assert body == url
                assert ("x-mine" in fields) == (url == b"/mark")

    bounded(main)
    new = (None, None, None, None, 0, 0, False, 200, False, False, 10, None, None, False)
    assert [one for one in seen if one != new] == [(None, None, "1", *new[3:])]


def test_who_keeps_a_request_or_an_answer_keeps_that_one() -> None:
    async def main() -> None:
        def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            kept.append((req, res))
            weak.append(weakref.ref(req))
            res.end(req.url)

        kept: list[tuple[http.IncomingMessage, http.ServerResponse]] = []
        weak: list[Any] = []
        async with serving(handler) as peer:
            for number in range(4):
                peer.send(GET.replace(b"/ ", b"/%d " % number))
                assert (await peer.answer())[2] == b"/%d" % number
            assert [req.url for req, _ in kept] == ["/0", "/1", "/2", "/3"]
            assert len({id(res) for _, res in kept}) == 4
            assert [reference() for reference in weak] == [req for req, _ in kept]
            kept.clear()
            gc.collect()
            assert [reference() for reference in weak] == [None] * 4

    bounded(main)


def test_a_request_that_is_only_referred_to_weakly_is_gone() -> None:
    async def main() -> None:
        def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
            weak.append(weakref.ref(req))
            res.end()

        weak: list[Any] = []
        async with serving(handler) as peer:
            for _ in range(2):
                peer.send(GET)
                await peer.answer()
            assert [reference() for reference in weak] == [None, None]

    bounded(main)
