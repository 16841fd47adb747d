"""What Hypothesis makes random programs of streams of.

The format is that of the recorded programs (tests/conformance/streams/adapter.py). A program is drawn as up to three streams and
a flat list of operations, each with the depth at which it stands; fitted() makes sense of it: the list is folded into a tree, an
operation goes to a stream that has it, and no two chunks are alike, so that a lost or doubled one shows. Marks are small: that is
where backpressure is.
"""

from __future__ import annotations

import copy
import itertools
import string
from collections.abc import Iterator
from functools import partial
from typing import Any

from hypothesis import strategies as st

from tests.model.driver.programs import tree

Strategy = st.SearchStrategy[Any]
Operation = dict[str, Any]
Program = dict[str, Any]

STREAMS_MAX = 3
OPERATIONS_MAX = 30
NAMES = "abc"

VIA = st.sampled_from(["sync", "sync", "tick", "tick", "immediate", "micro", 1, 2])
VIA_WITHOUT_MICROTASKS = st.sampled_from(["sync", "sync", "tick", "tick", "immediate", 1, 2])
MARKS = st.sampled_from([None, 0, 1, 2, 3, 4, 8, 16])
SIZES = st.sampled_from([0, 1, 1, 2, 3, 5, 9, 300, 70_000])  # 70,000: more than the mark that nobody has set
NTH = st.sampled_from([None, None, 1, 2, 3])
ENCODINGS = st.sampled_from(["utf8", "hex", "base64", "latin1"])
RARELY = st.sampled_from([False] * 9 + [True])
AT_TIMES = st.sampled_from([False] * 2 + [True])
CALL = st.sampled_from([None] * 5 + [1, 2, 3])  # of a hook that fails

EVENTS = ["end", "finish", "close", "drain", "pause", "resume", "pipe", "unpipe", "prefinish"]
HEARD = st.sampled_from(["data", "data", "readable", "readable", "end", "finish", "drain", "close", "pause", "resume"])

READS = {"push", "unshift", "read", "pause", "resume", "is_paused", "set_encoding", "pipe", "unpipe", "iterate"}
WRITES = {"write", "feed", "end", "cork", "uncork"}
CAN_READ = {"readable", "duplex", "transform", "passthrough"}
CAN_WRITE = {"writable", "duplex", "transform", "passthrough"}

KINDS = st.sampled_from(["readable", "readable", "writable", "writable", "duplex", "transform", "transform", "passthrough"])

#: What a program begins with, as far as its streams go: else most would do little.
SCENES = st.sampled_from([None, None, "pipes", "pipes", "pipeline", "data", "readable", "feed"])

CHUNK = st.fixed_dictionaries({"size": SIZES, "bytes": AT_TIMES})


def optional(strategy: Strategy) -> Strategy:
    return st.one_of(st.none(), strategy)


def seldom(strategy: Strategy) -> Strategy:
    return RARELY.flatmap(lambda is_there: strategy if is_there else st.none())


def fields(**strategies: Strategy) -> Strategy:
    """Without those that are drawn as None or False."""
    drawn = st.fixed_dictionaries(strategies)
    return drawn.map(lambda values: {name: value for name, value in values.items() if value is not None and value is not False})


def hooks(via: Strategy) -> dict[str, Strategy]:
    """What a stream is made of, by part."""
    end = st.sampled_from(["end"] * 5 + ["open", "error"])
    items = st.lists(CHUNK, max_size=8)
    per = st.sampled_from([None, None, 2, 3])
    final = fields(via=via, fail=RARELY, throws=RARELY)
    flush = fields(via=via, fail=RARELY, throws=RARELY, items=st.lists(CHUNK, max_size=2))
    does = st.sampled_from(["id", "id", "id", "drop", "double", "triple", "endearly"])
    return {
        "src": fields(via=via, items=items, end=end, per=per, late=AT_TIMES, trace=AT_TIMES, throw_at=seldom(CALL)),
        "sink": fields(via=via, writev=AT_TIMES, final=optional(final), fail_at=CALL, throw_at=seldom(CALL)),
        "tf": fields(via=via, fn=does, fail_at=CALL, throw_at=seldom(CALL), flush=optional(flush)),
        "destroy": seldom(fields(via=via, fail=AT_TIMES, throws=RARELY)),
        "construct": seldom(fields(via=via, fail=RARELY, throws=RARELY)),
    }


