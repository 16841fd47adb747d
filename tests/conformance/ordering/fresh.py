"""Fresh ordering programs, made from seeds, recorded with real Node and run on treadle: `make ordering`. Takes long; no test.

A program is kept where Node gives one and the same log in ten runs of each version: three plain ones, one that starts late, two
whose first timers wait longest, three in which callbacks take longer and reads are shorter or longer, one whose reads are over
at the next poll. Some whose order is up to chance slip through: nearly all have a timer of 1 ms beside a read or an immediate. So
where treadle gives another log, Node is asked in more ways, and only a log that Node gives too is up to chance; each of these is
shown. Any other log is a difference, whatever treadle gives at other times, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.conformance.ordering.adapter import Interpreter
from tests.conformance.ordering.generate import programs

Program = dict[str, Any]

RUNNER = Path(__file__).with_name("run_node.js")
DEADLINE_S = 20.0
AT_ONCE = 3  # runs of Node that share the processors, so that timing varies
BATCH = 24

READS = [{"READS": how} for how in ("stat", "file", "ready")]
#: The likeliest to give the other order of a timer of 1 ms and a read.
EARLY = [{**reads, "EARLY": "1"} for reads in READS]
JITTERS = [{"JITTER": str(seed)} for seed in (11, 18, 25)]
PLAN: list[dict[str, str]] = [{"READS": "ready"}, *EARLY[:1] * 2, JITTERS[0], {}, JITTERS[1], {}, JITTERS[2], {}, {"DELAY": "7"}]
#: The ways in which Node is asked whether it gives a log of treadle's, too: the likely ones first.
MORE = [
    *EARLY * 8,
    *READS * 12,
    *({**reads, "JITTER": str(seed)} for seed in range(100, 130) for reads in READS),
    *({**reads, "DELAY": str(ms)} for ms in range(8) for reads in READS),
]


def node_log(node: str, path: Path, variation: dict[str, str]) -> list[str]:
    """The log of one run. Raises where it fails, or hangs."""
    finished = subprocess.run(
        [node, RUNNER, path], env={**os.environ, **variation}, capture_output=True, text=True, check=True, timeout=DEADLINE_S
    )
    log: list[str] = json.loads(finished.stdout)
    return log


def logs_of(nodes: list[str], program: Program, variations: Iterable[dict[str, str]]) -> Iterator[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.json"
        path.write_text(json.dumps(program))
        for variation, node in itertools.product(variations, nodes):
            yield node_log(node, path, variation)


def recorded(nodes: list[str], program: Program) -> Program | None:
    """With the log that Node gives in all runs, or None."""
    logs = logs_of(nodes, program, PLAN)
    expect = next(logs)
    return {**program, "expect": expect} if all(log == expect for log in logs) else None


def record(nodes: list[str], candidates: Iterable[Program], file: Path) -> list[Program]:
    kept: list[Program] = []
    tried = 0
    candidates = iter(candidates)
    with ThreadPoolExecutor(AT_ONCE) as pool, file.open("w") as out:
        while batch := list(itertools.islice(candidates, BATCH)):
            tried += len(batch)
            for program in pool.map(lambda candidate: recorded(nodes, candidate), batch):
                if program is not None:
                    kept.append(program)
                    out.write(json.dumps(program) + "\n")
            print(f"{tried} candidates, {len(kept)} kept", file=sys.stderr, flush=True)
    return kept


def verdict(nodes: list[str], program: Program) -> str:
    """ "same", "up to chance" where Node gives treadle's log too, or "different"."""
    log = Interpreter(program).main()
    if log == program["expect"]:
        return "same"
    is_nodes = nodes and any(other == log for other in logs_of(nodes, program, MORE))
    found = "up to chance" if is_nodes else "different"
    print(f"{found}: {program['id']} {program['goal']}\n  Node    {program['expect']}\n  treadle {log}", flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Fresh ordering programs on real Node and on treadle.")
    parser.add_argument("--node", action="append", help="a Node to record with, several times; default: node on PATH")
    parser.add_argument("--seed", type=int, action="append", help="several times; default: 1")
    parser.add_argument("--count", type=int, default=400, help="candidates from each seed; some 60 %% are kept")
    parser.add_argument("--recorded", type=Path, help="run what an earlier call has kept, instead of recording anew")
    parser.add_argument("--keep", type=Path, default=Path("build/ordering.jsonl"), help="where to write what is kept")
    options = parser.parse_args()
    nodes = options.node or [node for node in [shutil.which("node")] if node]
    if not nodes:
        parser.error("no node on PATH: name one by --node")
    if options.recorded:
        kept = [json.loads(line) for line in options.recorded.read_text().splitlines()]
    else:
        candidates = [program for seed in options.seed or [1] for program in programs(seed, options.count)]
        kept = record(nodes, candidates, options.keep)
    counts = Counter(verdict(nodes, program) for program in kept)
    python = ".".join(map(str, sys.version_info[:3]))
    print(f"CPython {python}: {len(kept)} programs, " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
