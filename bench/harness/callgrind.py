"""A program under callgrind: instrumentation off while it starts and warms up, on for what counts.

Every function of a server is recorded together with the chain of its callers (CALLERS deep), so that each instruction belongs
to exactly one path through the server, and a helper called from two stages is charged to each for its own part.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .server import LOG_TAIL, Server, ServerError
from .table import number

CALLERS = 40  # deeper than the interpreter goes between two stages; a chain that is cut off loses its stage
CONTROL_TIMEOUT_S = 60.0

COMPRESSED = re.compile(r"\((\d+)\)(?: (.*))?$")
GCC_CLONE = re.compile(r"\.(?:isra|constprop|part|cold|lto_priv)\b.*$")  # one function, several bodies
CYTHON = re.compile(r"__pyx_(?:f|fuse_\d+|pf|pw)_(?=\d)")


@dataclass(frozen=True)
class Cost:
    """Instructions spent in chain[0] itself; its callers follow, innermost first."""

    chain: tuple[str, ...]
    instructions: int


def count_requests(
    argv: list[str],
    *,
    valgrind: str,
    port: int,
    cpu: int,
    out: Path,
    requests: int,
    warm: int,
    connections: int,
    connect: Callable[[], socket.socket],
    exchange: Callable[[Sequence[socket.socket]], None],
    callers: int = CALLERS,
    env: Mapping[str, str] | None = None,
) -> list[Cost]:
    """Start a server under callgrind, warm it up, and count what `requests` requests over open connections cost.

    exchange() sends one request on each of the connections, as a busy server sees them, and reads every answer.
    """

    def drive(count: int) -> None:
        for done in range(0, count, connections):
            exchange(sockets[: count - done])

    with Server(_under(valgrind, out, callers) + argv, port=port, cpu_index=cpu, env=env) as server, ExitStack() as stack:
        server.wait_ready()
        sockets = [stack.enter_context(connect()) for _ in range(connections)]
        drive(warm)
        _control(valgrind, server.pid, "instrumentation", "on")
        drive(requests)
        _control(valgrind, server.pid, "dump")
    return list(parse(out / "counts.1"))


def count_section(argv: list[str], *, valgrind: str, cpu: int, out: Path, env: Mapping[str, str]) -> list[Cost]:
    """Start a program under callgrind and count what it does between "ready" and "done", at each of which it waits for a line.

    Callers are not told apart. Raises ServerError when it ends early.
    """
    with subprocess.Popen(
        _under(valgrind, out, 0) + argv,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            for word, command in (("ready", ("instrumentation", "on")), ("done", ("dump",))):
                if process.stdout.readline().strip() != word:
                    process.kill()
                    raise ServerError(process.communicate()[1].strip()[-LOG_TAIL:])
                _control(valgrind, process.pid, *command)
                process.stdin.write("\n")
                process.stdin.flush()
        finally:
            process.kill()
    return list(parse(out / "counts.1"))


def total(costs: Sequence[Cost]) -> int:
    """All instructions."""
    return sum(cost.instructions for cost in costs)


def dearest(costs: Sequence[Cost], count: int, operations: int) -> list[tuple[str, str]]:
    """The functions with the highest own cost, and that per operation, as a table shows it."""
    own: Counter[str] = Counter()
    for cost in costs:
        own[cost.chain[0].removeprefix("treadle._native.")] += cost.instructions
    return [(name, number(instructions / operations)) for name, instructions in own.most_common(count)]


def _under(valgrind: str, out: Path, callers: int) -> list[str]:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return [
        valgrind,
        "--tool=callgrind",
        "--instr-atstart=no",
        f"--separate-callers={callers}",
        "--dump-line=no",
        f"--callgrind-out-file={out / 'counts'}",
    ]


def parse(path: Path) -> Iterator[Cost]:
    """Own costs of each function in each chain of callers; the calls of the file are in the chains already."""
    names: dict[str, tuple[str, ...]] = {}
    chain: tuple[str, ...] = ()
    own = 0
    is_call_cost = False
    for line in path.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and key in ("fn", "cfn"):
            found = COMPRESSED.match(value)
            if not found:
                raise ValueError(f"{path}: {line}")
            if found[2]:
                names[found[1]] = tuple(map(readable, found[2].split("'")))
            if key == "fn":
                if own:
                    yield Cost(chain, own)
                chain, own = names[found[1]], 0
        elif key == "calls":
            is_call_cost = True
        elif line and line[0] in "0123456789+-*":
            if not is_call_cost:
                own += int(line.split()[-1])
            is_call_cost = False
    if own:
        yield Cost(chain, own)


def readable(symbol: str) -> str:
    """The C name as its author wrote it: `treadle._native.io_phases.IoPhases.poll` for a Cython function."""
    symbol = GCC_CLONE.sub("", symbol)
    mangled = CYTHON.match(symbol)
    if not mangled:
        return symbol
    # Packages, module and class come as <length><name>; the function as <name>, or <index><name> for a def function,
    # whose index could be taken for a length: nothing but the function follows a class, which begins with a capital.
    parts: list[str] = []
    rest = symbol[mangled.end() :]
    while (length := re.match(r"\d+", rest)) and not (parts and parts[-1][:1].isupper()):
        end = length.end() + int(length[0])
        if end != len(rest) and rest[end : end + 1] != "_":
            break
        parts.append(rest[length.end() : end])
        rest = rest[end + 1 :]
    return ".".join([*parts, rest.lstrip("0123456789")] if rest else parts)


def _control(valgrind: str, pid: int, *command: str) -> None:
    """A monitor command of callgrind; it wakes a program that sleeps in the kernel."""
    vgdb = str(Path(valgrind).with_name("vgdb"))
    subprocess.run([vgdb, f"--pid={pid}", *command], capture_output=True, timeout=CONTROL_TIMEOUT_S, check=True)
