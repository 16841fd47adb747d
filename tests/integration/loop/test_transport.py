"""asyncio's contract of a stream transport: what the protocol is told, in which order, and how often. TCP and Unix sockets.

Not here: back-pressure (test_flow_control.py), failing protocols (test_failures.py), servers (test_server.py)."""

import asyncio
import contextvars
import socket
import struct
import sys
from typing import Any

import pytest

from tests.integration.loop.support import BIG, Echo, KeepsOpen, Recorder, connected, test_of_both, turns

# -- the life of a connection


@test_of_both
async def test_callbacks_in_their_order(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path, Recorder, Echo) as (a, b):
        a.transport.write(b"hello")
        assert await a.until_data(5) == b"hello"
        a.transport.close()
        assert await a.until_lost() is None
        assert await b.until_lost() is None
        assert a.trace == ["made", ("lost", None)]
        assert b.trace == ["made", "eof", ("lost", None)]


@test_of_both
async def test_connection_made_is_called_before_the_connection_is_handed_out(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, _):
        assert a.trace == ["made"]
        assert a.transport.get_protocol() is a


@test_of_both
async def test_nothing_is_received_before_the_connection_is_handed_out(loop) -> None:
    trace: list[object] = []

    class Tracing(Recorder):
        def data_received(self, data: bytes) -> None:
            trace.append(data)
            super().data_received(data)

    ours, theirs = socket.socketpair()
    with theirs:
        theirs.send(b"early")
        transport, protocol = await loop.create_unix_connection(Tracing, sock=ours)
        trace.append("handed out")
        await protocol.until_data(5)
        assert trace == ["handed out", b"early"]
        transport.close()
        await protocol.until_lost()


