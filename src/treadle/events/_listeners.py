"""What an emitter keeps for one listener.

Invariant: nothing that stands in an emitter holds that emitter, which would wait for the cyclic collector. Not here: how they are
kept, and who calls them (_native.emitter).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, TypeAlias
from weakref import ref

if TYPE_CHECKING:
    from treadle.events.emitter import EventEmitter

__all__ = ["Listener", "OnceListener", "is_entry_of", "original_of"]

Listener: TypeAlias = Callable[..., object]


class OnceListener:
    """Wraps a listener of once(). ORDER: it leaves the emitter before it calls."""

    __slots__ = ("_emitter", "event", "has_fired", "listener")

    def __init__(self, emitter: EventEmitter, event: Hashable, listener: Listener) -> None:
        self._emitter = ref(emitter)
        self.event = event
        self.listener = listener
        self.has_fired = False

    def __call__(self, *args: object) -> object:
        if self.has_fired:
            return None
        emitter = self._emitter()
        if emitter is not None:
            emitter.remove_listener(self.event, self)
        self.has_fired = True
        return self.listener(*args)

    def __repr__(self) -> str:
        return f"<once {self.listener!r}>"


def original_of(listener: Listener) -> Listener:
    """What the user gave to once(); any other listener is its own original."""
    return listener.listener if type(listener) is OnceListener else listener


def is_entry_of(entry: Listener, listener: Listener) -> bool:
    # By ==, not by identity: each access to a bound method makes a new, equal object.
    return entry == listener or (type(entry) is OnceListener and entry.listener == listener)
