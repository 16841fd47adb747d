"""Pipelines whose bytes the kernel moves: what arrives, when they are chosen, and that nobody can tell them from pipes."""

from __future__ import annotations

import asyncio
import errno
import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.net.support import KIB, MIB, Raw, adopted, content, run, until, within
from treadle import net, streams

SIZE = 5 * MIB + 3  # more than the kernel takes without a reader


class Boom(Exception):
    pass


Line = tuple[net.Socket, Raw, net.Socket, Raw]


def line(**options: Any) -> Line:
    """writer -> source, sink -> reader."""
    source, writer = adopted(**options)
    sink, reader = adopted(**options)
    return source, writer, sink, reader


def close(ends: Line) -> None:
    source, writer, sink, reader = ends
    for end in (writer, reader):
        end.sock.close()
    for socket in (source, sink):
        socket.on("error", lambda _: None).destroy()


def moves(source: net.Socket, sink: net.Socket) -> tuple[bool, bool]:
    return "in" in source.statistics().moves, "out" in sink.statistics().moves


# ---- sockets to sockets


def test_a_socket_to_a_socket() -> None:
    async def main() -> None:
        source, writer, sink, reader = ends = line()
        logs: list[object] = []
        for name, socket in (("source", source), ("sink", sink)):
            for event in ("end", "finish", "close"):
                socket.on(event, lambda *_, seen=f"{name} {event}": logs.append(seen))
        whole = streams.pipeline(source, sink)
        await until(lambda: moves(source, sink) == (True, True), "the kernel moves them")
        writer.send(content(SIZE))
        await until(lambda: reader.has_read(SIZE) or writer.write(), "all of it")
        assert reader.received == content(SIZE)
        writer.end()
        await until(reader.has_ended, "the end is passed on")
        reader.end()
        await within(whole)
        assert (source.bytes_read, sink.bytes_written) == (SIZE, SIZE)
        assert not source.errored
        assert not sink.errored
        await until(lambda: len(logs) == 6, "both close")
        assert [seen for seen in logs if str(seen).startswith("source")] == ["source end", "source finish", "source close"]
        assert [seen for seen in logs if str(seen).startswith("sink")] == ["sink finish", "sink end", "sink close"]
        close(ends)

    run(main)


def test_a_proxy_both_ways() -> None:
    async def main() -> None:
        async def echo(socket: net.Socket) -> None:
            async for chunk in socket:
                await socket.ready()
                socket.write(chunk)
            socket.end()

        upstream = net.create_server(echo, allow_half_open=True).listen()
        directions: list[tuple[bool, bool]] = []
        outcomes: list[object] = []

        def join(client: net.Socket) -> None:
            address = upstream.address()
            assert isinstance(address, net.Address)
            other = net.connect(address.port, allow_half_open=True)
            client.on("end", lambda: directions.append((*moves(other, client), *moves(client, other))))  # type: ignore[arg-type]
            for pair in ((client, other), (other, client)):
                streams.pipeline(*pair, callback=lambda *outcome: outcomes.append(outcome[0]))

        proxy = net.create_server(join, allow_half_open=True).listen()
        address = proxy.address()
        assert isinstance(address, net.Address)
        client = net.connect(address.port)
        client.end(content(SIZE))
        received = b"".join([chunk async for chunk in client])
        assert received == content(SIZE)
        await until(lambda: outcomes == [None, None], "both ways end")
        assert directions == [(True, True, False, False)], "the way back is under way as the way there ends"
        proxy.close()
        upstream.close()
        await proxy.wait_closed()
        await upstream.wait_closed()

    run(main)


def test_a_socket_to_itself_is_piped() -> None:
    async def main() -> None:
        socket, peer = adopted(allow_half_open=True)
        whole = streams.pipeline(socket, socket)
        peer.send(content(64 * KIB))
        await until(lambda: peer.has_read(64 * KIB), "its echo")
        peer.end()
        await until(peer.has_ended, "the end")
        await within(whole)
        assert peer.received == content(64 * KIB)
        peer.sock.close()

    run(main)


