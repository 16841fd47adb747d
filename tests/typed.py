"""What a type checker makes of calls of the public functions: `make types` reads it, nobody runs it."""

from typing import assert_type

import treadle
from treadle import child_process, dns, fs, process, timers, zlib


async def answer() -> int:
    return 42


def told(error: OSError | treadle.TreadleError | None, data: bytes | None) -> None: ...


def told_without_signal(error: OSError | None, data: bytes | None) -> None: ...


async def files() -> None:
    async with fs.open("path") as entered:
        assert_type(entered, fs.FileHandle)
    async with await fs.open("path") as file:
        assert_type(file, fs.FileHandle)
        assert_type(await file.read(10, position=0), bytes)
        assert_type(await file.read(bytearray(10)), int)
        assert_type(await file.write("text"), int)
        assert_type(await file.stat(), fs.Stats)
        assert_type(await file.read_file(), bytes)
        assert_type(await file.read_file(encoding="utf8"), str)
    async for line in file.read_lines():
        assert_type(line, str)
    async for raw_line in file.read_lines(encoding=None):
        assert_type(raw_line, bytes)
    assert_type(await fs.read_file("path"), bytes)
    assert_type(await fs.read_file("path", encoding="utf8"), str)
    assert_type(await fs.read_file("path", signal=treadle.AbortSignal.timeout(1)), bytes)
    assert_type(await fs.readdir("path"), list[str])
    assert_type(await fs.readdir(b"path"), list[bytes])
    assert_type(await fs.readdir("path", with_file_types=True), list[fs.Dirent[str]])
    assert_type(await fs.realpath(b"path"), bytes)
    assert_type(await fs.mkdir("path", recursive=True), str | None)
    assert_type(await fs.mkdtemp("path"), str)
    async for change in fs.watch("path"):
        assert_type(change, fs.WatchEvent[str])
        assert_type(change.filename, str)
    assert_type(fs.watch(b"path", lambda event_type, filename: filename.decode()), fs.FSWatcher[bytes])
    fs.read_file("path", told, signal=treadle.AbortSignal.timeout(1))
    fs.read_file("path", told_without_signal)
    fs.read_file("path", told_without_signal, signal=treadle.AbortSignal.timeout(1))  # type: ignore[arg-type]
    fs.stat("path", lambda error, stats: None)
    fs.stat("path", lambda: None)  # type: ignore[arg-type, misc]
    fs.open("path", "r", callback=lambda error, file: None)
    fs.write_file("path", 5)  # type: ignore[call-overload]


async def main() -> None:
    assert_type(await timers.promises.sleep(5, "value"), str)
    assert_type(await timers.promises.sleep(5), None)
    assert_type(await timers.promises.immediate(b"value"), bytes)
    assert_type(await timers.promises.immediate(), None)
    async for value in timers.promises.interval(5, 3.5):
        assert_type(value, float)
    async for nothing in timers.promises.interval():
        assert_type(nothing, None)


async def children() -> None:
    assert_type(child_process.spawn("ls", ["-l"], stdio=["ignore", "pipe", 2]), child_process.ChildProcess)
    assert_type(child_process.exec_file("ls"), child_process.ExecFuture[str])
    assert_type(child_process.exec_file("ls", encoding=None), child_process.ExecFuture[bytes])
    assert_type(await child_process.exec("ls", timeout=5), child_process.ExecResult[str])
    assert_type((await child_process.exec("ls")).stdout, str)
    assert_type((await child_process.exec("ls", encoding="latin1")).stderr, str)
    assert_type((await child_process.exec("ls", encoding=None)).stdout, bytes)
    assert_type(child_process.exec("ls", callback=lambda error, result: None), child_process.ChildProcess)
    child_process.exec("ls", timeuot=5)  # type: ignore[call-overload]


async def names() -> None:
    assert_type(await dns.resolve("name"), list[str])
    assert_type(await dns.resolve("name", "AAAA"), list[str])
    assert_type(await dns.resolve("name", "MX"), list[dns.MxRecord])
    assert_type(await dns.resolve("name", "SOA"), dns.SoaRecord)
    assert_type(await dns.resolve("name", "TXT"), list[list[str]])
    assert_type(await dns.Resolver().resolve("name", "SRV"), list[dns.SrvRecord])
    assert_type(dns.resolve("name", "MX", lambda error, records: None), None)
    assert_type(dns.resolve("name", callback=lambda error, records: None), None)
    assert_type(await dns.resolve4("name", ttl=True), list[dns.AddressWithTtl])
    assert_type(await dns.resolve_mx("name"), list[dns.MxRecord])
    await dns.resolve("name", 15)  # type: ignore[call-overload]


async def compress() -> None:
    assert_type(await zlib.gzip("text", level=7), bytes)
    assert_type(zlib.gunzip(b"packed", callback=lambda error, result: None), None)
    assert_type(zlib.create_gzip(level=7, high_water_mark=1024), zlib.Gzip)
    zlib.create_gunzip(level=7)  # type: ignore[call-arg]
    await zlib.gzip(7)  # type: ignore[call-overload]


def callbacks() -> None:
    def wants(number: int) -> None: ...

    timers.set_timeout(wants, 5, 1)
    timers.set_timeout(wants, 5, "text")  # type: ignore[arg-type]
    timers.set_immediate(wants, "text")  # type: ignore[arg-type]
    process.next_tick(wants)  # type: ignore[arg-type]
    timers.set_timeout(answer, 5)


assert_type(treadle.run(answer), int)
assert_type(treadle.run(answer()), int)
assert_type(treadle.run(lambda: "text"), str)
