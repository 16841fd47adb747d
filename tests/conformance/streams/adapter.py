"""Programs whose stream events real Node has recorded, interpreted on treadle.streams, or on another module with its names.

node.jsonl: one program a line, {"id", "goal", "streams", "script", "expect"}; `expect` is the log of Node 24, the same in
fourteen runs, and of Node 20. The operations are the do_* methods of Interpreter; what a stream is made of, those of Maker. Not
here: how fresh programs are made and recorded (fresh.py).
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import Callable
from typing import Any

import treadle
from treadle import process, timers

Operation = dict[str, Any]
Hook = Callable[..., object]

LINES_MAX = 500  # of a log; from then on no operation is run
DEPTH_MAX = 8  # of operations inside operations, as in a 'data' listener that pushes
SHOWN_MAX = 64  # characters of a chunk; of a longer one length and checksum are shown

CLASSES = {
    "readable": "Readable",
    "writable": "Writable",
    "transform": "Transform",
    "passthrough": "PassThrough",
    "duplex": "Duplex",
}
READ_SIDE = [("len", "readable_length"), ("flow", "readable_flowing"), ("ended", "readable_ended")]
WRITE_SIDE = [
    ("wlen", "writable_length"),
    ("need", "writable_need_drain"),
    ("wended", "writable_ended"),
    ("wfinished", "writable_finished"),
    ("corked", "writable_corked"),
]
BOTH = [("destroyed", "destroyed"), ("closed", "closed")]
READ_FACTS = ["readable", "readable_aborted", "readable_did_read", "readable_high_water_mark", "readable_encoding"]
WRITE_FACTS = ["writable", "writable_aborted", "writable_high_water_mark"]


def as_json(value: object) -> str:
    """As Node prints it: half a surrogate pair is escaped, nothing else is."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)


def shown(chunk: object) -> str:
    if isinstance(chunk, bytes | bytearray | memoryview):
        return "b" + shown(bytes(chunk).decode("latin-1"))
    if isinstance(chunk, str) and len(chunk) > SHOWN_MAX:
        return f"#{len(chunk)}:{zlib.crc32(chunk.encode())}"
    return as_json(chunk)


def outcome(error: BaseException | None) -> str:
    return "ok" if error is None else f"ERR {code_of(error)}"


def code_of(error: BaseException) -> str:
    return getattr(error, "code", None) or str(error)


def chunk_of(described: Any) -> Any:
    if isinstance(described, dict) and "hex" in described:
        return bytes.fromhex(described["hex"])
    if isinstance(described, dict) and "fill" in described:
        return described["fill"] * described["size"]
    return described


def option_name(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), name)


def via(how: Any, function: Callable[[], object]) -> None:
    match how:
        case None | "sync":
            function()
        case "tick":
            process.next_tick(function)
        case "micro":
            treadle.queue_microtask(function)
        case "immediate":
            timers.set_immediate(function)
        case _:
            timers.set_timeout(function, how)


