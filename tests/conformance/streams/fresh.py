"""Fresh programs of streams, made from seeds, recorded with real Node, and run on the model and on treadle.streams: `make
streams-oracle`. Takes long; no test.

A program is kept where Node 24 gives one and the same log in thirteen runs: plain, late, with computing here and there, with
timers that are slow, due at once, or late, begun in a timer. `--older` names a Node that is only to agree, in three runs; where
it does not, the program is dropped, and counted. A log of ours that is another than Node's is a difference; it is shown, and the
exit status is 1.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.conformance.streams.adapter import Interpreter
from tests.conformance.streams.generate import programs

Program = dict[str, Any]

RUNNER = Path(__file__).with_name("run_node.js")
DEADLINE_S = 20.0
AT_ONCE = 3  # runs of Node that share the processors, so that timing varies
BATCH = 24
MODULES = ["tests.model.streams", "treadle.streams"]

#: The likely ones to differ first.
PLAN: list[dict[str, str]] = [
    {"SCALE": "6"},
    {"SPIN": "1"},
    {"LATE": "4"},
    {"WARM": "1"},
    {"WARM": "1", "JITTER": "5"},
    {},
    *({"JITTER": str(seed)} for seed in (11, 18, 25)),
    {},
    *({"JITTER": str(seed), "HEAVY": "1"} for seed in (91, 92)),
]
PLAN_OF_OLDER = PLAN[3:6]
WITHOUT_WORD = ("uncaught", "unhandled")  # a log that shows one says nothing of streams


def node_log(node: str, path: Path, variation: dict[str, str]) -> list[str]:
    """The log of one run. Raises where it fails, or hangs."""
    finished = subprocess.run(
        [node, RUNNER, path], env={**os.environ, **variation}, capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    log: list[str] = json.loads(finished.stdout)
    return log


def recorded(node: str, older: list[str], program: Program) -> tuple[Program | None, str]:
    """With the log that Node gives in all runs; None, and why, if there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.json"
        path.write_text(json.dumps(program))
        expect = node_log(node, path, {})
        logs = [expect, *(node_log(node, path, variation) for variation in PLAN)]
        if any(line.startswith(WITHOUT_WORD) for log in logs for line in log):
            return None, "uncaught"
        if any(log != expect for log in logs):
            return None, "races"
        if any(node_log(other, path, variation) != expect for other in older for variation in PLAN_OF_OLDER):
            return None, "older differs"
    return {**program, "expect": expect}, "kept"


def record(node: str, older: list[str], candidates: Iterable[Program], file: Path) -> list[Program]:
    kept: list[Program] = []
    counts: Counter[str] = Counter()
    candidates = iter(candidates)
    file.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(AT_ONCE) as pool, file.open("w") as out:
        while batch := list(itertools.islice(candidates, BATCH)):
            for program, why in pool.map(lambda candidate: recorded(node, older, candidate), batch):
                counts[why] += 1
                if program is not None:
                    kept.append(program)
                    out.write(json.dumps(program) + "\n")
            print(", ".join(f"{count} {why}" for why, count in counts.items()), file=sys.stderr, flush=True)
    return kept


def differs(module: str, program: Program) -> bool:
    log = Interpreter(importlib.import_module(module), program).main()
    if log == program["expect"]:
        return False
    print(f"{module} differs: {program['id']} {program['goal']}")
    for ours, nodes in itertools.zip_longest(log, program["expect"], fillvalue=""):
        print(f"  {' ' if ours == nodes else '!'} {ours:60} {nodes if ours != nodes else ''}")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Fresh programs of streams on real Node, on the model and on treadle.streams.")
    parser.add_argument("--node", help="the Node to record with, a 24; default: node on PATH")
    parser.add_argument("--older", action="append", default=[], help="one that is to agree, several times")
    parser.add_argument("--seed", type=int, action="append", help="several times; default: 1")
    parser.add_argument("--count", type=int, default=450, help="candidates from each seed; some 70 %% are kept")
    parser.add_argument("--recorded", type=Path, help="run what an earlier call has kept, instead of recording anew")
    parser.add_argument("--keep", type=Path, default=Path("build/streams.jsonl"), help="where to write what is kept")
    options = parser.parse_args()
    node = options.node or shutil.which("node")
    if options.recorded:
        kept = [json.loads(line) for line in options.recorded.read_text().splitlines()]
    elif node is None:
        parser.error("no node on PATH: name one by --node")
    else:
        candidates = [program for seed in options.seed or [1] for program in programs(seed, options.count)]
        kept = record(node, options.older, candidates, options.keep)
    python = ".".join(map(str, sys.version_info[:3]))
    total = 0
    for module in MODULES:
        different = sum(differs(module, program) for program in kept)
        print(f"CPython {python}, {module}: {len(kept)} programs, {different} different")
        total += different
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
