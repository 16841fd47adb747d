"""Streams over files: what is not in the comparison with Node (tests/conformance/fs_streams): all bytes, bounds, errors
from below, cancelling, zero copy."""

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

import treadle
from tests.unit.fs.support import DEADLINE_S, Door, error_of, fds_of, is_active, is_idle, narrow_pool, run, turns_until
from treadle import fs, net
from treadle._base.errors import TreadleError
from treadle.events import AbortController
from treadle.fs._read_stream import ReadStream
from treadle.fs._write_stream import WriteStream
from treadle.streams import PassThrough, Readable, Writable, finished, pipeline

KIB = 1024
MIB = 1024 * KIB


# ---- all bytes, in order


@pytest.mark.parametrize("mark", [1000, 64 * KIB, 3 * MIB])
def test_what_is_piped_arrives(memory: Path, mark: int) -> None:
    data = os.urandom(2 * MIB + 7)
    (memory / "from").write_bytes(data)

    async def main() -> None:
        source = fs.create_read_stream(memory / "from", high_water_mark=mark)
        sink = fs.create_write_stream(memory / "to")
        await pipeline(source, PassThrough(), sink)
        assert (source.bytes_read, sink.bytes_written) == (len(data), len(data))
        assert (memory / "to").read_bytes() == data

    run(main)


def test_what_waits_is_written_together_however_many_chunks(memory: Path) -> None:
    async def main() -> None:
        sink = fs.create_write_stream(memory / "new")
        calls: list[int] = []
        write_all = sink._write_all

        def spy(chunks: list[Any], callback: Any) -> None:
            calls.append(len(chunks))
            write_all(chunks, callback)

        sink._write_all = spy  # type: ignore[method-assign]
        expected = bytearray()
        for number in range(3000):
            chunk = b"%d," % number
            expected += chunk
            sink.write(chunk if number % 2 else chunk.decode())
        sink.end(b"")
        await finished(sink)
        assert (memory / "new").read_bytes() == expected
        assert max(calls) > 1024  # in one go, though one system call takes fewer
        assert len(calls) < 10

    run(main)


def test_large_chunks_that_take_several_writes(memory: Path) -> None:
    data = os.urandom(9 * MIB)

    async def main() -> None:
        async with fs.create_write_stream(memory / "new", start=5) as sink:
            sink.write(data)
            sink.write(memoryview(data)[:100])
        assert (memory / "new").read_bytes() == bytes(5) + data + data[:100]

    run(main)


def test_a_reader_that_stops_holds_its_mark(memory: Path) -> None:
    (memory / "large").write_bytes(bytes(2 * MIB))

    async def main() -> None:
        source = fs.create_read_stream(memory / "large", high_water_mark=10_000)
        async for _ in source:
            break_at = source.bytes_read
            await turns_until(is_idle)
            for _ in range(20):
                await asyncio.sleep(0)
            assert source.bytes_read <= break_at + 2 * 10_000
            break
        assert source.destroyed

    run(main)


# ---- handles


def test_a_stream_goes_on_where_the_handle_stands_and_closes_it(file: Path) -> None:
    async def main() -> None:
        handle = await fs.open(file)
        assert await handle.read(3) == b"con"
        assert [chunk async for chunk in handle.create_read_stream()] == [b"tent"]
        await turns_until(lambda: handle.fd == -1)
        with pytest.raises(OSError, match="closed") as caught:
            handle.create_read_stream()
        assert caught.value.errno == errno.EBADF
        async with await fs.open(file, "r+") as handle, handle.create_write_stream(start=3) as sink:
            sink.write("X")
        assert file.read_bytes() == b"conXent"

    run(main)


def test_a_handle_is_a_stage_at_either_end(file: Path) -> None:
    async def main() -> None:
        source = await fs.open(file)
        assert await source.read(3) == b"con"
        sink = await fs.open(file.with_name("to"), "w")
        await pipeline(source, PassThrough(), sink)
        assert file.with_name("to").read_bytes() == b"tent"
        await turns_until(lambda: source.fd == sink.fd == -1)
        async with await fs.open(file, "r+") as handle:
            async with Writable.from_(handle, start=2) as stream:
                stream.write("XY")
            assert isinstance(stream, WriteStream)
        stream = Readable.from_(await fs.open(file), end=4)
        assert isinstance(stream, ReadStream)
        assert b"".join([chunk async for chunk in stream]) == b"coXYe"

    run(main)


