"""A listener that does not hold whom it tells: a stream that listens to itself, or two that listen to each other.

Not here: those that work for a stream, and let go of it when they are through.
"""

from typing import Any
from weakref import ref

__all__ = ["Weakly"]


class Weakly:
    """A method by its name, called as long as its object is there. Two of the same are equal, so that off() finds it."""

    __slots__ = ("_name", "_owner")

    def __init__(self, owner: Any, name: str) -> None:
        self._owner = ref(owner)
        self._name = name

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        owner = self._owner()
        return None if owner is None else getattr(owner, self._name)(*arguments, **named)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Weakly) and self._owner is other._owner and self._name == other._name

    def __hash__(self) -> int:
        return hash((id(self._owner), self._name))

    def __repr__(self) -> str:
        return f"<{self._name} of {self._owner()!r}>"
