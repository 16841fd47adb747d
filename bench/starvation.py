#!/usr/bin/env python3
"""How long a client waits for an answer while a program on the same loop gives it no rest, and whether the log names who it is.

Floods stand beside an HTTP server whose handler awaits a timer of 5 ms; ordinary asyncio programs beside a TCP echo, on treadle
and on its peers. The server runs on one CPU, the client, this process, on another. How to read it: bench/README.md.

    python3 bench/starvation.py [--quick] [--rounds 3] [--seconds 4] [--only ticks,ping-pong] [--check]

Exit status: 0 measured; 1 treadle is missing; 2 (with --check) a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from harness import environment, paths
from harness.environment import Environment, say
from harness.interpreter import NoInterpreterError
from harness.load import hidden_steal_pct
from harness.rounds import two_cpus
from harness.server import Server, free_port
from harness.table import number, table

ROUNDS = 3
SECONDS = 4
START_S = 4.0  # the program begins half a second after the server, and may take 2 s to set itself up
CONNECTIONS = 8
PAUSE_S = 0.002  # of a connection between two messages: a client in a hurry would measure its own queue
END_S = 2.0  # how long the last answers are waited for
HTTP_P99_MS = 50.0
ECHO_P99_MS = 5.0

PEERS = ("asyncio", "uvloop")
GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
MESSAGE = b"x" * 255 + b"\n"
CULPRIT = re.compile(r"starvation: (.*) have kept the loop busy .* one of the last was (.*?) \(")


@dataclass(frozen=True)
class Case:
    """One program beside one server on one loop. No goal: shown for comparison."""

    program: str
    kind: str
    loop: str
    goal_ms: float | None = None
    culprit: str | None = None  # the log has to name it, once

    def __str__(self) -> str:
        return f"{self.program} beside {self.kind} on {self.loop}"


CASES = (
    *(
        Case(program, "http", "treadle", HTTP_P99_MS, culprit)
        for program, culprit in {
            "nothing": None,
            "ticks": "ticks",
            "microtasks": "microtasks",
            "soon": "soon",
            "immediates": "immediates",
            "many-immediates": "works_in_check",
            "many-timers": "works_as_timer",
            "some-timers": "works_as_timer",
            "many-sockets": None,
        }.items()
    ),
    *(
        Case(program, "http", "treadle-unguarded")
        for program in ("ticks", "soon", "many-immediates", "many-timers", "some-timers", "many-sockets")
    ),
    Case("many-timers", "echo", "treadle", HTTP_P99_MS, "works_as_timer"),
    Case("many-timers", "echo", "treadle-unguarded"),
    # beside an echo: a call_later that is made while 100,000 are overdue has its turn behind them, on any loop
    Case("many-alarms", "echo", "treadle", HTTP_P99_MS, "works_as_alarm"),
    *(Case("many-alarms", "echo", loop) for loop in PEERS),
    *(Case("soon", "echo", loop) for loop in ("treadle", *PEERS)),
    *(Case("many-sockets", "echo", loop) for loop in ("treadle", *PEERS)),
    *(
        Case(program, "echo", loop, ECHO_P99_MS if loop == "treadle" else None)
        for program in ("nothing", "ping-pong", "anyio-groups")
        for loop in ("treadle", *PEERS)
    ),
)


@dataclass
class Round:
    """What a client saw in one run of a case."""

    waits_ms: list[float] = field(default_factory=list)
    unanswered: int = 0
    culprits: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Of the waits, in ms; nan without any."""
        ordered = sorted(self.waits_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

    @property
    def longest_ms(self) -> float:
        """The longest wait; nan without any."""
        return max(self.waits_ms, default=float("nan"))

    def __str__(self) -> str:
        found = f"p50 {number(self.percentile(0.5))} ms, p99 {number(self.percentile(0.99))}, max {number(self.longest_ms)}"
        found += f", {len(self.waits_ms):,} answers"
        if self.unanswered:
            found += f", {self.unanswered} unanswered"
        return "; ".join([found, *(f"the log names {culprit}" for culprit in self.culprits)])


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, case: Case, end_s: float, seen: Round) -> None:
    """One connection: a message, its answer, a pause, until the time is over."""
    while time.monotonic() < end_s:
        since_ns = time.perf_counter_ns()
        seen.unanswered += 1
        if case.kind == "http":
            writer.write(GET)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                raise ValueError(f"not 200: {head!r}")
            await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))  # type: ignore[index]
        else:
            writer.write(MESSAGE)
            await reader.readexactly(len(MESSAGE))
        seen.unanswered -= 1
        seen.waits_ms.append((time.perf_counter_ns() - since_ns) / 1e6)
        await asyncio.sleep(PAUSE_S)


