"""A state, and the table that says what follows it. Invariant: what is not in the table raises, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

State = TypeVar("State", bound=Enum)
Event = TypeVar("Event", bound=Enum)


class TableLeft(BaseException):
    """An event that the table does not know in this state: the specification is wrong, never its user; nothing of theirs may
    swallow it."""


class Machine(Generic[State, Event]):
    """One such state."""

    def __init__(self, transitions: Mapping[tuple[State, Event], State], start: State) -> None:
        self.transitions = transitions
        self.state = start

    def on(self, event: Event) -> None:
        following = self.transitions.get((self.state, event))
        if following is None:
            raise TableLeft(f"{event} in {self.state}")
        self.state = following

    def is_in(self, *states: State) -> bool:
        return self.state in states
