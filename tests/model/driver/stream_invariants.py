"""What holds in every log of a random program, whoever has written it: read off the log alone, so that no listener of ours
changes what happens.

Each function yields what is broken. Where a program does something that blurs what went in or came out (it puts chunks back, sets
an encoding, pushes inside a 'data' listener), the stream is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.model.driver.stream_programs import Operation, Program, flat, is_object

Log = list[str]

NOT_BEHIND_CLOSE = {"data", "readable", "end", "error", "drain"}
RAISED_MARK_MAX = 32  # read(20), the largest that is drawn

EVENT = re.compile(r"(?P<name>[abc]) (?P<event>[a-z]+)(?: (?P<said>.*))?$")
CALL = re.compile(r"(?P<name>[abc])\.(?P<call>push|write|_write|_writev)[( ](?P<chunks>.*?)\)?(?: -> (?:true|false))?$")


@dataclass
class Told:
    """What a log says of one stream."""

    events: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    pushed: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    at_sink: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    write_lengths: list[int] = field(default_factory=list)


class Reading:
    """Of one log."""

    def __init__(self, program: Program, log: Log) -> None:
        self.program, self.log = program, log
        self.operations = list(flat(program["script"]))
        self.made: dict[str, Operation] = {made["name"]: made for made in program["streams"]}
        self.told = {name: Told() for name in self.made}
        for line in log:
            self.take(line)

    def take(self, line: str) -> None:
        if found := EVENT.match(line):
            told = self.told[found["name"]]
            told.events.append(found["event"])
            if found["event"] == "data":
                told.data += content(found["said"])
        elif found := CALL.match(line):
            told = self.told[found["name"]]
            calls = {"push": told.pushed, "write": told.written, "_write": told.at_sink, "_writev": told.at_sink}
            chunks = found["chunks"]
            if found["call"] == "push" and "end" in told.events:
                return  # it is refused
            calls[found["call"]] += [
                one for part in (chunks.split(" ") if "_writev" in line else [chunks]) for one in content(part)
            ]
        elif ": " in line:
            self.take_lengths(line)

    def take_lengths(self, line: str) -> None:
        name, _, facts = line.removeprefix("final ").partition(": ")
        for fact in facts.split(" "):
            label, _, value = fact.partition("=")
            if name in self.told and label in ("len", "wlen"):
                told = self.told[name]
                (told.lengths if label == "len" else told.write_lengths).append(int(value))

    def uses(self, name: str, *ops: str) -> bool:
        return any(operation["op"] in ops and name in names_in(operation) for operation in self.operations)

    def nested(self, *ops: str) -> bool:
        """Inside a listener."""
        bodies = [operation["do"] for operation in self.operations if operation["op"] == "on"]
        return any(operation["op"] in ops for body in bodies for operation in flat(body))


def content(shown: str) -> list[str]:
    """A chunk, as it is compared; none for an empty one, which changes nothing."""
    shown = shown.removeprefix("b")
    return [] if shown in ('""', "null") else [shown]


def names_in(operation: Operation) -> list[str]:
    return [operation.get("s", ""), operation.get("to", ""), *operation.get("stages", [])]


def broken(program: Program, log: Log) -> list[str]:
    reading = Reading(program, log)
    checks = (runs_to_its_end, nothing_behind_close, one_error, chunks_read, chunks_written, chunks_piped, room_for_reading)
    return [what for check in checks for what in check(reading)]


def runs_to_its_end(reading: Reading) -> Iterator[str]:
    """No table was left, no process was lost."""
    if not reading.log or not reading.log[-1].startswith("final"):
        yield f"ended with {reading.log[-1:]}"


def nothing_behind_close(reading: Reading) -> Iterator[str]:
    for name, told in reading.told.items():
        behind = told.events[told.events.index("close") :] if "close" in told.events else []
        for event in NOT_BEHIND_CLOSE.intersection(behind):
            yield f"{name} {event} behind close"


def one_error(reading: Reading) -> Iterator[str]:
    for name, told in reading.told.items():
        if told.events.count("error") > 1:
            yield f"{name} error twice"


def chunks_read(reading: Reading) -> Iterator[str]:
    """What a 'data' listener gets from the beginning on is what was pushed, in order; at the end it is all of it."""
    for name, made in reading.made.items():
        is_plain = made["kind"] in ("readable", "duplex") and "data" in made["listen"] and "encoding" not in made["opts"]
        if (
            not is_plain
            or reading.uses(name, "off", "unshift", "read", "set_encoding", "iterate", "listen")
            or reading.nested("push")
        ):
            continue
        told = reading.told[name]
        if told.data != told.pushed[: len(told.data)]:
            yield f"{name} got {told.data} of {told.pushed}"
        if "end" in told.events and "error" not in told.events and told.data != told.pushed and made["listen"][-1] == "error":
            yield f"{name} ended with {told.data} of {told.pushed}"


def chunks_written(reading: Reading) -> Iterator[str]:
    """What comes to the sink is what was written, in order; when it is finished, all of it."""
    for name, made in reading.made.items():
        if made["kind"] != "writable" or "throw_at" in made["sink"] or reading.uses(name, "pipe", "pipeline"):
            continue
        if any(operation["op"] == "end" and operation["s"] == name and "chunk" in operation for operation in reading.operations):
            continue
        told = reading.told[name]
        if told.at_sink != told.written[: len(told.at_sink)]:
            yield f"{name} took {told.at_sink} of {told.written}"
        if (
            "finish" in told.events
            and "error" not in told.events
            and told.at_sink != told.written
            and made["listen"][-1] == "error"
        ):
            yield f"{name} finished with {told.at_sink} of {told.written}"


def links(reading: Reading) -> Iterator[tuple[Operation, Operation]]:
    """Piped once and for all, and used for nothing else."""
    for operation in reading.program["script"]:
        if operation["op"] != "pipe":
            continue
        source, destination = reading.made[operation["s"]], reading.made[operation["to"]]
        pipes = [one for one in reading.operations if one["op"] in ("pipe", "unpipe", "pipeline")]
        is_plain = source["kind"] == "readable" and destination["kind"] == "writable" and "encoding" not in source["opts"]
        blurring = ("unshift", "read", "set_encoding", "iterate", "write", "feed", "end", "push")
        is_used = reading.uses(source["name"], *blurring) or reading.uses(destination["name"], *blurring)
        if len(pipes) == 1 and is_plain and not is_used and "throw_at" not in destination["sink"]:
            yield source, destination


def chunks_piped(reading: Reading) -> Iterator[str]:
    for source, destination in links(reading):
        pushed, taken = reading.told[source["name"]].pushed, reading.told[destination["name"]].at_sink
        places = range(len(pushed) - len(taken) + 1)
        if not any(pushed[place : place + len(taken)] == taken for place in places):
            yield f"{destination['name']} took {taken} of {pushed}"
        yield from room_for_writing(reading, source, destination)


def room_for_writing(reading: Reading, source: Operation, destination: Operation) -> Iterator[str]:
    """A pipe stops at the mark: what comes on top of it is one chunk."""
    name = destination["name"]
    if (
        is_object(source, "readable")
        or is_object(destination, "writable")
        or reading.uses(source["name"], "resume", "listen", "on")
    ):
        return
    bound = mark_of(destination) + max(sizes(source["src"]["items"]), default=0)
    for length in reading.told[name].write_lengths:
        if length > bound:
            yield f"{name} holds {length} of {bound}"


def room_for_reading(reading: Reading) -> Iterator[str]:
    """A source is not asked beyond the mark: what comes on top of it is one answer."""
    for name, made in reading.made.items():
        is_plain = (
            made["kind"] in ("readable", "duplex")
            and "encoding" not in made["opts"]
            and "readableHighWaterMark" not in made["opts"]
        )
        if not is_plain or is_object(made, "readable") or reading.uses(name, "push", "unshift", "set_encoding"):
            continue
        answer = made["src"].get("per", 1) * max(sizes(made["src"]["items"]), default=0)
        bound = max(mark_of(made), RAISED_MARK_MAX) + answer
        for length in reading.told[name].lengths:
            if length > bound:
                yield f"{name} holds {length} of {bound}"


def mark_of(made: Operation) -> int:
    return int(made["opts"].get("highWaterMark", 64 * 1024))


def sizes(items: list[Any]) -> list[int]:
    return [size(item) for item in items]


def size(item: Any) -> int:
    if "hex" in item:
        return len(item["hex"]) // 2
    return len(item["fill"]) * item["size"] if "fill" in item else len(item)