@contextlib.asynccontextmanager
async def connections(port: int) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Open ones, closed at the end."""
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def drive(case: Case, port: int, seconds: float) -> Round:
    """Measure for that long, once the program has begun."""
    seen = Round()
    async with connections(port) as opened:
        await asyncio.sleep(START_S)
        end_s = time.monotonic() + seconds
        talks = [asyncio.ensure_future(talk(*connection, case, end_s, seen)) for connection in opened]
        done, late = await asyncio.wait(talks, timeout=seconds + END_S)
        for one in late:
            one.cancel()
        for one in done:
            one.result()
    return seen


def measure(case: Case, env: Environment, cpus: tuple[int, int], seconds: float) -> Round:
    """One run of a server, from its start to its end."""
    port = free_port()
    argv = [str(env.venv / "bin" / "python"), str(paths.APPS / "starving.py"), case.loop, case.kind, case.program]
    with Server(argv, port=port, cpu_index=cpus[0]) as server:
        server.wait_ready()
        seen = asyncio.run(drive(case, port, seconds))
        server.check_alive()
        seen.culprits = [f"{what}: {who}" for what, who in CULPRIT.findall(server.log())]
    return seen


def verdict(case: Case, rounds: Sequence[Round]) -> str:
    """Whether the goal is met: by the median p99, with everything answered, and the culprit named once in each round."""
    if case.goal_ms is None:
        return ""
    is_quick = statistics.median(r.percentile(0.99) for r in rounds) < case.goal_ms and not any(r.unanswered for r in rounds)
    is_named = case.culprit is None or all([c.split(": ")[1] for c in r.culprits] == [case.culprit] for r in rounds)
    return "met" if is_quick and is_named else "NOT MET"


def row(case: Case, rounds: Sequence[Round]) -> tuple[str, ...]:
    """Medians over the rounds; of p99 the highest, too."""
    p99 = [r.percentile(0.99) for r in rounds]
    return (
        case.program,
        case.kind,
        case.loop,
        verdict(case, rounds),
        "; ".join(dict.fromkeys(c for r in rounds for c in r.culprits)),
        number(statistics.median(r.percentile(0.5) for r in rounds)),
        number(statistics.median(p99)),
        number(max(p99)),
        number(max(r.longest_ms for r in rounds)),
        f"{sum(len(r.waits_ms) for r in rounds):,}",
        str(sum(r.unanswered for r in rounds)),
    )


COLUMNS = ("program", "beside", "loop", "goal", "named in the log", "p50 ms", "p99", "worst p99", "max", "answers", "unanswered")


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--quick", action="store_true", help="one round of a second: whether it works, not a figure to quote")
    parser.add_argument("--only", help="programs, by name, separated by commas")
    parser.add_argument("--check", action="store_true", help="exit status 2 when a goal is missed")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every case, and say which goals are met."""
    args = options(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwind, so that the running server is stopped
    cpus = two_cpus()
    try:
        env = environment.prepare()
    except NoInterpreterError as error:
        print(error, file=sys.stderr)
        return 1
    if not env.has("treadle"):
        print(f"treadle: {env.missing.get('treadle')}", file=sys.stderr)
        return 1
    wanted = args.only.split(",") if args.only else {c.program for c in CASES}
    cases = [c for c in CASES if c.program in wanted]
    rounds, seconds = (1, 1.0) if args.quick else (args.rounds, args.seconds)
    python = ".".join(map(str, env.python.version))
    say(f"Python {python}; server on CPU {cpus[0]}, client on CPU {cpus[1]}; {rounds} round(s) of {seconds} s")
    os.sched_setaffinity(0, {cpus[1]})
    seen: dict[Case, list[Round]] = {case: [] for case in cases}
    for index in range(rounds):
        steal = hidden_steal_pct(env.tools["hidden_steal"], cpus) if env.has("hidden_steal") else []
        load = os.getloadavg()[0]
        say(f"round {index + 1}/{rounds}: load average {load:.1f}; lost to others, % of server CPU and client CPU: {steal}")
        for case in cases:
            one = measure(case, env, cpus, seconds)
            say(f"  {case}: {one}")
            seen[case].append(one)
    print(f"\nMilliseconds from a message to its answer, median of {rounds} round(s). Goals: p99 under {HTTP_P99_MS:.0f} beside")
    print(f"floods (the handler of HTTP takes 5), under {ECHO_P99_MS:.0f} ms beside ordinary programs\n")
    print(table(COLUMNS, [row(case, found) for case, found in seen.items()], texts=5))
    missed = [case.program for case, found in seen.items() if verdict(case, found) == "NOT MET"]
    print(f"\ngoals missed: {', '.join(missed) or 'none'}")
    return 2 if missed and args.check else 0


if __name__ == "__main__":
    sys.exit(main())