class Maker:
    """Makes one stream; its hooks write into the log."""

    def __init__(self, interpreter: Interpreter, made: dict[str, Any]) -> None:
        self.interpreter, self.made = interpreter, made
        self.name = made["name"]
        self.log = interpreter.log

    @property
    def stream(self) -> Any:
        return self.interpreter.streams[self.name]

    def make(self, streams: Any) -> Any:
        made = self.made
        options = {option_name(name): value for name, value in made["opts"].items()}
        parts = {
            "src": self.source,
            "sink": self.sink,
            "tf": self.transform,
            "destroy": self.destroy,
            "construct": self.construct,
        }
        for part, hooks in parts.items():
            if made.get(part):
                options |= hooks(made[part])
        return getattr(streams, CLASSES[made["kind"]])(**options)

    def push(self, chunk: Any) -> bool:
        return bool(self.stream.push(chunk))

    def source(self, source: Operation) -> dict[str, Hook]:
        items, name = source["items"], self.name
        given = calls = 0
        is_over = is_announced = False

        def finish() -> None:
            nonlocal is_over
            if is_over or source["end"] == "open":
                return
            is_over = True
            if source["end"] == "error":
                self.stream.destroy(RuntimeError(f"boom-{name}"))
            else:
                self.stream.push(None)

        def step() -> None:
            nonlocal given, is_announced
            if is_over:
                return
            for item in items[given : given + source.get("per", 1)]:
                given += 1
                chunk = chunk_of(item)
                self.log(f"{name}.push({shown(chunk)}) -> {as_json(self.push(chunk))}")
            if given < len(items):
                return
            if source.get("late") and not is_announced:
                is_announced = True
                return
            finish()

        def read(size: int) -> None:
            nonlocal calls
            calls += 1
            if source.get("trace"):
                self.log(f"{name}._read({size})")
            if source.get("throw_at") == calls:
                raise RuntimeError(f"throw-{name}")
            via(source["via"], finish if source.get("late") and given >= len(items) else step)

        return {"read": read}

    def sink(self, sink: Operation) -> dict[str, Hook]:
        name = self.name
        calls = 0

        def take(callback: Hook) -> None:
            nonlocal calls
            calls += 1
            call = calls
            if sink.get("throw_at") == call:
                raise RuntimeError(f"throw-{name}")
            via(sink["via"], lambda: callback(RuntimeError(f"boom-{name}") if sink.get("fail_at") == call else None))

        def write(chunk: Any, encoding: str, callback: Hook) -> None:
            self.log(f"{name}._write {shown(chunk)}")
            take(callback)

        def writev(chunks: list[dict[str, Any]], callback: Hook) -> None:
            self.log(f"{name}._writev {' '.join(shown(one['chunk']) for one in chunks)}")
            take(callback)

        def final(callback: Hook) -> None:
            how = sink["final"]
            self.log(f"{name}._final")
            if how.get("throws"):
                raise RuntimeError(f"throwfinal-{name}")
            via(how.get("via"), lambda: callback(RuntimeError(f"final-{name}") if how.get("fail") else None))

        hooks: dict[str, Hook] = {"write": write}
        if sink.get("writev"):
            hooks["writev"] = writev
        if sink.get("final"):
            hooks["final"] = final
        return hooks

    def transform(self, transform: Operation) -> dict[str, Hook]:
        name = self.name
        calls = 0

        def push(chunk: Any) -> None:
            self.log(f"{name}.push -> {as_json(self.push(chunk))}")

        def give(call: int, chunk: Any, callback: Hook) -> None:
            does = transform["fn"]
            if transform.get("fail_at") == call:
                callback(RuntimeError(f"boom-{name}"))
                return
            if does == "endearly" and call == 2:
                self.stream.push(None)
            for _ in range({"double": 1, "triple": 3}.get(does, 0)):
                push(chunk)
            if does in ("drop", "triple") or (does == "endearly" and call == 2):
                callback()
            else:
                callback(None, chunk)

        def take(chunk: Any, encoding: str, callback: Hook) -> None:
            nonlocal calls
            calls += 1
            call = calls
            self.log(f"{name}._transform {shown(chunk)}")
            if transform.get("throw_at") == call:
                raise RuntimeError(f"throw-{name}")
            via(transform["via"], lambda: give(call, chunk, callback))

        def give_rest(callback: Hook) -> None:
            flush = transform["flush"]
            if flush.get("fail"):
                callback(RuntimeError(f"flush-{name}"))
                return
            for item in flush.get("items", ()):
                push(chunk_of(item))
            callback()

        def flush(callback: Hook) -> None:
            self.log(f"{name}._flush")
            if transform["flush"].get("throws"):
                raise RuntimeError(f"throwflush-{name}")
            via(transform["flush"].get("via"), lambda: give_rest(callback))

        hooks: dict[str, Hook] = {"transform": take}
        if transform.get("flush"):
            hooks["flush"] = flush
        return hooks

    def destroy(self, how: Operation) -> dict[str, Hook]:
        def destroy(error: BaseException | None, callback: Hook) -> None:
            self.log(f"{self.name}._destroy {outcome(error)}")
            if how.get("throws"):
                raise RuntimeError(f"throwdestroy-{self.name}")
            via(how.get("via"), lambda: callback(RuntimeError(f"destroy-{self.name}") if how.get("fail") else error))

        return {"destroy": destroy}

    def construct(self, how: Operation) -> dict[str, Hook]:
        def construct(callback: Hook) -> None:
            self.log(f"{self.name}._construct")
            if how.get("throws"):
                raise RuntimeError(f"throwconstruct-{self.name}")
            via(how.get("via"), lambda: callback(RuntimeError(f"construct-{self.name}") if how.get("fail") else None))

        return {"construct": construct}


