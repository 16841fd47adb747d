"""Instructions in user mode per chunk, under callgrind, and the functions that they are spent in. Kernel time is not in it.

Not Node: its compiler makes code while it is counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness import callgrind, paths, pinned
from harness.callgrind import Cost
from harness.environment import Environment, need_system_tool, say
from harness.server import ServerError
from harness.table import number, table

from . import in_process

CHUNKS = 5_000


def run(env: Environment, chosen: Sequence[str], runners: Sequence[str], cpu_index: int, functions: int) -> int:
    """Count and report: the exit status, 1 when a figure of treadle's is missing."""
    need_system_tool(env, "valgrind", "valgrind")
    if not env.has("valgrind"):
        raise SystemExit(f"instructions cannot be counted: {env.missing['valgrind']}")
    runs = [(case, peer) for case, peer in in_process.runs_of(chosen, runners) if peer != "node24"]
    costs: dict[tuple[str, str], Sequence[Cost]] = {}
    for case, peer in runs:
        argv = [*case.argv(env, peer, CHUNKS), "--count"]
        try:
            costs[case.figure, peer] = callgrind.count_section(
                argv, valgrind=env.tools["valgrind"], cpu=cpu_index, out=paths.WORK / "callgrind", env=pinned.environ()
            )
        except (ServerError, OSError) as error:
            say(f"  {case.figure}/{peer}: INVALID: {error}")
    totals = {run: number(callgrind.total(found) / CHUNKS) for run, found in costs.items()}
    counted = [peer for peer in in_process.PEERS if any(peer == one for _, one in totals)]
    figures = [figure for figure in in_process.FIGURES if any(figure == one for one, _ in totals)]
    print("\nInstructions in user mode per chunk or object\n")
    print(table(("figure", *counted), [(f, *(totals.get((f, peer), "") for peer in counted)) for f in figures]))
    for (figure, peer), found in costs.items():
        if functions and peer == "treadle":
            print(f"\n{figure}, {peer}: own instructions of the dearest functions\n")
            print(table(("function", "instructions"), callgrind.dearest(found, functions, CHUNKS)))
    ours = {(case.figure, peer) for case, peer in runs if peer == "treadle"}
    return 0 if ours <= costs.keys() else 1