def test_a_handle_that_is_closed_waits_for_what_was_written_to_its_streams(memory: Path) -> None:
    data = os.urandom(3 * MIB)

    async def main() -> None:
        async with await fs.open(memory / "new", "w") as handle:
            first, second = handle.create_write_stream(start=0), handle.create_write_stream(start=len(data))
            for stream in (first, second):
                stream.write(data[:MIB])
                stream.write(data[MIB:])
        assert handle.fd == -1
        assert first.closed
        assert second.closed
        assert (memory / "new").read_bytes() == data * 2

    run(main)


@pytest.mark.parametrize("size", [1, 2, 3, 64 * KIB])
def test_lines(tmp_path: Path, size: int) -> None:
    text = "first\r\n\nthird \u00e4\u20ac\rfourth\n\r\nlast"
    (tmp_path / "lines").write_text(text, newline="")

    async def main() -> None:
        for content in (text, text + "\r", text + "\n"):
            (tmp_path / "lines").write_text(content, newline="")
            handle = await fs.open(tmp_path / "lines")
            found = [line async for line in handle.read_lines(high_water_mark=size)]
            assert found == ["first", "", "third \u00e4\u20ac", "fourth", "", "last"]
            assert handle.fd == -1
            handle = await fs.open(tmp_path / "lines")
            assert [line async for line in handle.read_lines(encoding=None, high_water_mark=size)] == [
                line.encode() for line in found
            ]
        handle = await fs.open(tmp_path / "lines")
        lines = handle.read_lines()
        assert await anext(lines) == "first"
        await lines.aclose()
        assert handle.fd == -1
        for encoding in ("utf8", None):
            handle = await fs.open(tmp_path / "lines")
            with pytest.raises(TreadleError) as caught:
                [line async for line in handle.read_lines(encoding=encoding, length_max=5, high_water_mark=size)]
            assert caught.value.code == "ERR_OUT_OF_RANGE"
            assert (caught.value.data["name"], caught.value.data["received"]) == ("length_max", 5)

    run(main)


# ---- what goes wrong


def test_wrong_arguments_are_raised_at_once(file: Path) -> None:
    async def main() -> None:
        for options, code in (
            ({"start": -1}, "ERR_OUT_OF_RANGE"),
            ({"start": "1"}, "ERR_INVALID_ARG_TYPE"),
            ({"end": -1}, "ERR_OUT_OF_RANGE"),
            ({"start": 3, "end": 2}, "ERR_OUT_OF_RANGE"),
            ({"flags": "z"}, "ERR_INVALID_ARG_VALUE"),
            ({"high_water_mark": -1}, "ERR_INVALID_ARG_VALUE"),
            ({"encoding": "none"}, "ERR_UNKNOWN_ENCODING"),
        ):
            with pytest.raises(TreadleError) as caught:
                fs.create_read_stream(file, **options)  # type: ignore[arg-type]
            assert caught.value.code == code
        with pytest.raises(TreadleError):
            fs.create_write_stream(file, flush=1)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="null byte"):
            fs.create_read_stream("a\0b")
        with pytest.raises(TypeError):
            fs.create_read_stream(7)  # type: ignore[arg-type]
        async with await fs.open(file) as handle:
            with pytest.raises(TreadleError):
                handle.create_read_stream(high_water_mark=-1)
            with pytest.raises(TreadleError) as caught:
                handle.read_lines(length_max="1")  # type: ignore[call-overload]
            assert caught.value.code == "ERR_INVALID_ARG_TYPE"
            for call in (
                lambda: fs.create_read_stream(file, high_water_mark=0),
                lambda: fs.create_read_stream(file, high_water_mark=2**31),
                lambda: handle.read_lines(length_max=0),
            ):
                with pytest.raises(TreadleError) as refused:
                    call()
                assert refused.value.code == "ERR_OUT_OF_RANGE"
            with pytest.raises(TreadleError):
                handle.create_write_stream(encoding="none")
        assert file.read_bytes() == b"content"

    run(main)


def test_a_device_that_is_full() -> None:
    async def main() -> None:
        sink = fs.create_write_stream("/dev/full")
        sink.end(b"x")
        assert (await error_of(finished(sink))).errno == errno.ENOSPC
        assert sink.bytes_written == 0
        await turns_until(lambda: sink.fd is None)

    run(main)


