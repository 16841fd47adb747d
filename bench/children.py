#!/usr/bin/env python3
"""Child processes: how long starting one holds up the loop, by the size of the process that does; what a child, and a MiB of its
output, cost beside asyncio and Node 24.

    python3 bench/children.py [--rounds 3] [--quick]

held up: median ms of the call that starts /bin/true: `spawn` without pipes, `subprocess.Popen`, and both as another user, for
which Popen takes fork(2). In one process, interleaved; it is given 1 GiB that it has written to, and then 10,000 descriptors.
child: `true`, its three pipes connected, to its 'close', eight at a time. read: 'data' of `head -c 1G`. Peers take turns;
nothing is pinned, since the children run beside. CPU is that of the starting process alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from harness import environment, paths, pinned
from harness.environment import say
from harness.rounds import taking_turns
from harness.table import number, table

ROUNDS, STARTS, CHILDREN, AT_ONCE = 3, 30, 500, 8
BYTES = 2**30
DESCRIPTORS = 10_000
NOBODY = 65534  # the number that systems give to a user without rights
TIMEOUT_S = 300.0
PEERS = ("treadle", "asyncio", "node24")
FIGURES = {"child_cpu_us": "us of CPU a child", "child_wall_us": "us a child", "read_cpu_us": "us of CPU a MiB"}


def show_held_up() -> None:
    """One line of JSON for each size: name -> ms."""
    import resource

    import treadle
    from treadle import child_process

    async def main() -> None:
        async def treadles(**options: Any) -> float:
            begun = time.perf_counter()
            child = child_process.spawn("/bin/true", stdio="ignore", **options)
            spent = time.perf_counter() - begun
            await child.wait_closed()
            return spent

        async def pythons(**options: Any) -> float:
            begun = time.perf_counter()
            child = subprocess.Popen(["/bin/true"], stdin=-3, stdout=-3, stderr=-3, **options)
            spent = time.perf_counter() - begun
            child.wait()
            return spent

        ways: dict[str, Callable[[], Any]] = {"spawn": treadles, "Popen": pythons}
        if os.getuid() == 0:
            ways |= {"spawn(uid)": lambda: treadles(uid=NOBODY), "Popen(user)": lambda: pythons(user=NOBODY)}
        held: list[Any] = []

        async def measure(size: str) -> None:
            spent: dict[str, list[float]] = {name: [] for name in ways}
            for names in (list(ways)[:3], list(ways)[3:]):  # behind a fork(2) everybody pays for the pages that he writes to
                for index in range(STARTS):
                    for name in taking_turns(names, index, STARTS):
                        spent[name].append(await ways[name]())
            print(json.dumps({"size": size} | {name: 1e3 * statistics.median(values) for name, values in spent.items()}))

        await measure("small")
        memory = bytearray(2**30)
        memory[::4096] = b"\1" * len(range(0, 2**30, 4096))
        held.append(memory)
        await measure("1 GiB")
        resource.setrlimit(resource.RLIMIT_NOFILE, (2 * DESCRIPTORS, 2 * DESCRIPTORS))
        held += [os.open("/dev/null", os.O_RDONLY) for _ in range(DESCRIPTORS)]
        await measure("and 10,000 descriptors")
        for fd in held[1:]:
            os.close(fd)

    treadle.run(main)


def show_costs(peer: str) -> None:
    """As node_children.js."""
    import asyncio

    import treadle
    from treadle import child_process

    async def one() -> None:
        if peer == "treadle":
            await child_process.spawn("true").wait_closed()
        else:
            child = await asyncio.create_subprocess_exec("true", stdin=-1, stdout=-1, stderr=-1)
            await child.communicate()

    async def start_many() -> None:
        left = iter(range(CHILDREN))

        async def work() -> None:
            for _ in left:
                await one()

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def read_all() -> None:
        passed = 0

        def add(chunk: bytes) -> None:
            nonlocal passed
            passed += len(chunk)

        words = ("-c", str(BYTES), "/dev/zero")
        if peer == "treadle":
            child = child_process.spawn("head", words)
            assert child.stdout is not None
            child.stdout.on("data", add)
            await child.wait_closed()
        else:
            other = await asyncio.create_subprocess_exec("head", *words, stdout=-1)
            assert other.stdout is not None
            while chunk := await other.stdout.read(64 * 1024):
                add(chunk)
            await other.wait()
        if passed != BYTES:
            raise AssertionError(f"passed {passed}")

    async def main() -> None:
        await start_many()
        cpu, wall = time.process_time(), time.perf_counter()
        await start_many()
        figures = {
            "child_cpu_us": 1e6 * (time.process_time() - cpu) / CHILDREN,
            "child_wall_us": 1e6 * (time.perf_counter() - wall) / CHILDREN,
        }
        cpu = time.process_time()
        await read_all()
        print(json.dumps(figures | {"read_cpu_us": 1e6 * (time.process_time() - cpu) / (BYTES / 2**20)}))

    if peer == "treadle":
        treadle.run(main)
    else:
        asyncio.run(main())


def main(argv: Sequence[str] | None = None) -> int:
    """Measure in the bench's environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="one round: whether it works, not a figure to quote")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.inside:
        if args.inside == "held up":
            show_held_up()
        else:
            show_costs(args.inside)
        return 0
    env = environment.prepare(peers=False)
    inside = [str(env.venv / "bin" / "python"), __file__, "--inside"]
    printed = pinned.run([*inside, "held up"], None, TIMEOUT_S)
    if printed.problem:
        say(f"held up: {printed.problem}")
        return 1
    names = [name for name in printed.lines[0] if name != "size"]
    rows = [(line["size"], *(number(line[name]) for name in names)) for line in printed.lines]
    print(table(("held up, ms", *names), rows), end="\n\n")

    found: dict[str, list[dict[str, float]]] = {peer: [] for peer in PEERS}
    rounds = 1 if args.quick else args.rounds
    for index in range(rounds):
        for peer in taking_turns(PEERS, index, rounds):
            if peer == "node24" and not env.has(peer):
                say(f"node24: {env.missing[peer]}")
                continue
            command = [*inside, peer]
            if peer == "node24":
                command = [env.tools[peer], str(paths.BENCH / "peers" / "node_children.js"), str(CHILDREN), str(BYTES)]
            printed = pinned.run(command, None, TIMEOUT_S)
            if printed.problem:
                say(f"{peer}: {printed.problem}")
            else:
                found[peer] += printed.lines
    rows = [
        (peer, *(number(statistics.median(line[figure] for line in lines)) for figure in FIGURES))
        for peer, lines in found.items()
        if lines
    ]
    print(table(("peer", *FIGURES.values()), rows))
    return 0 if found["treadle"] else 1


if __name__ == "__main__":
    sys.exit(main())
