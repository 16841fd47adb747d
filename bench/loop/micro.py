"""One operation at a time: which figure is asked of which peer, and one process that measures them. Texts: programs/micro.*"""

from __future__ import annotations

from collections.abc import Sequence

from harness import pinned
from harness.environment import Environment, say
from harness.figures import Figures, Goal
from harness.paths import LOOP_PROGRAMS

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


def measure(found: Figures, env: Environment, peer: str, chosen: Sequence[str], cpu_index: int, round_index: int) -> None:
    """One process, pinned, for all the chosen figures that the peer has."""
    wanted = [figure for figure in PEERS[peer] if figure in chosen]
    if not wanted:
        return
    printed = pinned.run(argv_of(peer, env, ",".join(wanted)), cpu_index, TIMEOUT_S)
    for one in printed.lines:
        if "error" in one:
            say(f"  {peer}: {one['figure']}: INVALID: {one['error']}")
        else:
            found.add(one["figure"], peer, round_index, one["ns"])
    found.note_foreign(peer, printed.foreign_pct)
    if printed.problem:
        say(f"  {peer}: {printed.problem}")