@pytest.mark.parametrize("when", ["ended", "failed", "fails"])
def test_closing_destroys_whatever_auto_close_says(memory: Path, when: str) -> None:
    path, data = ("/dev/full", b"x") if when != "ended" else (str(memory / "new"), bytes(MIB))

    async def main() -> None:
        errors: list[Any] = []
        raised: list[Any] = []
        try:
            async with await fs.open(path, "w") as handle:
                sink = handle.create_write_stream(auto_close=False)
                sink.on("error", errors.append)
                sink.write(data)
                if when == "ended":
                    sink.end()
                elif when == "failed":
                    await turns_until(lambda: bool(errors))
        except OSError as error:
            raised.append(error)
        assert raised == errors
        assert sink.closed
        assert [error.errno for error in errors] == [errno.ENOSPC] * (when != "ended")
        assert sink.bytes_written == (len(data) if when == "ended" else 0)

    run(main)


def test_a_pool_that_is_full_fails_the_stream(file: Path, door: Door) -> None:
    async def main() -> None:
        narrow_pool(1, queue_max=1)
        waits = fs.open(door.path)
        await turns_until(lambda: is_active(1))
        behind = fs.stat(file)
        for create in (fs.create_read_stream, fs.create_write_stream):
            stream: Any = create(file)
            with pytest.raises(TreadleError) as caught:
                await finished(stream)
            assert caught.value.code == "ERR_POOL_SATURATED"
        await door.let_through()
        await (await waits).close()
        await behind
        assert file.read_bytes() == b"content"

    run(main)


def test_destroyed_while_a_thread_reads_it_is_closed_behind_that(door: Door) -> None:
    async def main() -> None:
        source = fs.create_read_stream(door.path, flags="r+")  # so that opening it does not wait
        events: list[str] = []
        source.on("close", lambda: events.append("close"))
        source.on("data", lambda chunk: events.append("data"))
        await turns_until(lambda: source.fd is not None and is_active(1))
        source.destroy()
        for _ in range(20):
            await asyncio.sleep(0)
        assert events == []
        with open(door.path, "r+b", buffering=0) as other:
            other.write(b"x")
            await turns_until(lambda: source.closed)
        assert events == ["close"]

    run(main)


def test_destroyed_between_two_writes_of_one_chunk(memory: Path) -> None:
    # A pipe takes a part, and waits: what was not written is not counted, and its callback hears of the end.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    async def main() -> None:
        sink = fs.create_write_stream(f"/proc/self/fd/{writer}", flags=os.O_WRONLY | os.O_NONBLOCK)
        outcomes: list[Any] = []
        sink.write(bytes(10 * MIB), callback=outcomes.append)
        sink.on("error", outcomes.append)
        count = sink._has_written

        def counted(chunks: list[Any], size: int) -> list[Any]:
            rest = count(chunks, size)
            sink.destroy()
            return rest

        sink._has_written = counted  # type: ignore[method-assign]
        await turns_until(lambda: sink.closed)
        assert [outcome.code for outcome in outcomes] == ["ERR_STREAM_DESTROYED"]
        assert 0 < sink.bytes_written < 10 * MIB
        assert len(os.read(reader, 10 * MIB)) == sink.bytes_written

    run(main)
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("turns", range(0, 12, 2))
def test_cancelled_and_aborted_at_any_time_nothing_stays_open(memory: Path, turns: int) -> None:
    (memory / "from").write_bytes(bytes(MIB))

    async def main() -> None:
        source = fs.create_read_stream(memory / "from", high_water_mark=5000)
        sink = fs.create_write_stream(memory / "to")
        task = asyncio.ensure_future(pipeline(source, sink))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await turns_until(lambda: source.closed and sink.closed)
        assert source.fd is sink.fd is None
        controller = AbortController()
        source = fs.create_read_stream(memory / "from", signal=controller.signal)
        for _ in range(turns):
            await asyncio.sleep(0)
        controller.abort()
        with pytest.raises(TreadleError) as caught:
            await finished(source)
        assert caught.value.code == "ABORT_ERR"

    run(main)


# ---- zero copy


@pytest.mark.parametrize("how", ["path", "handle", "part", "listened to"])
def test_to_a_socket_the_kernel_moves_what_nobody_sees(memory: Path, how: str) -> None:
    data = os.urandom(3 * MIB + 1)
    (memory / "from").write_bytes(data)

    async def main() -> None:
        received = bytearray()
        ends: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def serve(socket: Any) -> None:
            async for chunk in socket:
                received.extend(chunk)
            ends.set_result(None)

        server = net.create_server(serve)
        server.listen(0, host="127.0.0.1")
        await turns_until(lambda: server.listening)
        if how == "handle":
            handle = await fs.open(memory / "from")
            await handle.read(10)
            source, expected = handle.create_read_stream(), data[10:]
        elif how == "part":
            source, expected = fs.create_read_stream(memory / "from", start=3, end=2 * MIB), data[3 : 2 * MIB + 1]
        else:
            source, expected = fs.create_read_stream(memory / "from"), data
        if how == "listened to":
            source.on("pause", lambda: None)
        moves: list[Any] = []
        begin = source._begin_zero_copy
        source._begin_zero_copy = lambda *to: moves.append(begin(*to)) or moves[-1]  # type: ignore[method-assign,func-returns-value]
        port: Any = server.address()
        await pipeline(source, net.connect(port.port, host="127.0.0.1"))
        async with asyncio.timeout(DEADLINE_S):
            await ends
        assert bytes(received) == expected
        assert source.bytes_read == len(expected)
        assert len(moves) == (0 if how == "listened to" else 1)
        assert source.fd is None
        server.close()

    run(main)