def options() -> Strategy:
    """Those of a duplex; fitted() leaves those that a kind has."""
    return fields(
        highWaterMark=MARKS,
        readableHighWaterMark=seldom(MARKS),
        writableHighWaterMark=seldom(MARKS),
        objectMode=AT_TIMES,
        readableObjectMode=RARELY,
        writableObjectMode=RARELY,
        noAutoDestroy=RARELY,
        noEmitClose=RARELY,
        noHalfOpen=AT_TIMES,
        noReadable=RARELY,
        noWritable=RARELY,
        noDecodeStrings=RARELY,
        encoding=seldom(ENCODINGS),
    )


def casts(via: Strategy) -> Strategy:
    """Streams that have something to do with each other, or not."""
    listen = st.lists(st.sampled_from([*EVENTS, "data", "readable"]), unique=True, max_size=6)
    one = st.fixed_dictionaries({"kind": KINDS, "opts": options(), "listen": listen, "deaf": RARELY, **hooks(via)})
    kinds = st.one_of(
        st.lists(KINDS, min_size=1, max_size=STREAMS_MAX),
        st.sampled_from(
            [
                ["readable", "writable"],
                ["readable", "transform", "writable"],
                ["readable", "passthrough", "writable"],
                ["readable", "writable", "writable"],
                ["duplex", "duplex"],
                ["transform", "duplex", "writable"],
            ]
        ),
    )
    return kinds.flatmap(lambda names: st.tuples(*[one.map(partial(as_kind, kind=kind)) for kind in names]).map(list))


def as_kind(one: Operation, kind: str) -> Operation:
    return {**one, "kind": kind}


def operations(via: Strategy) -> list[Strategy]:
    def operation(name: str, **more: Strategy) -> Strategy:
        return fields(op=st.just(name), s=st.integers(0, STREAMS_MAX - 1), **more)

    size = st.sampled_from([None, None, 0, 1, 2, 5, 20])
    error = st.sampled_from([None, "stop", "again"])
    finished = st.sampled_from([{}, {}, {"readable": False}, {"writable": False}, {"error": False}])
    doing = [
        operation("after", via=via, do=st.builds(list)),
        operation("after", via=via, do=st.builds(list)),
        operation("on", ev=HEARD, nth=NTH, do=st.builds(list)),
        operation("on", ev=HEARD, nth=NTH, do=st.builds(list)),
    ]
    reading = [
        operation("push", chunk=CHUNK),
        operation("push", chunk=CHUNK),
        operation("push", last=st.just(True)),
        operation("unshift", chunk=CHUNK),
        operation("read", n=size, all=AT_TIMES),
        operation("read", n=size, all=AT_TIMES),
        operation("pause"),
        operation("resume"),
        operation("is_paused"),
        operation("set_encoding", enc=ENCODINGS),
        operation("pipe", to=st.integers(0, STREAMS_MAX - 1), noend=AT_TIMES),
        operation("pipe", to=st.integers(0, STREAMS_MAX - 1), noend=AT_TIMES),
        operation("unpipe", to=optional(st.integers(0, STREAMS_MAX - 1))),
    ]
    writing = [
        operation("write", chunk=CHUNK, cb=AT_TIMES),
        operation("write", chunk=CHUNK, cb=AT_TIMES),
        operation("write", chunk=CHUNK, cb=AT_TIMES),
        operation("feed", items=st.lists(CHUNK, max_size=6), end=AT_TIMES),
        operation("end", chunk=optional(CHUNK), cb=AT_TIMES),
        operation("cork"),
        operation("uncork"),
    ]
    both = [
        operation("destroy", err=error),
        operation("sample"),
        operation("sample"),
        operation("facts"),
        operation("listen", ev=HEARD, how=st.sampled_from(["on", "on", "once", "prependListener"])),
        operation("off", ev=HEARD),
        operation("finished", opts=finished),
        operation("forget"),
        operation("pipeline"),
    ]
    return [*doing, *reading, *writing, *both]


