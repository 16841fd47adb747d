"""One operation at a time: which figure is asked of which peer, and one process that measures them. Texts: programs/micro.*"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence

from harness import cpu
from harness.environment import Environment, say
from harness.paths import LOOP_PROGRAMS
from harness.server import FOREIGN_ENV

from .figures import Figures, Goal

TIMEOUT_S = 300.0  # of one process that measures every figure

# What ordinary asyncio code does; then what needs a loop in Node's manner.
ASYNCIO = ("callback", "chain", "turn", "wake_up", "sleep0", "task", "queue", "timer", "timer_one", "timer_fire")
NODE = ("next_tick", "microtask", "set_timeout", "set_timeout_spread", "refresh")
FIGURES = (*ASYNCIO, *NODE)

PEERS: dict[str, tuple[str, ...]] = {
    "treadle": FIGURES,
    "treadle-faces": ("turn", *NODE),
    "asyncio": ASYNCIO,
    "uvloop": ASYNCIO,
    "rloop": ASYNCIO,
    "node24": ("callback", "turn", "wake_up", "sleep0", "timer_fire", *NODE),
    "c-epoll": ("turn",),
}
TOOLS = {"treadle-faces": "treadle", "c-epoll": "turn_floor"}  # where it is not the peer's name

PYTHON_LOOPS = ("uvloop", "rloop")  # asyncio's own is never the best of them
GOALS = (
    Goal("callback", PYTHON_LOOPS, 1.00),
    Goal("wake_up", PYTHON_LOOPS, 1.00),
    Goal("timer", PYTHON_LOOPS, 1.00),
    Goal("timer_one", PYTHON_LOOPS, 1.00),
    *(
        goal
        for ours in ("treadle", "treadle-faces")
        for goal in (
            Goal("turn", ("uvloop",), 0.60, ours),
            Goal("turn", ("node24",), 0.60, ours),
            Goal("next_tick", ("rloop",), 1.00, ours, "callback"),
            Goal("microtask", ("rloop",), 1.00, ours, "callback"),
        )
    ),
)


def tool_of(peer: str) -> str:
    """What must be there for the peer to run, as the environment names it."""
    return TOOLS.get(peer, peer)


def argv_of(peer: str, env: Environment, figures: str) -> list[str]:
    """The command line that measures these figures, separated by commas."""
    if peer == "c-epoll":
        return [env.tools["turn_floor"]]
    if peer == "node24":
        return [env.tools["node24"], str(LOOP_PROGRAMS / "micro.js"), figures]
    return [str(env.venv / "bin" / "python"), str(LOOP_PROGRAMS / "micro.py"), peer, figures]


def environ() -> Mapping[str, str]:
    """The caller's, without what would change a measurement; hashes the same in every run."""
    return {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_ENV)} | {"PYTHONHASHSEED": "0"}


def measure(found: Figures, env: Environment, peer: str, chosen: Sequence[str], cpu_index: int, round_index: int) -> None:
    """One process, pinned, for all the chosen figures that the peer has."""
    wanted = [figure for figure in PEERS[peer] if figure in chosen]
    if not wanted:
        return
    busy_s, own_s, begun = cpu.machine_busy_s(cpu_index), _children_s(), time.monotonic()
    for figure, ns in _run(argv_of(peer, env, ",".join(wanted)), peer, cpu_index):
        found.add(figure, peer, round_index, ns)
    others_s = cpu.machine_busy_s(cpu_index) - busy_s - (_children_s() - own_s)
    found.note_foreign(peer, 100 * others_s / (time.monotonic() - begun))


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(argv: list[str], peer: str, cpu_index: int) -> Iterator[tuple[str, float]]:
    try:
        done = subprocess.run(
            argv,
            env=environ(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu_index}),
        )
    except subprocess.TimeoutExpired:
        say(f"  {peer}: INVALID: no end after {TIMEOUT_S:.0f} s")
        return
    for line in done.stdout.splitlines():
        one = json.loads(line)
        if "error" in one:
            say(f"  {peer}: {one['figure']}: INVALID: {one['error']}")
        else:
            yield one["figure"], one["ns"]
    if done.returncode:
        say(f"  {peer}: ended with status {done.returncode}: {done.stderr.strip()[-400:]}")