# ---- signals


def listeners(controller: AbortController) -> int:
    return len(controller.signal._listeners)


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize("how", ["through", "destroyed", "aborted", "failed", "not opened", "auto_close off", "handle"])
def test_a_signal_forgets_a_stream_that_is_through(file: Path, kind: str, how: str) -> None:
    async def main() -> None:
        controller = AbortController()
        options: dict[str, Any] = {"signal": controller.signal, "auto_close": how != "auto_close off"}
        place: Any = file.parent / "none" / "file" if how == "not opened" else file
        if how == "handle":
            place = await fs.open(file, "r+")
        stream: Any = (fs.create_read_stream if kind == "read" else fs.create_write_stream)(place, **options)
        stream.on("error", lambda error: None)
        assert listeners(controller) == 1
        if how == "destroyed":
            stream.destroy()
        elif how == "failed":
            stream.destroy(ValueError("failed"))
        elif how == "aborted":
            await turns_until(lambda: stream.fd is not None)
            controller.abort()
        elif kind == "read":
            stream.resume()
        else:
            stream.end(b"x")
        if how == "auto_close off":
            await turns_until(lambda: stream.readable_ended if kind == "read" else stream.writable_finished)
            await asyncio.sleep(0)
            assert stream.fd is not None
        else:
            await turns_until(lambda: stream.closed)
            assert stream.fd is None
        assert listeners(controller) == 0
        stream.destroy()
        await turns_until(lambda: stream.closed)

    run(main)


@pytest.mark.parametrize("auto_close", [True, False])
@pytest.mark.parametrize("is_open", [True, False])
def test_a_signal_forgets_a_stream_that_the_end_leaves_behind(file: Path, is_open: bool, auto_close: bool) -> None:
    controller = AbortController()
    streams: list[Any] = []

    async def main() -> None:
        streams.append(fs.create_read_stream(file, signal=controller.signal, auto_close=auto_close))
        await turns_until(lambda: not is_open or streams[0].fd is not None)
        raise ValueError("the end")

    with pytest.raises(ValueError, match="the end"):
        treadle.run(main)
    assert listeners(controller) == 0
    controller.abort()
    assert not streams[0].destroyed
    if is_open and not auto_close:
        run(lambda: streams[0]._handle.close())


def test_what_is_no_signal_opens_nothing(file: Path) -> None:
    async def main() -> None:
        for create in (fs.create_read_stream, fs.create_write_stream):
            with pytest.raises(TreadleError) as caught:
                create(file, signal="text")  # type: ignore[operator]
            assert caught.value.code == "ERR_INVALID_ARG_TYPE"
        await asyncio.sleep(0)
        await turns_until(is_idle)
        assert fds_of(file) == []
        assert file.read_bytes() == b"content"

    run(main)


# ---- blocks that fail


@pytest.mark.parametrize("where", ["/dev/full", "/nonexistent/directory/file"])
@pytest.mark.parametrize("pauses", [False, True])
def test_a_block_that_cannot_write_raises_what_the_system_says(where: str, pauses: bool) -> None:
    async def main() -> None:
        with pytest.raises(OSError) as caught:
            async with fs.create_write_stream(where) as sink:
                for _ in range(3):
                    await sink.ready()
                    sink.write(bytes(64 * KIB))
                    if pauses:
                        await turns_until(lambda: sink.closed)
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC if where == "/dev/full" else errno.ENOENT, where)
        assert sink.closed

    run(main)


def test_a_block_that_cannot_read_raises_what_the_system_says(memory: Path) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            async with fs.create_read_stream(memory / "none") as source:
                await turns_until(lambda: source.closed)
                async for _ in source:
                    pass

    run(main)


