"""Instructions in user mode per operation and per message, under callgrind: the figure to optimise by, since it hardly varies.

Kernel time is not in it. Of the release build, as it is timed. Not Node: its compiler makes code while it is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness import callgrind, paths, pinned
from harness.callgrind import Cost
from harness.environment import Environment, need_system_tool, say
from harness.measure import Plan
from harness.server import ServerError, free_port
from harness.table import number, table

from . import echo, micro

DEFAULT = ("callback", "turn", "wake_up", "timer", "tcp_protocol")
COUNT = 2_000  # operations, or messages
OURS = ("treadle", "treadle-faces")


def run(env: Environment, chosen: Sequence[str], runners: Sequence[str], plan: Plan, functions: int) -> int:
    """Count and report: the exit status, 1 when a figure of treadle's is missing."""
    need_system_tool(env, "valgrind", "valgrind")
    if not env.has("valgrind"):
        raise SystemExit(f"instructions cannot be counted: {env.missing['valgrind']}")
    counted = [peer for peer in runners if peer not in ("node24", "c-epoll")]
    totals: dict[tuple[str, str], str] = {}
    ours: dict[tuple[str, str], Sequence[Cost]] = {}
    for figure in chosen:
        for peer in counted:
            try:
                costs = of_figure(env, figure, peer, plan)
            except (ServerError, OSError) as error:
                say(f"  {figure}/{peer}: INVALID: {error}")
                continue
            if costs is not None:
                totals[figure, peer] = number(callgrind.total(costs) / COUNT)
                if peer in OURS:
                    ours[figure, peer] = costs
    print("\nInstructions in user mode per operation or message\n")
    print(table(("figure", *counted), [(f, *(totals.get((f, peer), "") for peer in counted)) for f in chosen]))
    if functions:
        print_functions(ours, functions)
    return 0 if all((figure, "treadle") in ours for figure in chosen) or "treadle" not in runners else 1


def of_figure(env: Environment, figure: str, peer: str, plan: Plan) -> Sequence[Cost] | None:
    """What COUNT operations or messages cost; None when the peer has no such figure. Raises ServerError."""
    out = paths.WORK / "callgrind"
    if figure not in echo.FIGURES:
        if figure not in micro.PEERS[peer]:
            return None
        argv = [*micro.argv_of(peer, env, figure), "--count", str(COUNT)]
        return callgrind.count_section(argv, valgrind=env.tools["valgrind"], cpu=plan.server_cpu, out=out, env=pinned.environ())
    if peer not in echo.WAYS[figure][1]:
        return None
    port = free_port()
    is_tls = echo.is_tls(figure)
    return callgrind.count_requests(
        echo.server(figure, peer).argv(env, port),
        valgrind=env.tools["valgrind"],
        port=port,
        cpu=plan.server_cpu,
        out=out,
        requests=COUNT,
        warm=COUNT,
        connections=plan.connections,
        connect=lambda: echo.connect(port, is_tls),
        exchange=echo.exchange,
        callers=0,
        env={"PYTHONHASHSEED": "0"} | ({"CERTIFICATE": str(echo.make_certificate(env))} if is_tls else {}),
    )


def print_functions(costs: Mapping[tuple[str, str], Sequence[Cost]], count: int) -> None:
    """The functions of treadle's runs with the highest own cost, figure by figure."""
    for (figure, peer), found in costs.items():
        print(f"\n{figure}, {peer}: own instructions of the dearest functions\n")
        print(table(("function", "instructions"), callgrind.dearest(found, count, COUNT)))
