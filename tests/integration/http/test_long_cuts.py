"""The vectors that are too long for test_vectors.py, cut in two: where something begins or ends, at the limits, and here and there.

`make cuts` cuts them at every boundary, but for the floods of more than FULL_BYTES_MAX, whose bytes are all alike.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.integration.http.delivery import Conversation, deliver
from tests.integration.http.vectors import VECTORS, Vector
from tests.integration.support import Program, eventually

pytestmark = pytest.mark.slow

IS_FULL = os.environ.get("CUTS") == "all"
LONG = tuple(vector for vector in VECTORS if len(vector.data) >= 200)
FULL_BYTES_MAX = 70_000
LIMITS = (4_096, 8_192, 32_768, 65_536)  # chunk extension, request line, head, what the socket is read in
NEAR = (-2, -1, 0, 1, 2)
AT_RANDOM = 10
FLOOD_BYTES = 500_000  # each cut of such a one moves all of it: only so many
FLOOD_CUTS = 12


def cuts(vector: Vector) -> list[int]:
    """Where a vector is cut, in order; the same ones each time."""
    size = len(vector.data)
    if IS_FULL and size < FULL_BYTES_MAX:
        return list(range(1, size))
    head_end = vector.data.find(b"\r\n\r\n") + 4
    first_line_end = vector.data.find(b"\r\n") + 2
    wanted = {
        place + near for place in (first_line_end, head_end, *LIMITS, *(head_end + limit for limit in LIMITS)) for near in NEAR
    }
    wanted |= {*range(1, 9), *range(size - 8, size)}
    rng = random.Random(size)
    wanted |= {rng.randrange(1, size) for _ in range(AT_RANDOM)}
    chosen = sorted(cut for cut in wanted if 0 < cut < size)
    return chosen if size < FLOOD_BYTES else sorted(rng.sample(chosen, FLOOD_CUTS))


def conversations() -> Iterator[Conversation]:
    for vector in LONG:
        data = memoryview(vector.data)
        for cut in cuts(vector):
            yield Conversation(vector, [data[:cut], data[cut:]], label=f" cut at {cut}")  # type: ignore[list-item]


@pytest.fixture(scope="module")
def failures() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    with Program.run("vectors_server.py") as server:
        assert server.get("/warm-up").status == 200
        descriptors = server.idle_fd_count()
        for one in deliver(server.address, conversations()):
            if one.problem:
                found[one.vector.name.removesuffix(", then good")].append(one.report())
        assert server.get("/after").status == 200
        eventually(lambda: server.fd_count <= descriptors, "the connections of the vectors are closed")
    return found


@pytest.mark.parametrize("vector", LONG, ids=lambda vector: vector.name)
def test_cut_in_two(failures: dict[str, list[str]], vector: Vector) -> None:
    reports = failures.get(vector.name, [])
    assert not reports, f"of {len(cuts(vector))} cuts, {len(reports)}:\n" + "\n".join(reports[:3])
