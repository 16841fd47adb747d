"""The loop's native pool, as treadle.fs knows it. Not here: the pool itself (treadle.loop.pool)."""

from treadle.loop.pool import pool_of, pool_size

__all__ = ["pool_of", "pool_size"]