def iteration(via: Strategy) -> Strategy:
    return fields(
        op=st.just("iterate"),
        s=st.integers(0, STREAMS_MAX - 1),
        break_after=st.sampled_from([None, None, 1, 2, 3]),
        throw_after=st.sampled_from([None, None, None, 1, 2]),
        via=optional(via),
    )


def drawn(via: Strategy, *others: Strategy) -> Strategy:
    placed = st.tuples(st.integers(0, 3), st.one_of(*operations(via), *others))
    return st.fixed_dictionaries(
        {
            "streams": casts(via),
            "scene": SCENES,
            "script": st.integers(0, OPERATIONS_MAX).flatmap(lambda size: st.lists(placed, min_size=size, max_size=size)),
        }
    )


def programs() -> Strategy:
    """Without iteration, whose steps take an unsaid number of microtasks."""
    return drawn(VIA).map(fitted)


def programs_with_iteration() -> Strategy:
    """Nothing else takes microtasks, so that their number does not matter."""
    one = iteration(VIA_WITHOUT_MICROTASKS)
    return drawn(VIA_WITHOUT_MICROTASKS, one, one, one, one).map(fitted).filter(iterates_once)


def iterates_once(program: Program) -> bool:
    return sum(operation["op"] == "iterate" for operation in flat(program["script"])) <= 1


def flat(script: list[Operation]) -> Iterator[Operation]:
    for operation in script:
        yield operation
        yield from flat(operation.get("do", []))


# ---- sense


def fitted(program: Program) -> Program:
    streams = [fitted_stream(copy.deepcopy(one), name) for one, name in zip(program["streams"], NAMES, strict=False)]
    fitting = Fitting(streams)
    for one in streams:
        fitting.number_hooks(one)
    return {"streams": streams, "script": fitting.scene(program["scene"]) + fitting.script(tree(program["script"]))}


OPTIONS = {
    "readable": {"highWaterMark", "objectMode", "encoding", "noAutoDestroy", "noEmitClose"},
    "writable": {"highWaterMark", "objectMode", "noDecodeStrings", "noAutoDestroy", "noEmitClose"},
}
#: Options that are true unless they are switched off.
SWITCHES = {
    "noAutoDestroy": "autoDestroy",
    "noEmitClose": "emitClose",
    "noHalfOpen": "allowHalfOpen",
    "noReadable": "readable",
    "noWritable": "writable",
    "noDecodeStrings": "decodeStrings",
}
PARTS: dict[str, set[str]] = {
    "readable": {"src"},
    "writable": {"sink"},
    "duplex": {"src", "sink"},
    "transform": {"tf"},
    "passthrough": set(),
}


def fitted_stream(one: Operation, name: str) -> Operation:
    kind = one["kind"]
    opts = {option: value for option, value in one["opts"].items() if option in OPTIONS.get(kind, {option})}
    made = {
        "name": name,
        "kind": kind,
        "opts": {SWITCHES.get(option, option): option not in SWITCHES and opts[option] for option in opts},
    }
    if is_object(made, "readable"):
        made["opts"].pop("encoding", None)
    for part in (*PARTS[kind], "destroy", "construct"):
        if one[part] is not None:
            made[part] = one[part]
    made["listen"] = one["listen"] + ([] if one["deaf"] else ["error"])
    return made


def is_object(made: Operation, side: str) -> bool:
    return bool(made["opts"].get("objectMode") or made["opts"].get(f"{side}ObjectMode"))


