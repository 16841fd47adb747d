"""A pipeline of four stages, each with a descriptor of its own, which fails where it is told to and writes down what happened.

    file ──► Readable ──► Transform ──► async generator ──► Writable ──► file

Invariants: every call of a hook is a visit, and so is every end of a wait in one; a descriptor is opened by the construct hook
and closed by the destroy hook, in the generator before and after its loop. Not here: what has to come of it (test_line_*.py).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.unit.native.support import open_fds
from tests.unit.streams.support import Boom, code_of, later, settle, turns
from treadle.streams import Readable, Transform, Writable

CHUNK = 4  # bytes
COUNT = 5  # chunks in the file
DATA = bytes(range(97, 97 + CHUNK * COUNT))
STREAMS = ("source", "transform", "sink")

#: How a hook works, and how it fails.
MODES = ("at once, raises", "at once, calls back", "later, calls back", "coroutine, raises")
#: What is buffered at each stage: one chunk, so that everybody waits for everybody; or all there is.
MARKS = {"narrow": CHUNK, "wide": 64 * 1024}


@dataclass(frozen=True)
class Fault:
    """Which call of which hook fails: the first is 1."""

    place: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.place}-{self.nth}"


class Line:
    """One run of it."""

    def __init__(self, folder: Path, mode: str, mark: int, fault: Fault | None = None, *, only: str = "") -> None:
        self.flavour, _, self.way = mode.partition(", ")
        self.mark = mark
        self.fault = fault
        self.boom = Boom()
        self.visits: list[str] = []
        self.on_visit: Callable[[int], object] = lambda number: None
        self.calls: Counter[str] = Counter()
        self.emitted: list[tuple[str, str, BaseException | None]] = []
        self.has_only = only  # a hook that replaces another: transform.final
        self._fds: dict[str, int] = {}
        self._folder = folder
        (folder / "in").write_bytes(DATA)
        self._fds_before = open_fds()
        self.source, self.transform, self.sink = self._source(), self._transform(), self._sink()
        for name in STREAMS:
            stream = getattr(self, name)
            for event in ("error", "close"):
                stream.on(event, lambda error=None, name=name, event=event: self.emitted.append((name, event, error)))

    @property
    def stages(self) -> tuple[Any, ...]:
        return self.source, self.transform, self.relay, self.sink

    @property
    def written(self) -> bytes:
        return (self._folder / "out").read_bytes()

    # ---- what happens

    def visit(self, place: str) -> None:
        self.visits.append(place)
        self.on_visit(len(self.visits))

    def begin(self, place: str) -> None:
        """A hook is called. Raises Boom where it is to fail."""
        self.calls[place] += 1
        self.visit(place)
        if self.fault is not None and (place, self.calls[place]) == (self.fault.place, self.fault.nth):
            raise self.boom

    def open(self, name: str, path: str = "in", flags: int = os.O_RDONLY) -> int:
        assert name not in self._fds
        self._fds[name] = os.open(self._folder / path, flags | os.O_CLOEXEC, 0o600)
        return self._fds[name]

    def close(self, name: str) -> None:
        if name in self._fds:  # else it failed before it was opened
            os.close(self._fds.pop(name))

    def hook(self, place: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """A hook that calls back what work(*arguments) returns."""
        has_data = place in ("transform.transform", "transform.flush")

        async def run(*arguments: Any) -> Any:
            self.begin(place)
            await turns()
            self.visit(place)
            return work(*arguments)

        def step(*arguments: Any) -> None:
            *rest, callback = arguments
            try:
                self.begin(place)
                data = work(*rest)
            except Boom as error:
                if self.way == "raises":
                    raise
                callback(error)
            else:
                if has_data:
                    callback(None, data)
                else:
                    callback(*(rest if place.endswith(".destroy") else ()))  # what it is destroyed with

        return self._in_flavour(run, step)

    def destroyer(self, name: str) -> Callable[..., Any]:
        """A destroy hook, which lets go of its descriptor also where it fails."""
        hook = self.hook(f"{name}.destroy", lambda error: None)

        def destroy(*arguments: Any) -> Any:
            self.close(name)
            return hook(*arguments)

        async def destroy_async(error: BaseException | None) -> None:
            self.close(name)
            await hook(error)

        return destroy_async if self.flavour == "coroutine" else destroy

    def _in_flavour(self, run: Callable[..., Any], step: Callable[..., Any]) -> Callable[..., Any]:
        if self.flavour == "coroutine":
            return run
        return step if self.flavour == "at once" else lambda *arguments: later(step, *arguments)

    # ---- the stages

    def _source(self) -> Readable:
        async def run(size: int) -> None:
            self.begin("source.read")
            await turns()
            self.visit("source.read")
            push()

        def push() -> None:
            if not source.destroyed:
                source.push(os.read(self._fds["source"], CHUNK) or None)

        def step(size: int) -> None:
            try:
                self.begin("source.read")
            except Boom as error:
                if self.way == "raises":
                    raise
                source.destroy(error)
            else:
                push()

        source = Readable(
            high_water_mark=self.mark,
            read=self._in_flavour(run, step),
            construct=self.hook("source.construct", lambda: self.open("source") and None),
            destroy=self.destroyer("source"),
        )
        return source

    def _transform(self) -> Transform:
        final = {"final": self.hook("transform.final", lambda: None)} if self.has_only == "transform.final" else {}
        return Transform(
            readable_object_mode=True,  # so that chunks that wait are not joined
            readable_high_water_mark=self.mark // CHUNK,
            writable_high_water_mark=self.mark,
            construct=self.hook("transform.construct", lambda: self.open("transform") and None),
            transform=self.hook("transform.transform", lambda chunk, encoding: chunk.upper()),
            flush=self.hook("transform.flush", lambda: b"END"),
            destroy=self.destroyer("transform"),
            **final,
        )

    async def relay(self, chunks: Any) -> Any:
        """The stage that is an async generator."""
        self.begin("relay.begin")
        self.open("relay")
        try:
            async for chunk in chunks:
                self.begin("relay.chunk")
                if self.flavour != "at once":
                    await turns()
                    self.visit("relay.chunk")
                yield chunk
            self.begin("relay.end")
        finally:
            self.close("relay")
            self.begin("relay.close")

    def _sink(self) -> Writable:
        return Writable(
            high_water_mark=self.mark,
            construct=self.hook(
                "sink.construct", lambda: self.open("sink", "out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC) and None
            ),
            write=self.hook("sink.write", self._write),
            final=self.hook("sink.final", self._sync),
            destroy=self.destroyer("sink"),
        )

    # What a hook does that was called before the stream was destroyed, and gets to work afterwards: its descriptor is closed.

    def _write(self, chunk: bytes, encoding: str) -> None:
        if not self.sink.destroyed:
            assert os.write(self._fds["sink"], chunk) == len(chunk)

    def _sync(self) -> None:
        if not self.sink.destroyed:
            os.fsync(self._fds["sink"])

    # ---- afterwards

    async def check_end(self, *allowed: str) -> None:
        """Everything is let go of. allowed: the codes of the errors that the stages may emit."""
        await settle()
        assert {name: self.calls[f"{name}.destroy"] for name in STREAMS} == dict.fromkeys(STREAMS, 1)
        assert self.calls["relay.close"] == (1 if "relay.begin" in self.visits and not self._failed_at("relay.begin") else 0)
        for name in STREAMS:
            stream = getattr(self, name)
            assert stream.destroyed and stream.closed, name
            own = [event for whose, event, _ in self.emitted if whose == name]
            assert own in (["close"], ["error", "close"]), (name, own)
        others = {(name, code_of(error)) for name, event, error in self.emitted if event == "error" and error is not self.boom}
        assert {code for _, code in others} <= set(allowed), others
        assert open_fds() == self._fds_before

    def _failed_at(self, place: str) -> bool:
        return self.fault is not None and self.fault.place == place
