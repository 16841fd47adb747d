"""apps/node_style.py on a loop that sends every answer at once: what LoopCore.batch_max buys the others (docs/adr/0001)."""

from __future__ import annotations

import os

import node_style  # noqa: F401  # it listens

from treadle.loop.current import get_loop

get_loop().batch_max = int(os.environ.get("BATCH_MAX", "1"))