class Interpreter:
    """Runs one program; its log is in `lines`."""

    def __init__(self, streams: Any, program: dict[str, Any]) -> None:
        self.module, self.program = streams, program
        self.lines: list[str] = []
        self.streams: dict[str, Any] = {}
        self.kinds = {made["name"]: made["kind"] for made in program["streams"]}
        self.listeners: dict[tuple[str, str], list[Hook]] = {}  # those of do_listen, by stream and event
        self.watches: list[Callable[[], object]] = []
        self.depth = 0

    def main(self) -> list[str]:
        """ORDER: the log is complete before the program ends, which cancels tasks that wait for what never comes."""
        logs: list[list[str]] = []
        listeners = {"uncaught_exception": self.uncaught, "before_exit": lambda _: logs.append([*self.end()])}
        for event, listener in listeners.items():
            process.on(event, listener)
        try:
            treadle.run(self.begin)
        finally:
            for event, listener in listeners.items():
                process.off(event, listener)
        return logs[0]

    def begin(self) -> None:
        for made in self.program["streams"]:
            self.streams[made["name"]] = Maker(self, made).make(self.module)
            self.streams[made["name"]].set_max_listeners(0)
            for event in made["listen"]:
                self.listen(made["name"], event)
        self.run(self.program["script"])

    def end(self) -> list[str]:
        """Nothing is left to do."""
        for name in self.streams:
            self.lines.append(f"final {name}: {self.sample(name)}")
        return self.lines

    def uncaught(self, error: BaseException) -> None:
        self.log(f"uncaught {code_of(error)}")

    def log(self, line: str) -> None:
        if len(self.lines) < LINES_MAX:
            self.lines.append(line)

    def facts(self, name: str, of_reading: list[Any], of_writing: list[Any], of_both: list[Any]) -> list[Any]:
        kind = self.kinds[name]
        return (of_reading if kind != "writable" else []) + (of_writing if kind != "readable" else []) + of_both

    def sample(self, name: str) -> str:
        facts = self.facts(name, READ_SIDE, WRITE_SIDE, BOTH)
        return " ".join(f"{label}={as_json(getattr(self.streams[name], fact))}" for label, fact in facts)

    def listen(self, name: str, event: str, how: str = "on") -> None:
        listener = self.listener(name, event)
        self.listeners.setdefault((name, event), []).append(listener)
        getattr(self.streams[name], how)(event, listener)

    def listener(self, name: str, event: str) -> Hook:
        def on_event(*values: Any) -> None:
            match event:
                case "error":
                    said = " " + outcome(values[0])
                case "data":
                    said = " " + shown(values[0])
                case "pipe" | "unpipe":
                    said = " " + next(other for other, stream in self.streams.items() if stream is values[0])
                case _:
                    said = ""
            self.log(f"{name} {event}{said}")

        return on_event

    def run(self, operations: list[Operation]) -> None:
        if self.depth == DEPTH_MAX:
            return
        self.depth += 1
        for operation in operations:
            if len(self.lines) >= LINES_MAX:
                break
            name = operation.get("s", "")
            try:
                getattr(self, "do_" + operation["op"])(operation, name, self.streams.get(name))
            except Exception as error:
                self.log(f"{operation['op']} throws {code_of(error)}")
        self.depth -= 1

    def callback(self, told: str) -> Hook:
        return lambda error=None, *_: self.log(f"{told} {outcome(error)}")

    # ---- operations

    def do_log(self, operation: Operation, name: str, stream: Any) -> None:
        self.log(operation["m"])

    def do_sample(self, operation: Operation, name: str, stream: Any) -> None:
        self.log(f"{name}: {self.sample(name)}")

    def do_after(self, operation: Operation, name: str, stream: Any) -> None:
        via(operation["via"], lambda: self.run(operation["do"]))

    def do_listen(self, operation: Operation, name: str, stream: Any) -> None:
        self.listen(name, operation["ev"], option_name(operation.get("how", "on")))

    def do_off(self, operation: Operation, name: str, stream: Any) -> None:
        listeners = self.listeners.get((name, operation["ev"]))
        if listeners:
            stream.off(operation["ev"], listeners.pop())

    def do_facts(self, operation: Operation, name: str, stream: Any) -> None:
        values = [getattr(stream, fact) for fact in self.facts(name, READ_FACTS, WRITE_FACTS, [])]
        said = [value if isinstance(value, str) else as_json(value) for value in values]
        self.log(f"{name}: {' '.join(said)} {outcome(stream.errored)}")

    def do_on(self, operation: Operation, name: str, stream: Any) -> None:
        calls = 0

        def on_event(*_: Any) -> None:
            nonlocal calls
            calls += 1
            if operation.get("nth", calls) == calls:
                self.run(operation["do"])

        stream.on(operation["ev"], on_event)

    def do_push(self, operation: Operation, name: str, stream: Any) -> None:
        chunk = chunk_of(operation["chunk"])
        self.log(f"{name}.push({shown(chunk)}) -> {as_json(stream.push(chunk))}")

    def do_unshift(self, operation: Operation, name: str, stream: Any) -> None:
        chunk = chunk_of(operation["chunk"])
        stream.unshift(chunk)
        self.log(f"{name}.unshift({shown(chunk)})")

    def do_read(self, operation: Operation, name: str, stream: Any) -> None:
        size = operation.get("n")
        while True:
            chunk = stream.read() if size is None else stream.read(size)
            self.log(f"{name}.read({'' if size is None else size}) -> {shown(chunk)}")
            if chunk is None or not operation.get("all") or len(self.lines) >= LINES_MAX:
                return

    def do_pause(self, operation: Operation, name: str, stream: Any) -> None:
        stream.pause()
        self.log(f"{name}.pause()")

    def do_resume(self, operation: Operation, name: str, stream: Any) -> None:
        stream.resume()
        self.log(f"{name}.resume()")

    def do_is_paused(self, operation: Operation, name: str, stream: Any) -> None:
        self.log(f"{name}.is_paused -> {as_json(stream.is_paused())}")

    def do_set_encoding(self, operation: Operation, name: str, stream: Any) -> None:
        stream.set_encoding(operation["enc"])

    def do_pipe(self, operation: Operation, name: str, stream: Any) -> None:
        stream.pipe(self.streams[operation["to"]], end=not operation.get("noend"))
        self.log(f"{name}.pipe({operation['to']})")

    def do_unpipe(self, operation: Operation, name: str, stream: Any) -> None:
        stream.unpipe(*([self.streams[operation["to"]]] if operation.get("to") else []))
        self.log(f"{name}.unpipe()")

    def do_write(self, operation: Operation, name: str, stream: Any) -> None:
        chunk = chunk_of(operation["chunk"])
        callback = self.callback(f"{name}.write-cb {shown(chunk)}") if operation.get("cb") else None
        self.log(f"{name}.write({shown(chunk)}) -> {as_json(stream.write(chunk, callback=callback))}")

    def do_feed(self, operation: Operation, name: str, stream: Any) -> None:
        items = [chunk_of(item) for item in operation["items"]]

        def go_on() -> None:
            while items:
                chunk = items.pop(0)
                is_below = stream.write(chunk)
                self.log(f"{name}.write({shown(chunk)}) -> {as_json(is_below)}")
                if not is_below and items:
                    stream.once("drain", go_on)
                    return
            if operation.get("end"):
                stream.end()
                self.log(f"{name}.end()")

        go_on()

    def do_end(self, operation: Operation, name: str, stream: Any) -> None:
        chunk = [chunk_of(operation["chunk"])] if "chunk" in operation else []
        stream.end(*chunk, callback=self.callback(f"{name}.end-cb") if operation.get("cb") else None)
        self.log(f"{name}.end()")

    def do_cork(self, operation: Operation, name: str, stream: Any) -> None:
        stream.cork()

    def do_uncork(self, operation: Operation, name: str, stream: Any) -> None:
        stream.uncork()

    def do_destroy(self, operation: Operation, name: str, stream: Any) -> None:
        stream.destroy(*([RuntimeError(operation["err"])] if operation.get("err") else []))
        self.log(f"{name}.destroy()")

    def do_pipeline(self, operation: Operation, name: str, stream: Any) -> None:
        stages = [self.streams[stage] for stage in operation["stages"]]
        self.module.pipeline(*stages, callback=self.callback("pipeline"))

    def do_finished(self, operation: Operation, name: str, stream: Any) -> None:
        told = self.callback(f"finished({name})")
        self.watches.append(self.module.finished(stream, callback=told, **operation.get("opts", {})))

    def do_forget(self, operation: Operation, name: str, stream: Any) -> None:
        if self.watches:
            self.watches.pop()()

    def do_iterate(self, operation: Operation, name: str, stream: Any) -> None:
        asyncio.ensure_future(self.iterate(operation, name, stream))

    async def iterate(self, operation: Operation, name: str, stream: Any) -> None:
        """Python's break leaves the iterator open, JavaScript's does not."""
        iterator = aiter(stream)
        taken = 0
        try:
            try:
                async for chunk in iterator:
                    self.log(f"{name} iter {shown(chunk)}")
                    taken += 1
                    if operation.get("break_after") == taken:
                        self.log(f"{name} iter break")
                        break
                    if operation.get("throw_after") == taken:
                        raise RuntimeError(f"iter-{name}")
                    if "via" in operation:
                        future = asyncio.get_running_loop().create_future()
                        via(operation["via"], lambda future=future: future.set_result(None))
                        await future
            finally:
                await iterator.aclose()
            self.log(f"{name} iter done")
        except Exception as error:
            self.log(f"{name} iter {outcome(error)}")