def test_what_was_there_before_goes_first() -> None:
    async def main() -> None:
        source, writer, sink, reader = ends = line()
        writer.send(b"buffered ")
        await until(lambda: source.readable_length == 9, "it is in the buffer")
        sink.write(b"written ")
        whole = streams.pipeline(source, sink)
        writer.send(b"moved")
        await until(lambda: moves(source, sink) == (True, True), "the kernel moves them")
        await until(lambda: reader.has_read(22), "all of it")
        assert reader.received == b"written buffered moved"
        assert (source.bytes_read, sink.bytes_written) == (14, 22)
        whole.cancel()
        close(ends)

    run(main)


def test_a_stage_that_is_still_connecting_is_waited_for() -> None:
    async def main() -> None:
        received: list[bytes] = []
        server = net.create_server(lambda socket: socket.on("data", received.append) and None).listen()
        address = server.address()
        assert isinstance(address, net.Address)
        source, writer = adopted()
        sink = net.connect(address.port)
        whole = streams.pipeline(source, sink)
        writer.send(b"early")
        await until(lambda: moves(source, sink) == (True, True), "the kernel moves them")
        await until(lambda: b"".join(received) == b"early", "it arrives")
        writer.sock.close()
        await within(whole)
        server.close()
        await server.wait_closed()

    run(main)


def test_a_sink_that_cannot_connect_fails_it() -> None:
    async def main() -> None:
        server = net.create_server().listen()
        address = server.address()
        assert isinstance(address, net.Address)
        server.close()
        source, writer = adopted()
        with pytest.raises(ConnectionRefusedError):
            await within(streams.pipeline(source, net.connect(address.port)))
        assert source.destroyed
        writer.sock.close()

    run(main)


# ---- back-pressure


def test_a_reader_that_stops_stops_the_writer() -> None:
    async def main() -> None:
        source, writer, sink, reader = ends = line()
        whole = streams.pipeline(source, sink)
        await until(lambda: moves(source, sink) == (True, True), "the kernel moves them")
        writer.send(content(4 * SIZE))
        left = -1

        def is_stuck() -> bool:
            nonlocal left
            writer.write()
            before, left = left, len(writer.outgoing)
            return left == before and bool(sink.statistics().moves["out"]["waits_for_sink"])

        await until(is_stuck, "everything is full")
        assert left > SIZE, "the writer has to wait"
        assert source.readable_length == 0
        assert sink.writable_length == 0
        await until(lambda: reader.has_read(4 * SIZE) or writer.write(), "all of it")
        assert reader.received == content(4 * SIZE)
        whole.cancel()
        close(ends)

    run(main)


# ---- who looks gets what a pipe gives


def look_at_data(source: net.Socket, sink: net.Socket, seen: list[bytes]) -> None:
    source.on("data", seen.append)


def look_once(source: net.Socket, sink: net.Socket, seen: list[bytes]) -> None:
    source.once("data", seen.append)


def write(source: net.Socket, sink: net.Socket, seen: list[bytes]) -> None:
    sink.write(b"|", callback=lambda _: seen.append(b"written"))


def pause_and_resume(source: net.Socket, sink: net.Socket, seen: list[bytes]) -> None:
    source.pause()
    assert source.is_paused()
    source.resume()
    assert not source.is_paused()


def decode(source: net.Socket, sink: net.Socket, seen: list[bytes]) -> None:
    source.set_encoding("latin1")
    sink.set_default_encoding("latin1")


def pipe_elsewhere(source: net.Socket, sink: net.Socket, seen: list[bytes]) -> None:
    source.pipe(streams.Writable(write=lambda chunk, _, done: done(seen.append(chunk))))