class Fitting:
    """Of one program: chunks are numbered through."""

    def __init__(self, streams: list[Operation]) -> None:
        self.streams = streams
        self.letters = itertools.cycle(string.ascii_letters)
        self.objects = itertools.count(1)

    def chunk(self, drawn: Operation, made: Operation, side: str) -> Any:
        if is_object(made, side):
            return {"object": next(self.objects)}
        letters = "".join(itertools.islice(self.letters, min(drawn["size"], 9)))
        if drawn["size"] > len(letters):
            return {"fill": letters, "size": drawn["size"] // len(letters)}
        return {"hex": letters.encode().hex()} if drawn.get("bytes") else letters

    def chunks(self, drawn: list[Operation], made: Operation, side: str) -> list[Any]:
        return [self.chunk(one, made, side) for one in drawn]

    def number_hooks(self, made: Operation) -> None:
        if "src" in made:
            made["src"]["items"] = self.chunks(made["src"]["items"], made, "readable")
        if "flush" in made.get("tf", {}):
            made["tf"]["flush"]["items"] = self.chunks(made["tf"]["flush"]["items"], made, "readable")

    def scene(self, name: str | None) -> list[Operation]:
        chunk = {"size": 3, "bytes": False}
        indices = range(len(self.streams))
        scenes: dict[str | None, list[Operation]] = {
            None: [],
            "pipes": [{"op": "pipe", "s": index, "to": 0} for index in indices],
            "pipeline": [{"op": "pipeline"}],
            "data": [{"op": "listen", "s": index, "ev": "data"} for index in indices],
            "readable": [
                {"op": "on", "s": index, "ev": "readable", "do": [{"op": "read", "s": index, "all": True}]} for index in indices
            ],
            "feed": [{"op": "feed", "s": index, "items": [chunk] * 5, "end": True} for index in indices],
        }
        made = self.script(scenes[name])
        return [operation for index, operation in enumerate(made) if operation not in made[:index]]

    def script(self, operations: list[Operation]) -> list[Operation]:
        return [made for operation in operations if (made := self.operation(operation)) is not None]

    def operation(self, drawn: Operation) -> Operation | None:
        """None: no stream has it."""
        operation = dict(drawn)
        op = operation["op"]
        if op == "pipeline":
            return self.pipeline(operation)
        kinds = CAN_READ if op in READS else CAN_WRITE if op in WRITES else CAN_READ | CAN_WRITE
        made = self.picked(kinds, operation.pop("s"))
        if made is None:
            return None
        operation["s"] = made["name"]
        if op in ("pipe", "unpipe") and "to" in operation:
            behind = self.streams[self.streams.index(made) + 1 :]
            to = self.picked(CAN_WRITE, operation.pop("to"), behind)
            if to is None:
                return None
            operation["to"] = to["name"]
        if op == "set_encoding" and is_object(made, "readable"):
            return None
        side = "readable" if op in READS else "writable"
        if "chunk" in operation:
            operation["chunk"] = self.chunk(operation["chunk"], made, side)
        elif op == "push":
            operation["chunk"] = None
        if "items" in operation:
            operation["items"] = self.chunks(operation["items"], made, side)
        if "do" in operation:
            operation["do"] = self.script(operation["do"])
        return operation

    def picked(self, kinds: set[str], number: int, streams: list[Operation] | None = None) -> Operation | None:
        fitting = [made for made in (self.streams if streams is None else streams) if made["kind"] in kinds]
        return fitting[number % len(fitting)] if fitting else None

    def pipeline(self, operation: Operation) -> Operation | None:
        """All in a row, as far as they go together."""
        stages: list[Operation] = []
        for made in self.streams:
            is_whole = made["opts"].get("readable", True) and made["opts"].get("writable", True)
            if is_whole and made["kind"] in (CAN_WRITE if stages else CAN_READ):
                stages.append(made)
                if made["kind"] == "writable":
                    break
        return {"op": "pipeline", "stages": [made["name"] for made in stages]} if len(stages) > 1 else None
