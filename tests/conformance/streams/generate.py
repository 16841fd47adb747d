"""Random programs for fresh.py, from a seed: each about one topic, the topics in turn.

The streams of a topic and what is done with them are drawn; samples are sprinkled over turns of the loop. Sizes are a few bytes
or objects, so that marks are met. Some race; fresh.py drops those.
"""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Callable, Iterator
from typing import Any

Operation = dict[str, Any]

VIAS = ["sync", "sync", "tick", "tick", "immediate", "micro", 1, 2]
SOON = ["tick", "immediate", "micro"]
MARKS = [1, 2, 4, 4, 6, 8, 16]
READING = ["end", "close", "error"]
WRITING = ["drain", "finish", "close", "error"]
CHARACTERS = ["é", "€", "a", "Z", "日", "本", "😀", "ß"]


class Generator:
    """Makes one program."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.streams: list[Operation] = []
        self.script: list[Operation] = []
        self.letters = itertools.cycle(string.ascii_lowercase)
        self.is_object = rng.random() < 0.25

    def has(self, chance: float) -> bool:
        return self.rng.random() < chance

    def via(self, vias: list[Any] | None = None) -> Any:
        return self.rng.choice(vias or VIAS)

    # ---- material

    def chunk(self) -> Any:
        rng = self.rng
        if self.is_object:
            return rng.choice(
                [{"a": rng.randint(0, 9)}, rng.randint(1, 99), f"o{rng.randint(0, 9)}", [1, rng.randint(2, 5)], True]
            )
        text = "".join(itertools.islice(self.letters, rng.choice([1, 1, 2, 3, 4, 5, 6])))
        return {"hex": text.encode().hex()} if self.has(0.12) else text

    def chunks(self, low: int, high: int) -> list[Any]:
        return [self.chunk() for _ in range(self.rng.randint(low, high))]

    def options(self) -> Operation:
        options: Operation = {"highWaterMark": self.rng.choice([1, 2, 3] if self.is_object else MARKS)}
        if self.is_object:
            options["objectMode"] = True
        if self.has(0.06):
            options["autoDestroy"] = False
        return options

    def add(self, kind: str, name: str, **parts: Any) -> Operation:
        listen = dict.fromkeys((READING if kind != "writable" else []) + (WRITING if kind != "readable" else []))
        made = {"name": name, "kind": kind, "opts": self.options(), "listen": list(listen), **parts}
        if self.has(0.1):
            made["destroy"] = {"via": self.via(["sync", "tick", "immediate"])}
        if self.has(0.04):
            made["construct"] = {"via": self.via()}
        self.streams.append(made)
        return made

    def source(self, end: str | None = None, *, at_least: int = 1) -> Operation:
        source: Operation = {
            "via": self.via(),
            "items": self.chunks(at_least, 6),
            "end": end or self.rng.choice(["end"] * 8 + ["open", "error"]),
        }
        if self.has(0.3):
            source["per"] = self.rng.randint(2, 3)
        if self.has(0.35):
            source["trace"] = True
        if self.has(0.2):
            source["late"] = True
        return source

    def sink(self, *, fails: float = 0.0) -> Operation:
        sink: Operation = {"via": self.via()}
        if self.has(fails):
            sink["fail_at"] = self.rng.randint(1, 3)
        if self.has(0.25):
            sink["writev"] = True
        if self.has(0.4):
            sink["final"] = {"via": self.via()}
        return sink

    def change(self, fails: str | None = None) -> Operation:
        """Of a transform."""
        change: Operation = {"via": self.via(), "fn": self.rng.choice(["id"] * 4 + ["double", "drop", "triple"])}
        if fails == "transform":
            change["fail_at"] = self.rng.randint(1, 3)
        elif fails == "throw":
            change["throw_at"] = self.rng.randint(1, 2)
        if fails in ("flush", "flushthrow") or self.has(0.35):
            change["flush"] = {"via": self.via(), "items": self.chunks(0, 2)}
        if fails in ("flush", "flushthrow"):
            change["flush"]["fail" if fails == "flush" else "throws"] = True
        return change

    def readable(self, name: str = "r", end: str | None = None, *, at_least: int = 1) -> Operation:
        return self.add("readable", name, src=self.source(end, at_least=at_least))

    def writable(self, name: str = "w", *, fails: float = 0.0) -> Operation:
        made = self.add("writable", name, sink=self.sink(fails=fails))
        if self.has(0.5):
            made["listen"] += ["pipe", "unpipe"]
        return made

    # ---- operations

    def do(self, op: str, name: str, **fields: Any) -> Operation:
        return {"op": op, "s": name, **fields}

    def then(self, *operations: Operation) -> None:
        self.script += operations

    def later(self, vias: list[Any], *operations: Operation) -> Operation:
        return {"op": "after", "via": self.via(vias), "do": list(operations)}

    def on(self, name: str, event: str, *operations: Operation, nth: bool = False) -> Operation:
        fields = {"nth": self.rng.randint(1, 3)} if nth else {}
        return self.do("on", name, ev=event, **fields, do=list(operations))

    def sample(self, name: str) -> Operation:
        return self.do("sample", name)

    def destroy(self, name: str) -> Operation:
        return self.do("destroy", name, **({"err": "stop"} if self.has(0.55) else {}))

    def write(self, name: str) -> Operation:
        return self.do("write", name, chunk=self.chunk(), cb=self.has(0.5))

    def writes(self, name: str, low: int, high: int) -> list[Operation]:
        return [self.write(name) for _ in range(self.rng.randint(low, high))]

    def end(self, name: str) -> Operation:
        return self.do("end", name, cb=self.has(0.5))

    def sprinkle(self, *names: str, chance: float = 0.7) -> None:
        if self.has(chance):
            self.then(self.later([*SOON, 5, 12], *map(self.sample, names)))

    # ---- topics

    def flowing(self) -> None:
        made = self.readable()
        if self.has(0.4):
            made["listen"] += ["pause", "resume"]
        self.then(self.do("listen", "r", ev="data"))
        resume = [self.sample("r"), self.do("resume", "r")]
        if self.has(0.55):
            pause = [self.do("pause", "r"), self.sample("r"), self.later(["tick", "immediate", 2], *resume)]
            self.then(self.on("r", "data", *pause, nth=True))
        elif self.has(0.4):
            self.then(self.do("pause", "r"), self.do("is_paused", "r"), self.later(["immediate", 2], *resume))
        elif self.has(0.5):
            self.then(self.on("r", "data", self.destroy("r"), nth=True))
        self.sprinkle("r")

    def paused(self) -> None:
        self.readable(at_least=2)
        read = self.do("read", "r", all=self.has(0.75))
        if not self.is_object and self.has(0.6):
            read["n"] = self.rng.choice([1, 2, 3, 5, 9])
        self.then(self.do("listen", "r", ev="readable"))
        if self.has(0.85):
            self.then(self.on("r", "readable", *[self.sample("r")] * self.has(0.5), read))
        else:
            self.then(self.later(["immediate", 3], read, self.sample("r"), {**read, "all": True}))
        if self.has(0.3):
            self.then(self.later(["immediate", 3], self.do("read", "r", n=0), self.sample("r")))
        if self.has(0.2) and not self.is_object:
            self.then(self.on("r", "readable", self.do("unshift", "r", chunk="UN"), nth=True))
        self.sprinkle("r")

    def pushed(self) -> None:
        made = self.add("readable", "r", src={"via": "sync", "items": [], "end": "open", "trace": self.has(0.6)})
        if self.has(0.5):
            made["listen"].append("readable")
        for _ in range(self.rng.randint(2, 6)):
            sizes = {"n": self.rng.choice([0, 1, 2, 3, 8])} if self.has(0.7) and not self.is_object else {}
            one = [self.do("push", "r", chunk=self.chunk()), self.do("read", "r", **sizes)]
            rare = [self.do("unshift", "r", chunk=self.chunk()), self.sample("r")]
            self.then(self.rng.choice(one * 3 + rare))
        rest = [self.do("push", "r", chunk=None), self.sample("r"), self.do("read", "r", all=True)]
        if self.has(0.3):
            rest.append(self.do("push", "r", chunk=self.chunk()))
        self.then(self.later(SOON, *rest))
        self.sprinkle("r")

    def written(self) -> None:
        self.writable(fails=0.12)
        for one in self.writes("w", 2, 6):
            self.then(one, *[self.sample("w")] * self.has(0.3))
        self.then(self.sample("w"))
        if self.has(0.6):
            more = [self.sample("w"), self.write("w"), *[self.end("w")] * self.has(0.6)]
            self.then({**self.on("w", "drain", *more), "nth": 1})
        if self.has(0.7):
            self.then(self.later(["tick", "immediate", 8], self.sample("w"), self.end("w"), self.sample("w")))
        self.sprinkle("w")

    def fed(self) -> None:
        self.writable(fails=0.15)
        self.then(self.do("feed", "w", items=self.chunks(3, 9), end=self.has(0.8)), self.sample("w"))
        if self.has(0.3):
            self.then(self.do("finished", "w"))
        self.sprinkle("w")

    def corked(self) -> None:
        made = self.writable()
        made["sink"]["writev"] = self.has(0.7)
        self.then(*[self.do("cork", "w")] * self.rng.randint(1, 2), *self.writes("w", 1, 4), self.sample("w"))
        uncork = [self.do("uncork", "w"), self.sample("w")]
        if self.has(0.35):
            self.then(*uncork)
        elif self.has(0.6):
            self.then(self.later(SOON, *uncork))
        if self.has(0.4):
            self.then(self.write("w"), self.do("uncork", "w"))
        end = {**self.end("w"), **({"chunk": self.chunk()} if self.has(0.4) else {})}
        self.then(self.later(["immediate", 5], end, self.sample("w")))

    def mistaken(self) -> None:
        made = self.writable()
        sink = made["sink"]
        mistake = self.rng.choice(["fail", "throw", "final", "finalthrow", "null", "after", "twice", "destroyed", "alive"])
        match mistake:
            case "fail":
                sink["fail_at"] = self.rng.randint(1, 3)
            case "throw":
                sink["throw_at"] = self.rng.randint(1, 3)
            case "final":
                sink["final"] = {"via": self.via(), "fail": True}
            case "finalthrow":
                sink["final"] = {"via": "sync", "throws": True}
            case "alive":
                made["opts"]["autoDestroy"] = False
                sink["fail_at"] = self.rng.choice([1, 2, 9])
        self.then(*self.writes("w", 1, 3))
        if mistake == "null":
            self.then(self.do("write", "w", chunk=None))
        if self.has(0.5):
            self.then(self.do("finished", "w"))
        if mistake == "destroyed":
            self.then(*[self.end("w")] * self.has(0.4), self.destroy("w"), self.sample("w"), *self.writes("w", 0, 2))
        self.then(self.end("w"), *{"after": self.writes("w", 1, 2), "twice": [self.end("w")]}.get(mistake, []), self.sample("w"))
        self.sprinkle("w")

    def piped(self) -> None:
        self.readable(end=self.rng.choice(["end"] * 6 + ["open", "error"]))
        self.writable(fails=0.12)
        self.then(self.do("pipe", "r", to="w", **({"noend": True} if self.has(0.15) else {})))
        if self.has(0.3):
            again = self.do("pipe", "r", to="w") if self.has(0.6) else self.do("resume", "r")
            unpipe = [self.do("unpipe", "r", to="w"), self.sample("r"), self.later(["immediate", 2], self.sample("r"), again)]
            self.then(self.on("r", "data", *unpipe, nth=True))
        elif self.has(0.25):
            self.then(self.later(["tick", "immediate", 2], self.destroy(self.rng.choice("rw"))))
        elif self.has(0.3):
            self.writable("v")
            self.then(self.do("pipe", "r", to="v"))
        self.sprinkle("r", "w")

    def chained(self) -> None:
        self.readable(end="end")
        self.add("transform", "t", tf=self.change(self.rng.choice([None] * 4 + ["transform", "flush", "flushthrow"])))
        self.writable()
        self.then(self.do("pipe", "r", to="t"), self.do("pipe", "t", to="w"))
        if self.has(0.4):
            self.then(self.do("finished", "t"))
        self.sprinkle("t", "w")

    def transformed(self) -> None:
        made = self.add(
            "transform", "t", tf=self.change(self.rng.choice([None] * 5 + ["transform", "flush", "flushthrow", "throw"]))
        )
        if self.has(0.12):
            made["tf"]["fn"] = "endearly"
        if self.has(0.35):
            del made["opts"]["highWaterMark"]
            made["opts"] |= {"readableHighWaterMark": self.rng.choice(MARKS), "writableHighWaterMark": self.rng.choice(MARKS)}
        reads = self.rng.choice(["data", "data", "readable", None])
        if reads == "data":
            self.then(self.do("listen", "t", ev="data"))
        elif reads == "readable":
            self.then(self.do("listen", "t", ev="readable"), self.on("t", "readable", self.do("read", "t", all=True)))
        for one in self.writes("t", 1, 5):
            self.then(one, *[self.sample("t")] * self.has(0.25))
        rest = [self.end("t"), self.sample("t")]
        if reads is None:
            rest.append(self.later(["immediate"], self.do("resume", "t")))
        self.then(*(rest if self.has(0.5) else [self.later(["tick", "immediate", 6], *rest)]))
        if self.has(0.3):
            self.then(self.do("finished", "t"))
        self.sprinkle("t")

    def passed(self) -> None:
        self.add("passthrough", "p")
        for one in self.writes("p", 2, 6):
            self.then(one, *[self.rng.choice([self.sample("p"), self.do("read", "p")])] * self.has(0.3))
        use = self.rng.choice([self.do("listen", "p", ev="data"), self.do("iterate", "p"), self.do("resume", "p")])
        self.then(self.later(SOON, use, self.sample("p")), self.later(["immediate", 6], self.do("end", "p"), self.sample("p")))

    def pipeline(self) -> None:
        middle = ["t", "u"][: self.rng.randint(0, 2)]
        stages = ["r", *middle, "w"]
        where = self.rng.choice([*stages, None, None, None])
        how = self.rng.choice(["fail", "endfail", "destroy", "destroy"])
        fails = how in ("fail", "endfail")
        self.readable(end="error" if where == "r" and fails else "end", at_least=2)
        for name in middle:
            if self.has(0.25):
                self.add("passthrough", name)
            else:
                failing = {"fail": "transform", "endfail": "flush"}.get(how)
                self.add("transform", name, tf=self.change(failing if where == name else None))
        sink = self.writable()["sink"]
        if where == "w" and how == "fail":
            sink["fail_at"] = self.rng.randint(1, 3)
        elif where == "w" and how == "endfail":
            sink["final"] = {"via": self.via(), "fail": True}
        for made in self.streams:
            if self.has(0.5):
                made["listen"] = ["close", "error"]
        self.then({"op": "pipeline", "stages": stages})
        if where and not fails:
            self.then(self.later(["sync", *SOON], self.destroy(where)))
        self.sprinkle(*stages, chance=0.3)

    def finished(self) -> None:
        kind = self.rng.choice(["readable", "writable", "passthrough", "duplex"])
        end = self.do("end", "s", chunk=self.chunk())
        resume = self.do("resume", "s")
        if kind == "readable":
            self.readable("s", self.rng.choice(["end", "error", "open"]))
            use = [resume] * self.has(0.8)
        elif kind == "writable":
            self.writable("s", fails=0.3)
            use = [end]
        elif kind == "passthrough":
            self.add("passthrough", "s")
            use = [end, *[resume] * self.has(0.8)]
        else:
            made = self.add("duplex", "s", src=self.source("end"), sink=self.sink())
            if self.has(0.4):
                made["opts"]["allowHalfOpen"] = False
            use = [resume, *[end] * self.has(0.7)]
        watch = self.do("finished", "s", opts=self.rng.choice([{}, {}, {"readable": False}, {"writable": False}]))
        self.then(watch, *([self.later(SOON, *use)] if self.has(0.35) else use))
        if self.has(0.4):
            self.then(self.later(["sync", "tick", "immediate", 3], self.destroy("s")))
        if self.has(0.35):
            self.then({"op": "after", "via": 15, "do": [watch]})
        self.sprinkle("s", chance=0.4)

    def iterated(self) -> None:
        if self.has(0.75):
            self.readable(at_least=2)
        else:
            self.add("passthrough", "r")
            self.then(self.do("feed", "r", items=self.chunks(2, 6), end=self.has(0.8)))
        iterate = self.do("iterate", "r", **({"via": self.via(["tick", "immediate", 1])} if self.has(0.4) else {}))
        if self.has(0.5):
            iterate[self.rng.choice(["break_after", "break_after", "throw_after"])] = self.rng.randint(1, 3)
        self.then(iterate)
        if self.has(0.25):
            self.then(self.later(["tick", "immediate", 4], self.destroy("r")))
        self.sprinkle("r", chance=0.4)

    def destroyed(self) -> None:
        kind = self.rng.choice(["readable", "writable", "duplex", "passthrough", "transform"])
        parts: dict[str, Operation] = {}
        if kind in ("readable", "duplex"):
            parts["src"] = self.source()
        if kind in ("writable", "duplex"):
            parts["sink"] = self.sink()
        if kind == "transform":
            parts["tf"] = self.change()
        made = self.add(kind, "s", **parts)
        if self.has(0.6):
            made["destroy"] = {"via": self.via(["sync", "tick", "immediate"]), "fail": self.has(0.25)}
        reads, writes = kind != "writable", kind != "readable"
        if reads and self.has(0.6):
            self.then(self.do("listen", "s", ev="data"))
        if writes:
            self.then(*self.writes("s", 0, 3), *[self.end("s")] * self.has(0.4))
        after = [self.destroy("s"), self.sample("s")]
        if self.has(0.4):
            after.append(self.do("destroy", "s", err="second"))
        if reads and self.has(0.5):
            after += [self.do("push", "s", chunk=self.chunk()), self.do("read", "s")]
        if writes and self.has(0.4):
            after.append(self.write("s"))
        if self.has(0.4):
            after.append(self.do("finished", "s"))
        self.then(self.later(["sync", *SOON], *after))
        self.sprinkle("s", chance=0.5)

    def decoded(self) -> None:
        self.is_object = False
        data = "".join(self.rng.choice(CHARACTERS) for _ in range(self.rng.randint(3, 7))).encode()
        if self.has(0.2):
            data = data[:-1]
        if self.has(0.12):
            data = data[:2] + b"\xff" + data[2:]
        items = []
        while data:
            size = self.rng.choice([1, 1, 2, 3, 4, 5])
            items.append({"hex": data[:size].hex()})
            data = data[size:]
        encoding = self.rng.choice(["utf8"] * 4 + ["hex", "latin1", "base64"])
        made = self.add("readable", "r", src={"via": self.via(["sync", "tick", "immediate"]), "items": items, "end": "end"})
        if self.has(0.3):
            made["opts"]["encoding"] = encoding
        else:
            self.then(self.do("set_encoding", "r", enc=encoding))
        sizes = {"n": self.rng.randint(1, 3)} if self.has(0.5) else {}
        read = self.on("r", "readable", self.sample("r"), self.do("read", "r", all=True, **sizes))
        self.then(self.rng.choice([self.do("listen", "r", ev="data"), read, self.do("iterate", "r")]))

    def duplex(self) -> None:
        made = self.add("duplex", "d", src=self.source(), sink=self.sink(fails=0.1))
        if self.has(0.4):
            made["opts"]["allowHalfOpen"] = False
        if self.has(0.3):
            del made["opts"]["highWaterMark"]
            made["opts"] |= {"readableHighWaterMark": self.rng.choice(MARKS), "writableHighWaterMark": self.rng.choice(MARKS)}
        if self.has(0.8):
            self.then(self.rng.choice([self.do("listen", "d", ev="data"), self.do("resume", "d")]))
        self.then(*self.writes("d", 0, 4), self.sample("d"))
        if self.has(0.7):
            self.then(self.later(["tick", "immediate", 4], self.do("end", "d"), self.sample("d")))
        if self.has(0.3):
            self.then(self.do("finished", "d"))
        self.sprinkle("d", chance=0.4)


TOPICS: list[Callable[[Generator], None]] = [
    Generator.flowing,
    Generator.paused,
    Generator.pushed,
    Generator.written,
    Generator.fed,
    Generator.corked,
    Generator.mistaken,
    Generator.piped,
    Generator.chained,
    Generator.transformed,
    Generator.passed,
    Generator.pipeline,
    Generator.pipeline,
    Generator.finished,
    Generator.iterated,
    Generator.destroyed,
    Generator.decoded,
    Generator.duplex,
]


def programs(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """The same ones for the same seed."""
    for number in range(count):
        topic = TOPICS[number % len(TOPICS)]
        generator = Generator(random.Random(f"streams-{seed}/{number}"))
        topic(generator)
        yield {"id": f"{seed}-{number}", "goal": topic.__name__, "streams": generator.streams, "script": generator.script}