@pytest.mark.parametrize("act", [look_at_data, look_once, write, pause_and_resume, pipe_elsewhere])
@pytest.mark.parametrize("moment", ["idle", "full"])
def test_somebody_looks_in_the_middle(act: Callable[..., None], moment: str) -> None:
    async def main() -> None:
        source, writer, sink, reader = ends = line()
        seen: list[bytes] = []
        whole = streams.pipeline(source, sink)
        await until(lambda: moves(source, sink) == (True, True), "the kernel moves them")
        writer.send(content(SIZE))
        if moment == "full":
            await until(lambda: writer.write() or sink.statistics().moves["out"]["waits_for_sink"], "everything is full")
        else:
            await until(lambda: reader.has_read(SIZE) or writer.write(), "all so far")
        act(source, sink, seen)
        writer.send(content(MIB))
        marks = 1 if act is write else 0
        await until(lambda: reader.has_read(SIZE + MIB + marks) or writer.write(), "all of it")
        writer.end()
        await until(reader.has_ended, "the end is passed on")
        reader.end()
        await within(whole)
        assert moves(source, sink) == (False, False)
        expected = content(SIZE) + content(MIB)
        if act is write:
            place = next((i for i, (a, b) in enumerate(zip(reader.received, expected, strict=False)) if a != b), SIZE + MIB)
            assert reader.received[place : place + 1] == b"|"
            del reader.received[place]
            assert seen == [b"written"]
        elif act in (look_at_data, pipe_elsewhere):
            assert seen
            assert expected.endswith(b"".join(seen)), "from then on, everything"
        elif act is look_once:
            assert len(seen) == 1
            assert seen[0] in expected
        assert reader.received == expected
        close(ends)

    run(main)


def test_a_paused_source_stays_paused() -> None:
    async def main() -> None:
        source, writer, sink, reader = ends = line()
        whole = streams.pipeline(source, sink)
        await until(lambda: moves(source, sink) == (True, True), "the kernel moves them")
        source.pause()
        writer.send(b"waits")
        for _ in range(20):
            await asyncio.sleep(0)
        assert not reader.has_read(1)
        assert source.is_paused()
        source.resume()
        await until(lambda: reader.has_read(5), "it goes on")
        whole.cancel()
        close(ends)

    run(main)


@pytest.mark.parametrize("is_piped", [True, False])
@pytest.mark.parametrize("is_named", [True, False])
def test_unpiping_leaves_the_source_to_whoever_wants_it(is_piped: bool, is_named: bool) -> None:
    async def main() -> None:
        source, writer, sink, reader = ends = line()
        if is_piped:
            sink.on("pipe", lambda _: None)
        whole = streams.pipeline(source, sink)
        writer.send(b"one")
        await until(lambda: reader.has_read(3), "it arrives")
        assert moves(source, sink) == (not is_piped, not is_piped)
        unpiped: list[object] = []
        sink.on("unpipe", lambda stream, _: unpiped.append(stream))
        source.unpipe(sink if is_named else None)
        writer.send(b"two")
        await until(lambda: source.readable_length == 3, "it stays with the source")
        assert source.is_paused()
        assert unpiped == [source]
        assert source.read() == b"two"
        assert not whole.done()
        sink.write(b"three")
        await until(lambda: reader.has_read(8), "the sink goes on")
        assert reader.received == b"onethree"
        whole.cancel()
        close(ends)

    run(main)


@pytest.mark.parametrize("is_piped", [True, False])
def test_ending_the_sink_takes_it_off_the_source(is_piped: bool) -> None:
    # COMPAT(node): of a sink that has finished by itself nobody is told, and the source waits for somebody else.
    async def main() -> None:
        source, writer, sink, reader = ends = line()
        if is_piped:
            sink.on("pipe", lambda _: None)
        whole = streams.pipeline(source, sink)
        if not is_piped:
            await until(lambda: moves(source, sink) == (True, True), "the kernel moves them")
        sink.end(b"enough")
        await until(reader.has_ended, "our side has ended")
        writer.send(b"too late")
        await until(lambda: source.readable_length == 8, "it stays where it is")
        assert not whole.done()
        assert reader.received == b"enough"
        whole.cancel()
        close(ends)

    run(main)


class Counting(net.Socket):
    """Has a look at everything that is pushed."""

    count = 0

    def push(self, chunk: Any, encoding: str | None = None) -> bool:
        self.count += 1
        return super().push(chunk, encoding)


def listen_for_data(source: net.Socket, sink: net.Socket) -> None:
    source.on("data", lambda _: None)


def listen_for_pipe(source: net.Socket, sink: net.Socket) -> None:
    sink.on("pipe", lambda _: None)


