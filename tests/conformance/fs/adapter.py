"""Executes a case of cases.json on treadle.fs, with futures or with callbacks, and tells what came out as run_node.js does.

Not here: the table itself (make_cases.py), what is compared (test_fs.py).
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from treadle import fs
from treadle._base.errors import TreadleError

KINDS = {
    "is_file": "File", "is_directory": "Directory", "is_symbolic_link": "SymbolicLink", "is_fifo": "FIFO", "is_socket": "Socket",
    "is_block_device": "BlockDevice", "is_character_device": "CharacterDevice",
}  # fmt: skip


def kind_of(entry: Any) -> str | None:
    return next((kind for question, kind in KINDS.items() if getattr(entry, question)()), None)


def shown(data: Any) -> dict[str, str]:
    return {"bytes": bytes(data).decode("latin-1")}


def facts(stats: fs.Stats) -> dict[str, Any]:
    is_directory = stats.is_directory()
    return {
        "kind": kind_of(stats),
        "mode": f"{stats.mode & 0o7777:o}",
        "size": 0 if is_directory else stats.size,
        "nlink": 0 if is_directory else stats.nlink,
    }


def code_of(error: BaseException) -> str:
    if isinstance(error, TreadleError):
        return error.code
    if isinstance(error, OSError) and error.errno:
        return errno.errorcode[error.errno]
    return type(error).__name__


def prepare() -> None:
    Path("f").write_text("hello world")
    Path("empty").touch()
    os.makedirs("d/sub")
    for name in ("d/a", "d/b", "d/sub/x"):
        Path(name).write_text(name)
    os.symlink("f", "ln")
    os.symlink("d", "dirln")
    os.symlink("nothing", "dang")


def tree() -> dict[str, list[str]]:
    """What is in the directory: path -> kind, mode, content or what a link says."""
    return {re.sub(r"^tmp-\w{6}$", "tmp-XXXXXX", place): row for place, row in rows(".")}


def rows(directory: str) -> Iterator[tuple[str, list[str]]]:
    for name in sorted(os.listdir(directory)):
        place = name if directory == "." else f"{directory}/{name}"
        status = os.lstat(place)
        mode = f"{status.st_mode & 0o7777:o}"
        if stat.S_ISLNK(status.st_mode):
            yield place, ["SymbolicLink", "", os.readlink(place)]
        elif stat.S_ISREG(status.st_mode):
            yield place, ["File", mode, Path(place).read_bytes().decode("latin-1")]
        else:
            yield place, ["Directory", mode]
            yield from rows(place)


def changes(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str] | None]:
    """What of it has changed; None: it is gone."""
    places = sorted({*before, *after})
    return {place: after.get(place) for place in places if before.get(place) != after.get(place)}


class Interpreter:
    """Runs one case. has_callbacks: every function gets a callback, else its future is awaited."""

    def __init__(self, steps: list[list[Any]], *, has_callbacks: bool) -> None:
        self.steps = steps
        self.has_callbacks = has_callbacks
        self.kept: dict[str, fs.FileHandle] = {}

    async def run(self) -> dict[str, Any]:
        prepare()
        before = tree()
        log = [await self.outcome(step) for step in self.steps]
        for handle in self.kept.values():
            await handle.close()
        return {"log": log, "changes": changes(before, tree())}

    async def outcome(self, step: list[Any]) -> Any:
        parts = re.fullmatch(r"(?:(\w)=)?(?:(\w)\.)?(\w+)", step[0])
        assert parts is not None
        target, owner, name = parts.groups()
        arguments = list(step[1:])
        options = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
        try:
            if owner is None:
                result = await self.call(name, arguments, options)
            elif owner in self.kept:
                result = await getattr(self, f"handle_{name}", self.handle_call(name))(self.kept[owner], *arguments)
            else:
                return {"error": "no handle"}
        except Exception as error:
            return {"error": code_of(error)}
        if target is None:
            return result
        self.kept[target] = result
        return "kept"

    async def ask(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What it gives, either way."""
        if not self.has_callbacks:
            return await function(*arguments, **options)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def callback(error: OSError | None, result: Any) -> None:
            assert not answer.done()
            if error is None:
                answer.set_result(result)
            else:
                assert result is None
                answer.set_exception(error)

        assert function(*arguments, callback=callback, **options) is None
        return await answer

    async def call(self, name: str, arguments: list[Any], options: dict[str, Any]) -> Any:
        if name in ("times", "ltimes"):
            stats = await self.ask(fs.stat if name == "times" else fs.lstat, *arguments)
            return [stats.atime_ms, stats.mtime_ms]
        if name == "realpath_name":
            return os.path.basename(await self.ask(fs.realpath, *arguments))
        result = await self.ask(getattr(fs, name), *arguments, **options)
        if name in ("stat", "lstat"):
            return facts(result)
        if name == "mkdtemp":
            return result[:-6]
        if name == "realpath":
            shorter = os.path.relpath(result)
            return "" if shorter == "." else shorter
        if name == "readdir" and options.get("with_file_types"):
            return [[entry.parent_path, entry.name, kind_of(entry)] for entry in result]
        return shown(result) if isinstance(result, bytes) else result

    def handle_call(self, name: str) -> Callable[..., Any]:
        async def call(handle: fs.FileHandle, *arguments: Any) -> Any:
            result = getattr(handle, name)
            return await self.ask(result, *arguments) if inspect.ismethod(result) else result

        return call

    async def handle_read(self, handle: fs.FileHandle, size: int, position: Any) -> Any:
        return shown(await self.ask(handle.read, size, position=position))

    async def handle_read_into(self, handle: fs.FileHandle, size: int, offset: int, length: int, position: Any) -> Any:
        buffer = bytearray(size)
        return [await self.ask(handle.read, buffer, offset, length, position), shown(buffer)]

    async def handle_readv(self, handle: fs.FileHandle, sizes: list[int], position: Any) -> Any:
        buffers = [bytearray(size) for size in sizes]
        return [await self.ask(handle.readv, buffers, position), [shown(buffer) for buffer in buffers]]

    async def handle_write(self, handle: fs.FileHandle, text: Any, position: Any = None) -> Any:
        return await self.ask(handle.write, text, position=position)

    async def handle_writev(self, handle: fs.FileHandle, texts: list[str], position: Any) -> Any:
        return await self.ask(handle.writev, [text.encode() for text in texts], position)

    async def handle_stat(self, handle: fs.FileHandle) -> Any:
        return facts(await self.ask(handle.stat))

    async def handle_read_file(self, handle: fs.FileHandle) -> Any:
        return shown(await self.ask(handle.read_file))