@pytest.mark.parametrize("awaits", [False, True])
@pytest.mark.parametrize("moment", ["inside", "at its end", "taken"])
def test_the_block_of_a_handle_raises_what_its_stream_failed_with(moment: str, awaits: bool) -> None:
    async def main() -> None:
        with pytest.raises(OSError) as caught:
            opening = fs.open("/dev/full", "w")
            async with await opening if awaits else opening as handle:
                sink = handle.create_write_stream()
                sink.write(b"x")
                if moment == "inside":
                    await turns_until(lambda: sink.closed)
                elif moment == "taken":
                    with pytest.raises(OSError):
                        await finished(sink)
                    raise OSError(errno.EIO, "the block's own")
        assert caught.value.errno == (errno.EIO if moment == "taken" else errno.ENOSPC)
        assert handle.fd == -1

    run(main)


def test_the_block_of_a_handle_hears_of_a_stream_with_a_signal() -> None:
    async def main() -> None:
        async with fs.open("/dev/full", "w") as handle:
            sink = handle.create_write_stream(signal=AbortController().signal)
            sink.write(b"x")
            await turns_until(lambda: sink.closed)

    with pytest.raises(OSError) as caught:
        run(main)
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("where", ["the stream's block", "ready"])
def test_the_block_of_a_handle_says_nothing_of_what_was_caught_inside(where: str) -> None:
    async def main() -> None:
        async with fs.open("/dev/full", "w") as handle:
            with pytest.raises(OSError) as caught:
                async with handle.create_write_stream() as sink:
                    sink.write(b"x")
                    await turns_until(lambda: sink.closed)
                    if where == "ready":
                        with pytest.raises(OSError):
                            await sink.ready()
                        raise OSError(errno.EIO, "the block's own")
            assert caught.value.errno == (errno.EIO if where == "ready" else errno.ENOSPC)
        assert handle.fd == -1

    run(main)


def test_a_stream_with_a_signal_raises_in_its_own_block_also_where_its_handle_has_one(memory: Path) -> None:
    passed: list[str] = []

    async def main() -> None:
        controller = AbortController()
        async with fs.open(memory / "new", "w") as handle:
            async with handle.create_write_stream(signal=controller.signal) as sink:
                sink.write(b"x")
                controller.abort("enough")
                await turns_until(lambda: sink.closed)
            passed.append("behind the block")

    with pytest.raises(TreadleError) as caught:
        run(main)
    assert (caught.value.code, caught.value.data["reason"], passed) == ("ABORT_ERR", "enough", [])


def test_a_stream_in_a_block_of_another_task_is_none_of_the_block_of_its_handle() -> None:
    async def write(sink: WriteStream) -> str:
        try:
            async with sink:
                sink.write(b"x")
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return "written"

    async def main() -> None:
        async with fs.open("/dev/full", "w") as handle:
            assert await asyncio.create_task(write(handle.create_write_stream())) == "ENOSPC"

    run(main)


def test_what_a_stream_failed_with_is_behind_what_the_block_of_its_handle_fails_with() -> None:
    async def main() -> None:
        with pytest.raises(KeyError) as caught:
            async with fs.open("/dev/full", "w") as handle:
                sink = handle.create_write_stream()
                sink.write(b"x")
                await turns_until(lambda: sink.closed)
                raise KeyError
        assert isinstance(caught.value.__context__, OSError) and caught.value.__context__.errno == errno.ENOSPC

    run(main)


def test_what_a_stream_failed_with_is_behind_what_closing_its_handle_fails_with() -> None:
    async def main() -> None:
        with pytest.raises(OSError) as caught:
            async with fs.open("/dev/full", "w") as handle:
                sink = handle.create_write_stream()
                sink.write(b"x")
                await turns_until(lambda: sink.closed)

                async def close() -> None:
                    raise OSError(errno.EIO, "as a file system in the net says it")

                handle.close = close  # type: ignore[assignment]
        assert caught.value.errno == errno.EIO
        assert isinstance(caught.value.__context__, OSError) and caught.value.__context__.errno == errno.ENOSPC
        assert handle.fd == -1

    run(main)


def test_a_handle_that_is_entered_twice() -> None:
    async def main() -> None:
        async with fs.open("/dev/full", "w") as handle:
            sink = handle.create_write_stream()
            with pytest.raises(OSError) as caught:
                async with handle:
                    sink.write(b"x")
            assert caught.value.errno == errno.ENOSPC
        assert handle.fd == -1

    run(main)


def test_the_block_of_a_handle_says_nothing_of_what_somebody_has_taken() -> None:
    async def main() -> None:
        async with await fs.open("/dev/full", "w") as handle:
            sink = handle.create_write_stream()
            sink.write(b"x")
            with pytest.raises(OSError):
                await finished(sink)
        assert handle.fd == -1

    run(main)
