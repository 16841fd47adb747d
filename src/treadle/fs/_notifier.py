"""What the kernel tells of changes, read once per loop, and handed to who watches. Source: inotify(7).

    inotify ──records──► Notifier ──by the number of the watch──► FSWatcher, one or more

Invariants: one descriptor a loop, which is open while somebody watches (a user may have 128 of them by default); a watch of the
kernel's is one per inode, shared, and removed with the last who has it. It ends with the loop.
Not here: what becomes of a change (_watching.py), the system calls (_native.inotify).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from treadle._native.inotify import add_watch, open_inotify, read_changes, remove_watch
from treadle.loop.event_loop import EventLoop

__all__ = [
    "IN_ATTRIB",
    "IN_CREATE",
    "IN_IGNORED",
    "IN_ISDIR",
    "IN_MODIFY",
    "IN_MOVED_FROM",
    "IN_MOVED_TO",
    "Notifier",
    "notifier_of",
]

PACKAGE: Final = "fs.watch"

IN_MODIFY: Final = 0x2
IN_ATTRIB: Final = 0x4
IN_MOVED_FROM: Final = 0x40
IN_MOVED_TO: Final = 0x80
IN_CREATE: Final = 0x100
IN_DELETE: Final = 0x200
IN_DELETE_SELF: Final = 0x400
IN_MOVE_SELF: Final = 0x800
IN_Q_OVERFLOW: Final = 0x4000
IN_IGNORED: Final = 0x8000
IN_ONLYDIR: Final = 0x1000000
IN_DONT_FOLLOW: Final = 0x2000000
IN_ISDIR: Final = 0x40000000
# INVARIANT: the same for all, since watches of one inode are one.
WATCHED: Final = IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF


class Owner(Protocol):
    """Who watches."""

    def _changed(self, place: bytes, number: int, mask: int, name: bytes) -> None: ...
    def _has_overflown(self) -> None: ...
    def _abandon(self) -> None: ...
    def __hash__(self) -> int: ...


class Watch(NamedTuple):
    """Of one owner: `place` is what the owner calls the directory."""

    owner: Owner
    place: bytes


NOTHING: Final[tuple[int, int, bytes, Iterator[Watch]]] = (0, 0, b"", iter(()))


class Notifier:
    """A Companion of the loop."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._fd = -1
        self._watches: dict[int, list[Watch]] = {}
        self._owners: dict[Owner, bool] = {}  # who watches; whether that keeps the program from ending
        self._records: deque[tuple[int, int, bytes]] = deque()  # read, and not told yet
        self._rest = NOTHING  # of the one at which a listener has failed, and who is still to hear of it

    def add(self, owner: Owner, path: bytes, place: bytes, *, is_below: bool) -> int:
        """Watch a path; the number of the watch. is_below: only if it is a directory, and no link. Raises OSError."""
        if self._fd < 0:
            self._fd = open_inotify()
            self._loop._add_reader(self._fd, self._read)
            self._count()
        try:
            number = add_watch(self._fd, path, WATCHED | (IN_ONLYDIR | IN_DONT_FOLLOW if is_below else 0))
        except OSError:
            self._close_if_idle()
            raise
        self._watches.setdefault(number, []).append(Watch(owner, place))
        return number

    def remove(self, owner: Owner, number: int, place: bytes) -> None:
        """It is told nothing more of that watch as `place`. A directory that is found under its new name before its owner is told
        that the old one is gone has both."""
        watches = self._watches.get(number, [])
        watches[:] = [watch for watch in watches if watch.owner is not owner or watch.place != place]
        if number in self._watches and not watches:
            del self._watches[number]
            remove_watch(self._fd, number)
        self._close_if_idle()

    def join(self, owner: Owner, is_held: bool) -> None:
        """It watches from now on, and keeps the program from ending, or not. A second time: only the latter."""
        self._owners[owner] = is_held
        self._count()

    def leave(self, owner: Owner) -> None:
        """It watches no more; its watches are removed already."""
        self._owners.pop(owner, None)
        self._count()
        self._close_if_idle()

    def forget(self, owner: Owner) -> None:
        """It is gone, without leaving: so are its watches."""
        found = [(number, watch.place) for number, watches in self._watches.items() for watch in watches if watch.owner is owner]
        for number, place in found:
            self.remove(owner, number, place)
        self.leave(owner)

    def _count(self) -> None:
        if self._fd >= 0:
            self._loop.set_fd_ref(self._fd, any(self._owners.values()))

    def _close_if_idle(self) -> None:
        if self._fd >= 0 and not self._watches and not self._owners:
            self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        self._records.clear()
        self._rest = NOTHING
        self._loop._remove_reader(fd)
        os.close(fd)

    # ---- reading

    def _read(self) -> None:
        self._records.extend(read_changes(self._fd))
        self._tell()

    def _tell(self) -> None:
        number, mask, name, hearers = self._rest
        self._rest = NOTHING
        records = self._records
        try:
            while True:
                for owner, place in hearers:
                    owner._changed(place, number, mask, name)
                if not records:
                    return
                number, mask, name = records.popleft()
                hearers = iter(self._hearers_of(number, mask))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # a listener's
            # ORDER: it is uncaught before another listener is called. The others hear the rest.
            self._rest = (number, mask, name, hearers)
            self._loop.next_tick(_raise, error)
            self._loop.set_immediate(self._tell)

    def _hearers_of(self, number: int, mask: int) -> tuple[Watch, ...]:
        if mask & IN_Q_OVERFLOW:
            for owner in {watch.owner for watches in self._watches.values() for watch in watches}:
                owner._has_overflown()
            return ()
        hearers = tuple(self._watches.get(number, ()))
        if mask & IN_IGNORED:
            self._watches.pop(number, None)  # what was watched is gone
        return hearers

    # ---- a Companion

    def drop_waiting(self) -> None:
        """See Companion."""
        self.abandon()

    def forked(self) -> None:
        """See Companion. What the parent watches is not read here: it would be lost there."""
        self.abandon()

    def abandon(self) -> None:
        """See Companion."""
        owners = tuple(self._owners)
        self._watches.clear()
        self._owners.clear()
        for owner in owners:
            owner._abandon()
        if self._fd >= 0:
            self._close()


def _raise(error: BaseException) -> None:
    raise error


def notifier_of(loop: EventLoop) -> Notifier:
    """That of this loop."""
    found = loop.companions.get(PACKAGE)
    if isinstance(found, Notifier):
        return found
    made = loop.companions[PACKAGE] = Notifier(loop)
    return made
