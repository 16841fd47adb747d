"""pipe(): 'data' of a source into write() of a destination; False pauses the source, 'drain' resumes it.

Invariant: a source flows again when none of the destinations that said False is awaited. An error of the source leaves the
destination alone; one of the destination ends the pipe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treadle.process import next_tick

if TYPE_CHECKING:
    from tests.model.streams.stream import Stream


class Unpiping:
    """What an 'unpipe' event carries: the first pipe that sees itself meant takes it."""

    def __init__(self) -> None:
        self.is_taken = False


class Pipes:
    """Of one source."""

    def __init__(self, source: Stream) -> None:
        self.source = source
        self.destinations: list[Any] = []
        #: Those that said False since the last chunk went out. Cleared by the next chunk that does, whoever asks for it.
        self.awaited: list[Any] = []
        #: Set by the second of two pipes at a time, cleared when the only one left pauses.
        self.were_many = False

    def forget_awaited(self) -> None:
        self.awaited = []

    def add(self, destination: Any, *, does_end: bool) -> None:
        if len(self.destinations) == 1:
            self.were_many = True
        self.destinations.append(destination)
        Pipe(self, destination).connect(does_end=does_end)

    def remove(self, destination: Any) -> None:
        """None: all."""
        if not self.destinations:
            return
        if destination is None:
            removed, self.destinations = self.destinations, []
        elif destination in self.destinations:
            self.destinations.remove(destination)
            removed = [destination]
        else:
            return
        if not self.destinations:
            self.source.pause()
        for gone in removed:
            gone.emit("unpipe", self.source, Unpiping())

    def await_drain(self, destination: Any) -> None:
        if self.destinations == [destination]:
            self.awaited = [destination]
            self.were_many = False
        elif destination in self.destinations and destination not in self.awaited:
            self.awaited.append(destination)
        self.source.pause()

    def drained(self, destination: Any) -> None:
        if destination in self.awaited:
            self.awaited.remove(destination)
        if not self.awaited and self.source.read_side.heeds_data:
            self.source.resume()


class Pipe:
    """One source, one destination. Its listeners go with it."""

    def __init__(self, pipes: Pipes, destination: Any) -> None:
        self.pipes, self.source, self.destination = pipes, pipes.source, destination
        self.is_open = True  # cleared once, by disconnect
        self.has_waited = False  # set by the first False: from then on it listens to 'drain'

    def connect(self, *, does_end: bool) -> None:
        source, destination = self.source, self.destination
        on_end = self.end_destination if does_end else self.unpipe
        if source.read_side.is_ended:
            next_tick(on_end)
        else:
            source.once("end", on_end)
        destination.on("unpipe", self.on_unpipe)
        source.on("data", self.on_data)
        destination.prepend_listener("error", self.on_error)  # ORDER: the pipe is gone when the user hears of the error
        destination.once("close", self.on_close)
        destination.once("finish", self.on_finish)
        destination.emit("pipe", source)
        if destination.writable_need_drain:
            self.wait()
        elif not source.read_side.is_flowing:
            source.resume()

    def on_data(self, chunk: Any) -> None:
        try:
            if self.destination.write(chunk) is False:
                self.wait()
        except Exception as error:
            self.destination.destroy(error)

    def wait(self) -> None:
        """Unless write() itself has ended the pipe."""
        if self.is_open:
            self.pipes.await_drain(self.destination)
        if not self.has_waited:
            self.has_waited = True
            self.destination.on("drain", self.on_drain)

    def on_drain(self) -> None:
        self.pipes.drained(self.destination)

    def end_destination(self) -> None:
        self.destination.end()

    def unpipe(self) -> None:
        self.source.unpipe(self.destination)

    def on_finish(self) -> None:
        self.destination.off("close", self.on_close)
        self.unpipe()

    def on_close(self) -> None:
        self.destination.off("finish", self.on_finish)
        self.unpipe()

    def on_error(self, error: BaseException) -> None:
        """Does not count as somebody who handles it."""
        destination = self.destination
        self.unpipe()
        destination.off("error", self.on_error)
        if destination.listener_count("error") == 0:
            if destination.life.has_emitted_error:
                destination.emit("error", error)
            else:
                destination.life.fail(error)

    def on_unpipe(self, source: object, unpiping: Unpiping) -> None:
        if source is self.source and not unpiping.is_taken:
            unpiping.is_taken = True
            self.disconnect()

    def disconnect(self) -> None:
        source, destination = self.source, self.destination
        destination.off("close", self.on_close)
        destination.off("finish", self.on_finish)
        if self.has_waited:
            destination.off("drain", self.on_drain)
        destination.off("error", self.on_error)
        destination.off("unpipe", self.on_unpipe)
        source.off("end", self.end_destination)
        source.off("end", self.unpipe)
        source.off("data", self.on_data)
        self.is_open = False
        if self.has_waited and (self.pipes.awaited or self.pipes.were_many) and destination.write_side.owes_drain:
            self.on_drain()  # nobody else would, if this one was awaited
