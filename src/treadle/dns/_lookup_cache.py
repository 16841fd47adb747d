"""Answers of lookups that are kept for a while. Off unless a program wants it, as in Node: the system may keep its own.

Invariants: at most entries_max are kept, and the one that was used longest ago goes first; none is given out past its time. Not
here: the clock, which the caller reads.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

__all__ = ["CacheLimits", "LookupCache"]

_K = TypeVar("_K")


@dataclass(frozen=True)
class CacheLimits:
    """How long, and how many."""

    ttl_ms: float
    negative_ttl_ms: float  # of names that are not there
    entries_max: int


class LookupCache(Generic[_K]):
    """What is known of each question: an answer or an error, until a time."""

    def __init__(self, limits: CacheLimits) -> None:
        self.limits = limits
        self._entries: OrderedDict[_K, tuple[float, Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: _K, now_ms: float) -> Any:
        """What is known, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= now_ms:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: _K, outcome: Any, *, is_negative: bool, now_ms: float) -> None:
        """Keep an outcome."""
        ttl_ms = self.limits.negative_ttl_ms if is_negative else self.limits.ttl_ms
        if ttl_ms <= 0 or self.limits.entries_max < 1:
            return
        self._entries[key] = now_ms + ttl_ms, outcome
        self._entries.move_to_end(key)
        while len(self._entries) > self.limits.entries_max:
            self._entries.popitem(last=False)