def cork(source: net.Socket, sink: net.Socket) -> None:
    sink.cork()


@pytest.mark.parametrize("prepare", [listen_for_data, listen_for_pipe, cork, decode])
def test_where_somebody_looks_already_it_is_a_pipe(prepare: Callable[..., None]) -> None:
    async def main() -> None:
        source, writer, sink, reader = ends = line()
        prepare(source, sink, *([] if prepare is not decode else [[]]))
        whole = streams.pipeline(source, sink)
        writer.send(b"piped")
        await until(lambda: source.bytes_read == 5, "it is read")
        assert moves(source, sink) == (False, False)
        sink.uncork()
        await until(lambda: reader.has_read(5), "it arrives")
        whole.cancel()
        close(ends)

    run(main)


def test_a_class_with_methods_in_the_way_is_piped() -> None:
    async def main() -> None:
        template, writer = adopted()
        assert template.fileno() >= 0
        source = Counting(fd=os.dup(template.fileno()))
        template.destroy()
        sink, reader = adopted()
        whole = streams.pipeline(source, sink)
        writer.send(b"counted")
        await until(lambda: reader.has_read(7), "it arrives")
        assert moves(source, sink) == (False, False)
        whole.cancel()
        close((source, writer, sink, reader))

    run(main)


# ---- files


@pytest.mark.parametrize("size", [0, 1, 64 * KIB, SIZE])
@pytest.mark.parametrize("start", [0, 1])
def test_a_file_to_a_socket(tmp_path: Path, size: int, start: int) -> None:
    (tmp_path / "file").write_bytes(content(size))

    async def main() -> None:
        sink, reader = adopted()
        file = (tmp_path / "file").open("rb")
        file.read(start)
        system_calls: list[int] = []

        def count() -> bool:
            out = sink.statistics().moves.get("out")
            system_calls.append(out["system_calls"] if out else 0)
            return reader.has_ended()

        whole = streams.pipeline(file, sink)
        await until(count, "the end")
        reader.end()
        await within(whole)
        assert reader.received == content(size)[start:]
        assert sink.bytes_written == max(size - start, 0)
        assert file.closed
        if size == SIZE:
            assert max(system_calls) > 0, "by sendfile"
        reader.sock.close()

    run(main)


