"""How long a source that never waits may keep the loop from turning.

Not here: what flows inside the native core, which has a limit of its own (_native.readable, FLOW_NS).
"""

from typing import Final

__all__ = ["IN_A_ROW"]

IN_A_ROW: Final = 128  # chunks; as many as the loop runs of asyncio's callbacks before it turns (_native.microtasks, GUARD_SOON)