@test_of_both
async def test_close_sends_what_waits(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        b.transport.pause_reading()
        a.transport.write(BIG)
        a.transport.write(b"end")
        assert a.transport.get_write_buffer_size() > 0
        a.transport.close()
        assert a.transport.is_closing()
        await turns()
        assert not a.is_lost
        b.transport.resume_reading()
        await b.until_lost()
        assert bytes(b.data) == BIG + b"end"
        assert await a.until_lost() is None


@test_of_both
async def test_abort_drops_what_waits(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        b.transport.pause_reading()
        a.transport.write(BIG)
        a.transport.abort()
        assert a.transport.is_closing()
        assert a.transport.get_write_buffer_size() == 0
        assert await a.until_lost() is None
        b.transport.resume_reading()
        await b.until_lost()
        assert len(b.data) < len(BIG)


@test_of_both
async def test_abort_after_close(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        b.transport.pause_reading()
        a.transport.write(BIG)
        a.transport.close()
        a.transport.abort()
        assert await a.until_lost() is None


@test_of_both
async def test_connection_lost_is_called_once(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        a.transport.close()
        assert not a.is_lost  # never from within close()
        a.transport.close()
        a.transport.abort()
        await b.until_lost()
        a.transport.abort()
        a.transport.close()
        await turns()
        assert a.losses == b.losses == [None]


@pytest.mark.parametrize("how", ["close", "abort"])
@test_of_both
async def test_it_may_be_closed_in_connection_made(loop, kind, tmp_path, how) -> None:
    class Closes(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            getattr(transport, how)()

    async with connected(loop, kind, tmp_path, Recorder, Closes) as (a, b):
        await a.until_lost()
        await b.until_lost()
        assert b.trace == ["made", ("lost", None)]


@pytest.mark.parametrize("how", ["close", "abort"])
@test_of_both
async def test_it_may_be_closed_in_data_received(loop, kind, tmp_path, how) -> None:
    class Closes(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            getattr(self.transport, how)()

    async with connected(loop, kind, tmp_path, Recorder, Closes) as (a, b):
        a.transport.write(BIG)
        await b.until_lost()
        received = len(b.data)
        await turns()
        assert len(b.data) == received > 0  # one call, and no more
        await a.until_lost()


@test_of_both
async def test_a_reset_is_told_as_the_exception(loop, tmp_path) -> None:
    async with connected(loop, "tcp", tmp_path) as (a, b):
        sock = a.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        a.transport.abort()
        assert isinstance(await b.until_lost(), ConnectionResetError)
        assert b.trace[:-1] == ["made"]


@test_of_both
async def test_a_broken_pipe_is_told_as_the_exception(loop, kind, tmp_path) -> None:
    """The peer is gone; the second write at the latest fails."""

    async with connected(loop, kind, tmp_path, KeepsOpen) as (a, b):
        b.transport.abort()
        await b.until_lost()
        await a.until(lambda: "eof" in a.trace)
        while not a.transport.is_closing():
            a.transport.write(b"x")
            await asyncio.sleep(0)
        assert isinstance(await a.until_lost(), BrokenPipeError | ConnectionResetError)


# -- the end of one side


@test_of_both
async def test_a_side_that_keeps_open_may_still_write(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path, Recorder, KeepsOpen) as (a, b):
        assert a.transport.can_write_eof()
        a.transport.write(b"question")
        a.transport.write_eof()
        a.transport.write_eof()  # no harm
        await b.until(lambda: "eof" in b.trace)
        assert bytes(b.data) == b"question"
        await turns()
        assert not b.transport.is_closing()
        b.transport.write(b"answer")
        assert await a.until_data(6) == b"answer"
        b.transport.close()
        await a.until_lost()
        assert b.trace == ["made", "eof", ("lost", None)]
        assert a.trace == ["made", "eof", ("lost", None)]


@test_of_both
async def test_write_eof_sends_what_waits_first(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path, Recorder, KeepsOpen) as (a, b):
        b.transport.pause_reading()
        a.transport.write(BIG)
        a.transport.write_eof()
        with pytest.raises(RuntimeError):
            a.transport.write(b"x")
        b.transport.resume_reading()
        await b.until(lambda: "eof" in b.trace)
        assert bytes(b.data) == BIG


@test_of_both
async def test_nothing_can_be_written_after_write_eof(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path, Recorder, KeepsOpen) as (a, _):
        a.transport.write_eof()
        with pytest.raises(RuntimeError):
            a.transport.write(b"x")
        with pytest.raises(RuntimeError):
            a.transport.writelines([b"x"])


@test_of_both
async def test_write_eof_then_close(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        b.transport.pause_reading()
        a.transport.write(BIG)
        a.transport.write_eof()
        a.transport.close()
        b.transport.resume_reading()
        await b.until_lost()
        assert bytes(b.data) == BIG
        assert await a.until_lost() is None


@test_of_both
async def test_eof_is_told_once_although_reading_is_resumed(loop, kind, tmp_path) -> None:
    """resume_reading() has no effect on a transport that was not paused."""
    async with connected(loop, kind, tmp_path, Recorder, KeepsOpen) as (a, b):
        a.transport.write_eof()
        await b.until(lambda: "eof" in b.trace)
        b.transport.resume_reading()
        b.transport.resume_reading()
        await turns()
        assert b.trace == ["made", "eof"]


# -- reading


@test_of_both
async def test_pausing_holds_data_back(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        assert b.transport.is_reading()
        b.transport.pause_reading()
        b.transport.pause_reading()
        assert not b.transport.is_reading()
        a.transport.write(b"data")
        await turns(20)
        assert b.data == b""
        b.transport.resume_reading()
        b.transport.resume_reading()
        assert b.transport.is_reading()
        assert await b.until_data(4) == b"data"


@test_of_both
async def test_pausing_in_connection_made(loop, kind, tmp_path) -> None:
    class Paused(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.pause_reading()

    async with connected(loop, kind, tmp_path, Recorder, Paused) as (a, b):
        a.transport.write(b"data")
        await turns(20)
        assert b.data == b""
        assert not b.transport.is_reading()
        b.transport.resume_reading()
        assert await b.until_data(4) == b"data"


@test_of_both
async def test_pausing_in_data_received_holds_the_rest_back(loop, kind, tmp_path) -> None:
    class Pauses(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()

    async with connected(loop, kind, tmp_path, Recorder, Pauses) as (a, b):
        a.transport.write(BIG)
        await b.until_data(1)
        received = len(b.data)
        await turns(20)
        assert len(b.data) == received < len(BIG)
        while len(b.data) < len(BIG):
            seen = len(b.data)
            b.transport.resume_reading()
            await b.until(lambda seen=seen: len(b.data) > seen)
        assert bytes(b.data) == BIG


@test_of_both
async def test_a_closed_transport_does_not_read(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        a.transport.write(b"data")
        b.transport.close()
        assert not b.transport.is_reading()
        b.transport.pause_reading()
        b.transport.resume_reading()
        await b.until_lost()
        assert b.data == b""
        b.transport.pause_reading()
        b.transport.resume_reading()
        await a.until_lost()


# -- writing


@test_of_both
async def test_whatever_is_like_bytes_can_be_written(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        a.transport.write(b"bytes ")
        a.transport.write(bytearray(b"bytearray "))
        a.transport.write(memoryview(b"a memoryview ")[2:])
        a.transport.write(b"")
        a.transport.writelines([b"lines ", bytearray(b"of "), memoryview(b"any kind")])
        a.transport.writelines(iter([b"."]))
        a.transport.writelines([])
        expected = b"bytes bytearray memoryview lines of any kind."
        assert await b.until_data(len(expected)) == expected


@pytest.mark.parametrize("wrong", ["text", None, 1, [b"list"]], ids=repr)
@test_of_both
async def test_nothing_else_can(loop, kind, tmp_path, wrong) -> None:
    async with connected(loop, kind, tmp_path) as (a, _):
        with pytest.raises(TypeError):
            a.transport.write(wrong)
        assert not a.transport.is_closing()


@test_of_both
async def test_writes_of_every_size_arrive_in_order(loop, kind, tmp_path) -> None:
    sizes = [1, 100_000, 3, 1_000_000, 0, 70_000, 5, 2_000_000, 1] * 2
    pieces = [bytes([n]) * size for n, size in enumerate(sizes)]
    async with connected(loop, kind, tmp_path) as (a, b):
        for n, piece in enumerate(pieces):
            if n % 3:
                a.transport.write(piece)
            else:
                a.transport.writelines([piece[:7], piece[7:]])
        expected = b"".join(pieces)
        assert await b.until_data(len(expected)) == expected


@test_of_both
async def test_a_thousand_pieces_that_wait_arrive_in_order(loop, kind, tmp_path) -> None:
    """More than one system call gathers."""
    async with connected(loop, kind, tmp_path) as (a, b):
        b.transport.pause_reading()
        a.transport.write(BIG)
        pieces = [b"%d," % n for n in range(1_000)]
        for piece in pieces:
            a.transport.write(piece)
        a.transport.writelines(pieces)
        b.transport.resume_reading()
        expected = BIG + b"".join(pieces) * 2
        assert await b.until_data(len(expected)) == expected


@test_of_both
async def test_writing_to_a_closed_transport_does_nothing(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        a.transport.write(b"before")
        a.transport.close()
        a.transport.write(b"after")
        await b.until_lost()
        a.transport.write(b"long after")
        assert bytes(b.data) == b"before"


@test_of_both
async def test_writing_while_a_closed_transport_still_sends(loop, kind, tmp_path) -> None:
    """COMPAT(asyncio): close() ends reading; what is written before the buffer has drained still joins it."""
    async with connected(loop, kind, tmp_path) as (a, b):
        b.transport.pause_reading()
        a.transport.write(BIG)
        a.transport.close()
        a.transport.write(b"after")
        b.transport.resume_reading()
        await b.until_lost()
        assert len(b.data) == len(BIG) + len(b"after")


# -- what it knows


@test_of_both
async def test_addresses(loop, tmp_path) -> None:
    async with connected(loop, "tcp", tmp_path) as (a, b):
        assert a.transport.get_extra_info("peername") == b.transport.get_extra_info("sockname")
        assert a.transport.get_extra_info("sockname") == b.transport.get_extra_info("peername")
        assert a.transport.get_extra_info("peername")[0] == "127.0.0.1"
        assert a.transport.get_extra_info("nothing") is None
        assert a.transport.get_extra_info("nothing", "default") == "default"


@test_of_both
async def test_the_socket(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        for protocol in (a, b):
            sock = protocol.transport.get_extra_info("socket")
            assert sock is protocol.transport.get_extra_info("socket")
            assert sock.family == (socket.AF_UNIX if kind == "unix" else socket.AF_INET)
            assert sock.fileno() >= 0
            assert sock.gettimeout() == 0
            assert not hasattr(sock, "recv")
            if kind == "tcp":
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert a.transport.get_extra_info("socket").getpeername() == b.transport.get_extra_info("sockname")


@pytest.mark.parametrize("name", ["sockname", "peername", "socket"])
@test_of_both
async def test_it_is_known_after_the_end_too(loop, tmp_path, name) -> None:
    """Of an accepted connection, and nobody has asked before."""
    async with connected(loop, "tcp", tmp_path) as (a, b):
        expected = a.transport.get_extra_info({"sockname": "peername", "peername": "sockname"}.get(name, name))
        b.transport.close()
        await b.until_lost()
        if name == "socket":
            assert b.transport.get_extra_info("socket") is not None
        else:
            assert b.transport.get_extra_info(name) == expected


@test_of_both
async def test_the_path_of_a_peer(loop, tmp_path) -> None:
    """A Unix socket that connects may have a name itself."""
    accepted: asyncio.Future[Any] = loop.create_future()

    class Peer(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            accepted.set_result(transport.get_extra_info("peername"))

    server = await loop.create_unix_server(Peer, str(tmp_path / "server"))
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "client"))
    sock.setblocking(False)
    await loop.sock_connect(sock, str(tmp_path / "server"))
    transport, protocol = await loop.create_unix_connection(Recorder, sock=sock)
    peername = await accepted
    transport.close()
    server.close()
    await protocol.until_lost()
    await turns()
    assert peername == str(tmp_path / "client")


@test_of_both
async def test_its_repr_in_every_state(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        assert repr(a.transport)
        b.transport.pause_reading()
        a.transport.write(BIG)
        assert repr(a.transport)
        a.transport.close()
        assert "closing" in repr(a.transport)
        a.transport.abort()
        await a.until_lost()
        assert "closed" in repr(a.transport) or "closing" in repr(a.transport)


# -- other protocols


@test_of_both
async def test_a_method_can_be_replaced_on_one_transport(loop, kind, tmp_path) -> None:
    """As tests of other libraries do."""
    async with connected(loop, kind, tmp_path) as pair:
        for protocol in pair:
            written: list[bytes] = []
            protocol.transport.write = written.append
            protocol.transport.write(b"kept")
            assert written == [b"kept"]
            del protocol.transport.write
        a, b = pair
        a.transport.write(b"sent")
        assert await b.until_data(4) == b"sent"


@test_of_both
async def test_another_protocol_takes_over(loop, kind, tmp_path) -> None:
    class First(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.set_protocol(second)

    second = Recorder()
    async with connected(loop, kind, tmp_path, Recorder, First) as (a, b):
        a.transport.write(b"first")
        await b.until_data(5)
        assert b.transport.get_protocol() is second
        a.transport.write(b"second")
        assert await second.until_data(6) == b"second"
        a.transport.close()
        await second.until_lost()
        assert second.trace == ["eof", ("lost", None)]
        assert b.trace == ["made"]
        b.note(("lost", None))  # for connected(), which waits for it


@test_of_both
async def test_a_protocol_may_change_its_own_callbacks(loop, kind, tmp_path) -> None:
    """A parser that rebinds data_received from state to state."""

    class Rebinds(Recorder):
        def __init__(self) -> None:
            super().__init__()
            self.body = bytearray()

        def data_received(self, data: bytes) -> None:
            self.data_received = self.body_received  # type: ignore[method-assign]
            super().data_received(data)

        def body_received(self, data: bytes) -> None:
            self.body += data
            self.wake()

    async with connected(loop, kind, tmp_path, Recorder, Rebinds) as (a, b):
        a.transport.write(b"head")
        await b.until_data(4)
        a.transport.write(b"body")
        await b.until(lambda: len(b.data) + len(b.body) == 8)
        assert (bytes(b.data), bytes(b.body)) == (b"head", b"body")


class Buffered(asyncio.BufferedProtocol):
    """Reads into one buffer of its own."""

    def __init__(self, size: int = 1_000) -> None:
        self.buffer = bytearray(size)
        self.recorder = Recorder()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.recorder, name)

    def connection_made(self, transport: Any) -> None:
        self.recorder.connection_made(transport)

    def get_buffer(self, sizehint: int) -> Any:
        return memoryview(self.buffer)[10:]

    def buffer_updated(self, nbytes: int) -> None:
        assert 0 < nbytes <= len(self.buffer) - 10
        self.recorder.data += self.buffer[10 : 10 + nbytes]
        self.recorder.wake()

    def eof_received(self) -> bool | None:
        self.recorder.note("eof")
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self.recorder.note(("lost", exc))


@test_of_both
async def test_a_protocol_with_a_buffer_of_its_own(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path, Recorder, Buffered) as (a, b):
        data = bytes(range(256)) * 400
        a.transport.write(data)
        assert await b.recorder.until_data(len(data)) == data
        b.transport.pause_reading()
        a.transport.write(b"more")
        await turns(20)
        assert len(b.recorder.data) == len(data)
        b.transport.resume_reading()
        await b.recorder.until_data(len(data) + 4)
        a.transport.close()
        await b.recorder.until_lost()
        assert b.recorder.trace == ["made", "eof", ("lost", None)]


@test_of_both
async def test_from_one_kind_of_protocol_to_the_other_and_back(loop, kind, tmp_path) -> None:
    async with connected(loop, kind, tmp_path) as (a, b):
        buffered = Buffered()
        a.transport.write(b"one")
        await b.until_data(3)
        b.transport.set_protocol(buffered)
        a.transport.write(b"two")
        assert await buffered.recorder.until_data(3) == b"two"
        b.transport.set_protocol(b)
        a.transport.write(b"three")
        assert await b.until_data(8) == b"onethree"


# -- contexts

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

CALLBACKS = ["connection_made", "data_received", "eof_received", "pause_writing", "resume_writing", "connection_lost"]


@pytest.mark.parametrize("callback", CALLBACKS)
@test_of_both
async def test_callbacks_run_in_the_context_of_whoever_connected(loop, kind, tmp_path, callback) -> None:
    seen: dict[str, str] = {}

    class Looks(KeepsOpen):
        def look(self, name: str) -> None:
            seen[name] = variable.get()

    def looking(name: str) -> Any:
        def call(self: Any, *args: Any) -> Any:
            self.look(name)
            return getattr(super(Looks, self), name)(*args)

        return call

    for name in CALLBACKS:
        setattr(Looks, name, looking(name))
    variable.set("of the client")
    async with connected(loop, kind, tmp_path, Looks, KeepsOpen) as (a, b):
        b.transport.pause_reading()
        a.transport.write(BIG)
        b.transport.write(b"data")
        b.transport.write_eof()
        await a.until(lambda: "eof" in a.trace)
        b.transport.resume_reading()
        await a.until(lambda: "resume" in a.trace)
        a.transport.close()
        await a.until_lost()
    assert seen.keys() == set(CALLBACKS)
    assert seen[callback] == "of the client"


@pytest.mark.parametrize("callback", ["get_buffer", "buffer_updated"])
@test_of_both
async def test_so_do_those_of_a_buffered_protocol(loop, kind, tmp_path, callback) -> None:
    seen: dict[str, str] = {}

    class Looks(Buffered):
        def get_buffer(self, sizehint: int) -> Any:
            seen["get_buffer"] = variable.get()
            return super().get_buffer(sizehint)

        def buffer_updated(self, nbytes: int) -> None:
            seen["buffer_updated"] = variable.get()
            super().buffer_updated(nbytes)

    variable.set("of the client")
    async with connected(loop, kind, tmp_path, Looks, Recorder) as (a, b):
        b.transport.write(b"data")
        await a.recorder.until_data(4)
        a.transport.close()
        await a.recorder.until_lost()
    assert seen[callback] == "of the client"


@test_of_both
async def test_a_connection_may_be_made_of_a_socket(loop, kind, tmp_path) -> None:
    left, right = socket.socketpair()
    if kind == "unix":
        transport, protocol = await loop.create_unix_connection(Recorder, sock=left)
    else:
        transport, protocol = await loop.create_connection(Recorder, sock=left)
    accepted, peer = await loop.connect_accepted_socket(Echo, right)
    transport.write(b"hello")
    assert await protocol.until_data(5) == b"hello"
    transport.close()
    await peer.until_lost()
    assert accepted.is_closing()
    assert left.fileno() == right.fileno() == -1  # the transports own them


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
@test_of_both
async def test_abstract_names(loop, tmp_path) -> None:
    name = f"\0{tmp_path}"
    server = await loop.create_unix_server(Echo, name)
    transport, protocol = await loop.create_unix_connection(Recorder, name)
    transport.write(b"hello")
    await protocol.until_data(5)
    transport.close()
    server.close()
    await protocol.until_lost()
    await turns()
