"""A server under callgrind: instrumentation off while it starts and warms up, on for the requests that count.

Every function is recorded together with the chain of its callers (CALLERS deep), so that each instruction belongs to
exactly one path through the server, and a helper called from two stages is charged to each for its own part.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .server import Server, read_answer, request

CALLERS = 40  # deeper than the interpreter goes between two stages; a chain that is cut off loses its stage
CONTROL_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 60.0

COMPRESSED = re.compile(r"\((\d+)\)(?: (.*))?$")
GCC_CLONE = re.compile(r"\.(?:isra|constprop|part|cold|lto_priv)\b.*$")  # one function, several bodies
CYTHON = re.compile(r"__pyx_(?:f|fuse_\d+|pf|pw)_(?=\d)")


@dataclass(frozen=True)
class Cost:
    """Instructions spent in chain[0] itself; its callers follow, innermost first."""

    chain: tuple[str, ...]
    instructions: int


def count(
    argv: list[str], *, valgrind: str, port: int, cpu: int, out: Path, requests: int, warm: int, connections: int
) -> list[Cost]:
    """Start argv under callgrind, warm it up, and count what `requests` keep-alive requests cost."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    tool = [
        valgrind,
        "--tool=callgrind",
        "--instr-atstart=no",
        f"--separate-callers={CALLERS}",
        "--dump-line=no",
        f"--callgrind-out-file={out / 'counts'}",
    ]
    with Server([*tool, *argv], port=port, cpu_index=cpu) as server, ExitStack() as stack:
        server.wait_ready()
        sockets = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), ANSWER_TIMEOUT_S)) for _ in range(connections)
        ]
        _drive(sockets, port, warm)
        _control(valgrind, server, "instrumentation", "on")
        _drive(sockets, port, requests)
        _control(valgrind, server, "dump")
    return list(parse(out / "counts.1"))


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
    """The C name as its author wrote it: `treadle._native.loop.LoopCore.poll` for a Cython function."""
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


def _drive(sockets: list[socket.socket], port: int, requests: int) -> None:
    """Bursts over all connections, as a busy server sees them: every answer is read before the next burst."""
    for done in range(0, requests, len(sockets)):
        burst = sockets[: requests - done]
        for one in burst:
            one.sendall(request(port))
        for one in burst:
            read_answer(one)


def _control(valgrind: str, server: Server, *command: str) -> None:
    """A monitor command of callgrind; it wakes a server that sleeps in the kernel."""
    vgdb = str(Path(valgrind).with_name("vgdb"))
    subprocess.run([vgdb, f"--pid={server.pid}", *command], capture_output=True, timeout=CONTROL_TIMEOUT_S, check=True)