@pytest.mark.parametrize("is_a_class", [False, True])
def test_a_file_that_reads_otherwise_than_its_descriptor_is_piped(tmp_path: Path, is_a_class: bool) -> None:
    class Doubling(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(-1 if size is None else size) * 2

    path = tmp_path / "file.gz"
    path.write_bytes(b"once" if is_a_class else gzip.compress(b"content"))

    async def main() -> None:
        sink, reader = adopted()
        file: Any = Doubling(path) if is_a_class else io.BufferedReader(gzip.open(path))  # type: ignore[type-var]  # noqa: SIM115  # the pipeline closes it
        whole = streams.pipeline(file, sink)
        await until(reader.has_ended, "the end")
        reader.end()
        await within(whole)
        assert reader.received == (b"onceonce" if is_a_class else b"content")
        reader.sock.close()

    run(main)


def test_a_file_system_that_cannot_send_is_read_by_hand() -> None:
    async def main() -> None:
        sink, reader = adopted()
        whole = streams.pipeline(open("/proc/self/cmdline", "rb"), sink)  # noqa: SIM115  # the pipeline closes it
        await until(reader.has_ended, "the end")
        reader.end()
        await within(whole)
        assert reader.received == Path("/proc/self/cmdline").read_bytes()
        reader.sock.close()

    run(main)


def test_a_file_that_is_looked_at_in_the_middle(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content(SIZE))

    async def main() -> None:
        sink, reader = adopted()
        source: Any = streams.Readable.from_((tmp_path / "file").open("rb"))
        seen: list[bytes] = []
        whole = streams.pipeline(source, sink)
        await until(lambda: sink.bytes_written > 0, "it is sent")
        source.on("data", seen.append)
        await until(reader.has_ended, "the end")
        reader.end()
        await within(whole)
        assert reader.received == content(SIZE)
        assert 0 < sum(map(len, seen)) < SIZE
        assert content(SIZE).endswith(b"".join(seen))
        reader.sock.close()

    run(main)


@pytest.mark.parametrize("kind", ["BytesIO", "text", "pipe"])
def test_files_that_are_not_of_a_disk_are_piped(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("content")

    async def main() -> None:
        sink, reader = adopted()
        file: Any
        if kind == "BytesIO":
            file = io.BytesIO(b"content")
        elif kind == "text":
            file = (tmp_path / "file").open()
        else:
            end, writer = os.pipe()
            os.write(writer, b"content")
            os.close(writer)
            file = open(end, "rb")  # noqa: SIM115  # the pipeline closes it
        whole = streams.pipeline(file, sink)
        await until(reader.has_ended, "the end")
        reader.end()
        await within(whole)
        assert reader.received == b"content"
        reader.sock.close()

    run(main)


# ---- failures


@pytest.mark.parametrize("which", ["writer", "reader"])
def test_a_peer_that_resets_fails_it(which: str) -> None:
    async def main() -> None:
        source, writer, sink, reader = ends = line()
        whole = streams.pipeline(source, sink)
        await until(lambda: moves(source, sink) == (True, True), "the kernel moves them")
        writer.send(content(SIZE))
        await until(lambda: writer.write() or sink.statistics().moves["out"]["waits_for_sink"], "everything is full")
        (writer if which == "writer" else reader).reset()
        with pytest.raises(OSError) as caught:  # looked at below
            await within(drained(whole, reader) if which == "writer" else whole)
        assert caught.value.errno in (errno.ECONNRESET, errno.EPIPE)
        assert source.destroyed
        assert sink.destroyed
        close(ends)

    run(main)


async def drained(whole: Any, reader: Raw) -> None:
    await until(lambda: whole.done() or reader.has_read(8 * SIZE), "it is over")
    await whole


@pytest.mark.parametrize("moment", range(0, 12, 2))
def test_cancelled_at_any_moment(moment: int) -> None:
    async def main() -> None:
        source, writer, sink, reader = ends = line()
        writer.send(content(SIZE))
        whole = streams.pipeline(source, sink)
        for _ in range(moment):
            await asyncio.sleep(0)
        whole.cancel()
        with pytest.raises(asyncio.CancelledError):
            await whole
        assert source.destroyed
        assert sink.destroyed
        await until(lambda: source.closed and sink.closed, "both close")
        await until(reader.has_ended, "the end")
        assert content(SIZE).startswith(reader.received)
        close(ends)

    run(main)


@pytest.mark.parametrize("how", ["the file is closed", "the source is destroyed"])
def test_a_file_that_goes_as_its_last_byte_is_sent(tmp_path: Path, how: str) -> None:
    (tmp_path / "file").write_bytes(b"content")

    async def main() -> None:
        sink, reader = adopted()
        file = (tmp_path / "file").open("rb")
        source: Any = streams.Readable.from_(file)
        sink.write(b"x" * MIB)  # so that the move waits for its turn
        whole = streams.pipeline(source, sink)
        whole.add_done_callback(lambda whole: whole.exception())
        end_zero_copy = source._move_in._moved

        def moved(error: BaseException | None, moved: int) -> None:
            if how == "the file is closed":
                file.close()
            else:
                source.destroy(Boom())
            end_zero_copy(error, moved)

        source._move_in._moved = moved
        await until(lambda: reader.has_read(MIB + 7) or whole.done(), "all of it")
        with pytest.raises(ValueError if how == "the file is closed" else Boom):
            await within(whole)
        close((source, reader, sink, reader))

    run(main)


def test_a_file_that_shrinks_is_sent_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(SIZE))

    async def main() -> None:
        sink, reader = adopted()
        whole = streams.pipeline(path.open("rb"), sink)
        await until(lambda: sink.bytes_written > 0, "it is sent")
        os.truncate(path, 0)
        await until(reader.has_ended, "the end")
        reader.end()
        await within(whole)
        assert len(reader.received) < SIZE
        reader.sock.close()

    run(main)
