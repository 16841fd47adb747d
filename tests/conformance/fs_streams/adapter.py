"""Runs a case of cases.json here, and tells what happened, as run_node.js does.

Not here: what Node says (node.json), the comparison (test_fs_streams.py).
"""

import os
from pathlib import Path
from typing import Any

import treadle
from treadle import fs, process
from treadle.events import AbortController
from treadle.timers import set_immediate

EVENTS = ["open", "ready", "end", "finish", "close", "error", "drain"]
NAMES = {"highWaterMark": "high_water_mark", "autoClose": "auto_close", "emitClose": "emit_close"}
CODES = {2: "ENOENT", 9: "EBADF", 17: "EEXIST", 21: "EISDIR"}


def shown(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return "fd"
    if isinstance(value, OSError):
        return CODES[value.errno or 0]
    if isinstance(value, Exception):
        return getattr(value, "code", str(value))
    return value if isinstance(value, str) else value.decode("latin1")


def run(given: dict[str, Any], place: Path) -> list[Any]:
    """The events of one case. What it leaves open is closed."""
    log: list[Any] = []
    file = place / "file"
    if given["file"] == "directory":
        file = place
    elif given["file"] == "no directory":
        file = place / "none" / "file"
    elif given["file"] is not None:
        file.write_text("0123456789"[: given["file"]])
    is_read = given["kind"] == "read"
    kept: list[Any] = []
    is_over: list[bool] = []
    controller = AbortController()

    async def main() -> None:
        handle = await fs.open(file, given.get("flags", "r")) if "via" in given else None
        options = {NAMES.get(name, name): value for name, value in given["options"].items()}
        if given.get("signal") == "aborted":
            controller.abort()
        if "signal" in given:
            options["signal"] = controller.signal
        target: Any = file if handle is None else handle
        stream: Any = (fs.create_read_stream if is_read else fs.create_write_stream)(target, **options)
        kept.extend((stream, handle))

        def note(event: str, argument: Any = None) -> None:
            if is_over:
                return
            count = stream.bytes_read if is_read else stream.bytes_written
            log.append([event, shown(argument), stream.pending if handle is None else None, count, stream.destroyed])

        def act(steps: Any) -> None:
            for step, *arguments in steps:
                if step == "destroy":
                    stream.destroy(*map(Exception, arguments))
                elif step == "close":
                    stream.close()
                elif step == "close handle":
                    assert handle is not None
                    handle.close()
                elif step == "write":
                    note("write", "yes" if stream.write(*arguments, callback=lambda *_: note("written")) else "no")
                elif step == "end":
                    stream.end(*arguments)
                elif step == "read":
                    note("read", stream.read(*arguments))
                elif step == "pause":
                    stream.pause()
                elif step == "abort":
                    controller.abort()
                else:
                    assert step == "later"
                    set_immediate(getattr(stream, arguments[0]))

        on = given.get("on", {})

        def listen(event: str) -> None:
            def hear(*arguments: Any) -> None:
                note(event, *arguments)
                act(on.get(event, ()))

            stream.on(event, hear)

        for event in [*EVENTS, *(["data"] if given.get("data") else []), *(["readable"] if "readable" in on else [])]:
            listen(event)
        process.once("before_exit", look)
        act(given.get("begin", ()))

    def held() -> Any:
        stream, handle = kept
        return stream._handle if handle is None else handle

    def look(_: int) -> None:
        # Nothing is under way any more.
        is_open = held() is not None and held().fd >= 0
        if is_open:
            os.fstat(held().fd)
        log.append(["file" if kept[1] is None else "handle", "open" if is_open else "closed"])
        is_over.append(True)  # what the cleaning causes is no part of it

    treadle.run(main)

    async def clean() -> None:
        if held() is not None and held().fd >= 0:
            await held().close()

    treadle.run(clean)
    if not is_read:
        log.append(["content", file.read_text("latin1") if file.exists() else None])
    return log
