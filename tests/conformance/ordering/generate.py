"""Random programs for fresh.py, from a seed.

Each has a goal, "parent>a+b": in a callback of kind parent, callbacks of kinds a and b are scheduled side by side; random
material stands around it. The goals go through all triples, so that every pair of kinds meets. Many race; fresh.py drops those.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

Operation = dict[str, Any]

KINDS = ["timeout", "immediate", "tick", "micro", "then", "async", "fs", "interval"]
WAITING = {"timeout", "immediate", "fs", "interval"}  # what is not run between two callbacks
CLEARABLE = ("timeout", "immediate", "interval")
MS = [0, 1, 5, 20]
DEPTH_MAX = 4
OPERATIONS_MAX = 22  # after so many, nothing is added that the goal does not need
FEATURES = [None] * 5 + ["clear", "clear", "unref", "try", "throw"]
LETTERS = {
    "timeout": "t", "immediate": "i", "tick": "k", "micro": "m", "then": "p", "async": "a", "fs": "f", "interval": "v",
    "log": "l", "try": "x", "throw": "u",
}  # fmt: skip


class Generator:
    """Makes one program."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.labels = self.operations = 0
        self.made: list[tuple[str, str]] = []  # label and kind of what can be cleared

    def program(self, goal: tuple[str, str, str], feature: str | None) -> list[Operation]:
        rng = self.rng
        parent, a, b = goal
        depth = 1 if parent == "main" else 2
        pair = [self.operation(kind, self.filling(depth + 1), depth, waits=True) for kind in (a, b)]
        if rng.random() < 0.5:
            pair.reverse()
        inner = pair + self.filling(depth)
        if rng.random() < 0.5:
            inner = self.filling(depth) + inner
        self.delay(inner, goal)
        self.add_feature(inner, feature, depth)
        body = inner
        if parent != "main":
            outer = self.operation(parent, inner, 1)
            if parent == "interval":
                outer["times"] = min(outer["times"], 2)
            body = [outer]
        if rng.random() < 0.6:
            body = self.filling(1)[:2] + body
        if rng.random() < 0.5:
            body.append(self.operation(rng.choice(["tick", "micro", "then", "async"]), [], 1))
        if rng.random() < 0.3:
            body.append({"op": "log", "m": "main-end"})
        return body

    def label(self, kind: str) -> str:
        self.labels += 1
        return f"{LETTERS[kind]}{self.labels}"

    def operation(self, kind: str, do: list[Operation], depth: int, *, waits: bool = False) -> Operation:
        rng = self.rng
        label = self.label(kind)
        self.operations += 1
        made: Operation = {"op": kind, "m": label}
        if kind in CLEARABLE:
            made["id"] = label
            self.made.append((label, kind))
        if kind in ("timeout", "interval"):
            made["ms"] = rng.choice(MS if kind == "timeout" else [0, 1, 5])
            if kind == "timeout" and do and rng.random() < 0.5:
                made["ms"] = rng.choice([0, 1])
        if kind == "interval":
            made["times"] = rng.randint(1, 3)
        if kind == "then":
            made["depth"] = rng.randint(1, 4)
            made["at"] = rng.randint(1, made["depth"])
        if kind == "async":
            made["steps"] = self.steps(depth, waits=waits)
        made["do"] = do
        return made

    def steps(self, depth: int, *, waits: bool) -> list[Operation]:
        """Of an async function."""
        rng = self.rng
        steps: list[Operation] = []
        kinds = ["resolved"] * 4 + ["reject", "tick", "micro", "async"] + (["immediate", "timeout", "fs"] if waits else [])
        for _ in range(rng.randint(1, 3)):
            step: Operation = {"aw": rng.choice(kinds)}
            if step["aw"] == "timeout":
                step["ms"] = rng.choice(MS)
            if step["aw"] == "async":
                if depth >= DEPTH_MAX:
                    step = {"aw": "resolved"}
                else:
                    step["fn"] = {"m": self.label("async"), "do": [], "steps": self.steps(depth + 1, waits=False)}
            if rng.random() < 0.15 and depth < DEPTH_MAX:
                kind = rng.choice(["tick", "micro", "then", "tick", "micro", "immediate", "timeout"])
                step["do"] = [self.operation(kind, [], depth + 1)]
            steps.append(step)
        return steps

    def filling(self, depth: int) -> list[Operation]:
        """Random operations for a callback at this depth."""
        rng = self.rng
        if depth > DEPTH_MAX or self.operations > OPERATIONS_MAX:
            return []
        filling: list[Operation] = []
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            dice = rng.random()
            if dice < 0.45:
                kind = rng.choice(["tick", "micro", "then", "async"])
                filling.append(self.operation(kind, self.filling(depth + 1) if rng.random() < 0.5 else [], depth))
            elif dice < 0.65:
                kind = rng.choice(["timeout", "immediate", "immediate", "fs"])
                filling.append(self.operation(kind, self.filling(depth + 1) if rng.random() < 0.4 else [], depth))
            elif dice < 0.75:
                filling.append({"op": "log", "m": self.label("log")})
            elif dice < 0.83:
                filling.append({"op": "busy", "ms": rng.choice([2, 3, 8])})
            elif dice < 0.90 and self.made:
                filling.append(self.on_made("clear", *rng.choice(self.made[-6:])))
            elif dice < 0.95:
                filling.append({"op": "try", "m": self.label("try"), "do": self.filling(depth + 1)})
            elif self.made:
                chosen = rng.choice(self.made[-6:])
                filling.append(self.on_made("unref", *chosen))
                if rng.random() < 0.3:
                    filling.append(self.on_made("ref", *chosen))
        return filling

    def delay(self, inner: list[Operation], goal: tuple[str, str, str]) -> None:
        """Compute for so long that what is short is due: else the goal would be up to chance."""
        rng = self.rng
        timed = sum(operation["op"] in CLEARABLE for operation in inner)
        parent, a, b = goal
        if (timed > 1 and rng.random() < 0.45) or (parent == "main" and {a, b} <= WAITING and rng.random() < 0.7):
            inner.append({"op": "busy", "ms": rng.choice([3, 8, 12])})
        if rng.random() < 0.25:
            inner.insert(rng.randint(0, len(inner)), {"op": "busy", "ms": rng.choice([3, 8])})

    def add_feature(self, inner: list[Operation], feature: str | None, depth: int) -> None:
        rng = self.rng
        if feature == "clear" and self.made:
            for chosen in rng.sample(self.made, min(2, len(self.made))):
                spots = [inner] + [operation["do"] for operation in inner if isinstance(operation.get("do"), list)]
                rng.choice(spots).append(self.on_made("clear", *chosen))
        elif feature == "unref" and self.made:
            chosen = rng.choice(self.made)
            inner.append(self.on_made("unref", *chosen))
            if rng.random() < 0.4:
                inner.append(self.on_made(rng.choice(["ref", "unref"]), *chosen))
        elif feature == "try":
            start = rng.randint(0, len(inner))
            inner[start:] = [{"op": "try", "m": self.label("try"), "do": inner[start:]}, *self.filling(depth)]
        elif feature == "throw":
            kinds = ("timeout", "immediate", "tick", "micro", "fs")
            spots = [operation["do"] for operation in inner if operation["op"] in kinds]
            if spots:
                rng.choice(spots).append({"op": "throw", "m": self.label("throw")})

    def on_made(self, name: str, label: str, kind: str) -> Operation:
        return {"op": name, "id": label, "kind": kind}


def features_of(operations: list[Operation]) -> set[str]:
    """What a program contains that asks for care: see adapter.py and chance.py."""
    found: set[str] = set()
    for operation in operations:
        if operation["op"] in ("throw", "unref"):
            found.add(operation["op"])
        for nested in [operation, *operation.get("steps", ())]:
            found |= features_of(nested.get("do") or [])
    return found


def programs(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """The same ones for the same seed."""
    goals = [
        (parent, a, b) for parent in ["main", *KINDS] for a, b in itertools.combinations_with_replacement(KINDS, 2)
    ]  # fmt: skip
    random.Random(f"open-{seed}").shuffle(goals)
    for number in range(count):
        parent, a, b = goal = goals[number % len(goals)]
        generator = Generator(random.Random(f"open-{seed}/{number}"))
        body = generator.program(goal, FEATURES[number % len(FEATURES)])
        yield {
            "id": f"{seed}-{number}",
            "goal": f"{parent}>{a}+{b}",
            "body": body,
            "features": sorted(features_of(body)),
        }
