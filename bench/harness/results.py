"""What a run measured: medians, ratios within a round, and every reason to doubt them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from .measure import Sample
from .peers import Peer
from .table import number

SCHEDSTAT_TOLERANCE = 0.02  # above it the two ways of counting CPU time disagree: say so
FOREIGN_TOLERANCE_PCT = 5.0  # somebody else on the server's CPU: caches are shared, figures rise

COLUMNS = (
    "server",
    "case",
    "user",
    "system",
    "total",
    "spread %",
    "rps",
    "server busy %",
    "client busy %",
    "answer bytes",
    "errors",
    "valid",
)


class Results:
    """Samples, the hidden steal before each round on (server CPU, client CPU), and what is computed from them."""

    def __init__(self, samples: Sequence[Sample], steal_pct: Sequence[Sequence[float]]) -> None:
        self.samples = samples
        self.steal_pct = steal_pct

    def of(self, server: str) -> list[Sample]:
        """Valid samples of a server."""
        return [s for s in self.samples if s.server == server and s.is_valid]

    def is_disturbed(self, *servers: str) -> bool:
        """Whether a valid sample of these servers had other processes on its CPUs."""
        return any(s.foreign_pct > FOREIGN_TOLERANCE_PCT for server in servers for s in self.of(server))

    def ratios(self, server: str, peer: str) -> list[float]:
        """Total CPU per request relative to the peer, one value a round in which both were valid."""
        base = {s.round: s.total_us for s in self.of(peer)}
        return [s.total_us / base[s.round] for s in self.of(server) if s.round in base]

    def user_ratio(self, server: str, peer: str) -> float:
        """As ratio(), of the time in user mode alone: what a server's own code takes."""
        base = {s.round: s.user_us for s in self.of(peer)}
        values = [s.user_us / base[s.round] for s in self.of(server) if base.get(s.round)]
        return statistics.median(values) if values else math.nan

    def ratio(self, server: str, peer: str) -> float:
        """Median of ratios(); nan without one."""
        values = self.ratios(server, peer)
        return statistics.median(values) if values else math.nan


def row(peer: Peer, results: Results, rounds: int) -> tuple[str, ...]:
    """The cells of COLUMNS for one server."""
    valid = results.of(peer.name)
    mine = [s for s in results.samples if s.server == peer.name]
    errors = str(sum(s.errors for s in mine))
    share = f"{len(valid)}/{rounds}"
    if not valid:
        return (peer.name, peer.case, *["-"] * 8, errors, share)

    def mid(field: str) -> str:
        return number(statistics.median(getattr(s, field) for s in valid))

    totals = [s.total_us for s in valid]
    spread = 100 * (max(totals) - min(totals)) / statistics.median(totals)
    figures = (mid("user_us"), mid("system_us"), mid("total_us"), f"{spread:.0f}", mid("rps"))
    context = (f"{statistics.median(getattr(s, f) for s in valid):.0f}" for f in ("server_busy_pct", "client_busy_pct"))
    return (peer.name, peer.case, *figures, *context, str(valid[-1].answer_bytes), errors, share)


def doubts(results: Results) -> list[str]:
    """What a reader of the figures must know about this run."""
    steals = "; ".join(f"{server:.1f} {client:.1f}" for server, client in results.steal_pct)
    found = [f"hidden steal before each round, % of server CPU and client CPU: {steals}"]
    for s in results.samples:
        where = f"round {s.round + 1}, {s.server}"
        if s.problem:
            found.append(f"{where}: INVALID, {s.problem}: no figure is taken from it")
        elif abs(s.schedstat_us / s.total_us - 1) > SCHEDSTAT_TOLERANCE:
            found.append(f"{where}: the scheduler counted {s.schedstat_us:.2f} us, the tables say {s.total_us:.2f}")
    disturbed = [s for s in results.samples if s.foreign_pct > FOREIGN_TOLERANCE_PCT]
    if disturbed:
        worst = max(disturbed, key=lambda s: s.foreign_server_pct)
        found.append(
            f"DISTURBED: other processes took over {FOREIGN_TOLERANCE_PCT:.0f} % of a CPU in {len(disturbed)} of "
            f"{len(results.samples)} samples (worst: round {worst.round + 1}, {worst.server}: "
            f"{worst.foreign_server_pct:.0f} % of the server's, {worst.foreign_client_pct:.0f} % of the client's)"
        )
    return found
