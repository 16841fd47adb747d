"""watch(): what changes in a directory, or of a file. Source: Node, fs.watch and fsPromises.watch.

    FSWatcher ──'change'──► listeners
        └──► a queue with a bound ──► async for

Invariants: nothing is told once it is closed; who iterates and does not keep up is told so by an error, and so is who would miss
what the kernel has dropped: it is closed then. A watcher lives as long as somebody has it, listens to it or waits for it.
Not here: what the kernel says (_notifier.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sys
import warnings
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, AnyStr, Final, Generic, NamedTuple, Self
from weakref import ref

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle.events import AbortSignal, EventEmitter, Listener
from treadle.events.abort import require_signal
from treadle.fs._aborting import aborted
from treadle.fs._arguments import in_range
from treadle.fs._directories import readdir
from treadle.fs._notifier import IN_ATTRIB, IN_CREATE, IN_IGNORED, IN_ISDIR, IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO, notifier_of
from treadle.fs._starting import PathOf, text_of
from treadle.loop.current import get_loop

__all__ = ["FSWatcher", "WatchEvent", "watch"]

QUEUE_MAX: Final = 2048  # changes that wait to be iterated over; Node, maxQueue
ENCODING: Final = sys.getfilesystemencoding()  # as os.fsdecode, which is a call for each change
CONTENT_OR_ATTRIBUTES: Final = IN_MODIFY | IN_ATTRIB
KERNEL_QUEUE: Final = "/proc/sys/fs/inotify/max_queued_events"
KERNEL_QUEUE_MAX: Final = 16_384  # changes; what Linux says there, unless somebody has written another number


class WatchEvent(NamedTuple, Generic[AnyStr]):
    """A change. event_type: "rename" where a name has come or gone, else "change". filename: what has changed, from the watched
    directory on; str, or bytes where the path was."""

    event_type: str
    filename: AnyStr


class FSWatcher(EventEmitter, Generic[AnyStr]):
    """Made by watch(). Events: 'change' (event_type, filename), 'error', 'close'; with recursive 'ready', once all that was there
    is watched. `async with` closes it; `async for` gives WatchEvents from then on. One that nobody has, listens to or waits for
    is closed, with a ResourceWarning. Use it in the loop's thread only."""

    def __init__(
        self, path: PathOf[AnyStr], is_recursive: bool, is_held: bool, signal: AbortSignal | None, queue_max: int
    ) -> None:
        super().__init__()
        self._is_closed = True  # there is nothing to close yet
        self._path = text_of(path)
        self._at = os.fsencode(self._path)
        self._is_bytes = isinstance(self._path, bytes)
        self._loop = get_loop()
        self._notifier = notifier_of(self._loop)
        self._seat = Seat(self)
        self._signal = signal
        self._is_recursive = is_recursive
        self._is_held = is_held
        self._queue: deque[WatchEvent[AnyStr]] | None = None  # None: nobody iterates
        self._queue_max = queue_max
        self._waiter: asyncio.Future[None] | None = None
        self._error: BaseException | None = None  # of the iteration: raised to it once
        self._watches: dict[bytes, int] = {}  # the kernel's, by the directory; b"" is the path itself
        self._unseen: deque[tuple[bytes, bool]] = deque()  # directories to look into; whether what is in them is news
        self._is_looking = False
        self._is_ready = False  # set once all that was there is watched
        if b"\0" in self._at:
            raise ValueError("embedded null byte")
        if signal is not None and signal.aborted:
            self._error = aborted(signal)
            self._loop.next_tick(self.emit, "close")
            return
        self._watch(b"")
        self._is_closed = False
        self._notifier.join(self._seat, is_held)
        if signal is not None:
            signal.add_event_listener("abort", self._seat.abort)
        self._look_into_all(is_news=False)

    def __repr__(self) -> str:
        return f"<FSWatcher {'closed' if self._is_closed else 'watching'} {self._path!r}>"

    def __del__(self) -> None:
        # On whatever thread. What it watches is no more than its seat knows.
        if getattr(self, "_is_closed", True):
            return
        self._forget_signal()
        with contextlib.suppress(RuntimeError):  # its loop is closed
            self._loop.call_soon_threadsafe(self._notifier.forget, self._seat)
        warnings.warn(f"never closed: {self!r}. Use async with, or close()", ResourceWarning, stacklevel=2, source=self)

    # ---- its life

    def close(self) -> None:
        """Watch no more. 'close' comes in a tick."""
        if not self._is_closed:
            self._end()
            self._loop.next_tick(self.emit, "close")

    async def aclose(self) -> None:
        """As close()."""
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def ref(self) -> Self:
        """Keep the program from ending, as it does from the start unless persistent is off."""
        return self._hold(True)

    def unref(self) -> Self:
        """Let the program end."""
        return self._hold(False)

    def has_ref(self) -> bool:
        """Whether it keeps the program from ending."""
        return self._is_held and not self._is_closed

    def _hold(self, is_held: bool) -> Self:
        self._is_held = is_held
        if not self._is_closed:
            self._notifier.join(self._seat, is_held)
        return self

    def _end(self) -> None:
        self._is_closed = True
        watches, self._watches = self._watches, {}
        for place, number in watches.items():
            self._notifier.remove(self._seat, number, place)
        self._notifier.leave(self._seat)
        self._unseen.clear()
        self._forget_signal()
        self._wake()
        self._keep()

    def _fail(self, error: BaseException) -> None:
        # Told once: to the iteration if there is one, else to listeners.
        if self._is_closed:
            return
        self._end()
        is_iterated = self._queue is not None
        if is_iterated:
            self._error = error
            self._wake()
        if not is_iterated or self.listener_count("error"):
            self._loop.next_tick(self.emit, "error", error)
        self._loop.next_tick(self.emit, "close")

    def _on_abort(self) -> None:
        if self._signal is not None:
            self._error = aborted(self._signal)
        self.close()

    def _abandon(self) -> None:
        # The loop is closed, or the program has ended.
        self._is_closed = True
        self._watches.clear()
        self._unseen.clear()
        self._forget_signal()
        self._keep()

    def _forget_signal(self) -> None:
        if self._signal is not None:
            self._signal.remove_event_listener("abort", self._seat.abort)

    # ---- who has it

    def _keep(self) -> None:
        is_heard = self._waiter is not None or bool(self._events)
        self._seat.kept = self if is_heard and not self._is_closed else None

    def _add(self, event: Hashable, listener: Listener, *, is_first: bool) -> Self:
        super()._add(event, listener, is_first=is_first)
        self._keep()
        return self

    def off(self, event: Hashable, listener: Listener, /) -> Self:
        """See EventEmitter.off."""
        super().off(event, listener)
        self._keep()
        return self

    remove_listener = off

    def remove_all_listeners(self, event: Hashable | None = None, /) -> Self:
        """See EventEmitter.remove_all_listeners."""
        super().remove_all_listeners(event)
        self._keep()
        return self

    # ---- iterating

    def __aiter__(self) -> Self:
        if self._queue is None:
            self._queue = deque()
        return self

    async def __anext__(self) -> WatchEvent[AnyStr]:
        if self._queue is None:
            self._queue = deque()
        while not self._queue:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self._is_closed:
                raise StopAsyncIteration
            if self._waiter is not None:
                raise TreadleError("ERR_INVALID_STATE", state="one at a time iterates over a watcher")
            self._waiter = self._loop.create_future()
            self._keep()
            try:
                await self._waiter
            finally:
                self._waiter = None
                self._keep()
        return self._queue.popleft()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ---- changes

    def _changed(self, place: bytes, number: int, mask: int, name: bytes) -> None:
        if mask & IN_IGNORED and self._watches.get(place) == number:
            del self._watches[place]
            if not (place or self._is_closed):
                self._find_again()
                return
        if self._is_closed or (place and not name):
            return  # what becomes of a directory below is told by the one above
        whole = place + b"/" + name if place else name or self._own_name()
        if self._is_recursive and mask & IN_ISDIR and name:
            if mask & IN_MOVED_FROM:
                self._forget(whole)
            elif mask & (IN_CREATE | IN_MOVED_TO):
                self._look_into(whole, True)
        self._tell("change" if mask & CONTENT_OR_ATTRIBUTES else "rename", whole)

    def _find_again(self) -> None:
        # What was watched is gone. What has its path now is watched instead; if nothing has, there is nothing to tell any more.
        # ORDER: it is watched before anybody is told, who looks at it then.
        failure: OSError | None = None
        for place in tuple(self._watches):  # below what was unmounted
            self._forget(place)
        try:
            self._watch(b"")
        except OSError as error:
            failure = error
        try:
            self._tell("rename", self._own_name())
        finally:
            if failure is None:
                self._look_into_all(is_news=True)
            elif failure.errno in (errno.ENOENT, errno.ENOTDIR):
                self.close()
            else:
                self._fail(failure)

    def _own_name(self) -> bytes:
        return os.path.basename(self._at.rstrip(b"/"))

    def _tell(self, event_type: str, name: bytes) -> None:
        if self._is_closed:
            return
        filename: Any = name if self._is_bytes else name.decode(ENCODING, "surrogateescape")
        if self._queue is not None:
            if len(self._queue) >= self._queue_max:
                self._fail(TreadleError("ERR_FS_WATCH_QUEUE_OVERFLOW", path=self._path, limit=self._queue_max))
                return
            self._queue.append(WatchEvent(event_type, filename))
            self._wake()
        self.emit("change", event_type, filename)

    def _has_overflown(self) -> None:
        try:
            with open(KERNEL_QUEUE) as file:
                limit = int(file.read())
        except OSError:  # there is no /proc
            limit = KERNEL_QUEUE_MAX
        self._fail(TreadleError("ERR_FS_WATCH_QUEUE_OVERFLOW", path=self._path, limit=limit))

    # ---- what is below

    def _watch(self, place: bytes) -> None:
        path = os.path.join(self._at, place) if place else self._at
        try:
            self._watches[place] = self._notifier.add(self._seat, path, place, is_below=bool(place))
        except OSError as error:
            error.filename = os.path.join(self._path, os.fsdecode(place)) if isinstance(self._path, str) and place else self._path
            raise

    def _forget(self, place: bytes) -> None:
        # A directory that was moved, and all below. INVARIANT: of that nothing is watched where it is not.
        if place not in self._watches:
            return
        for known in [known for known in self._watches if known == place or known.startswith(place + b"/")]:
            self._notifier.remove(self._seat, self._watches.pop(known), known)

    def _look_into_all(self, *, is_news: bool) -> None:
        if self._is_recursive and os.path.isdir(self._at):
            self._look_into(b"", is_news)

    def _look_into(self, place: bytes, is_news: bool) -> None:
        # ORDER: it is watched before it is read: what comes in between is told twice rather than not at all.
        if self._is_closed:  # one before it could not be watched
            return
        if place:
            try:
                self._forget(place)
                self._watch(place)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.ENOMEM):
                    self._fail(error)
                return  # it is gone again, or not ours to read: no reason to tell nothing of the others. COMPAT(node): docs
        self._unseen.append((place, is_news))
        self._look_on()

    def _look_on(self) -> None:
        # One directory at a time, so that the pool is others' as well.
        if self._is_looking or self._is_closed or not self._unseen:
            return
        place, is_news = self._unseen.popleft()
        self._is_looking = True

        def found(error: OSError | None, entries: Any) -> None:
            self._is_looking = False
            if error is not None or place not in self._watches:
                entries = ()  # it has gone meanwhile; if it comes again, it is looked into again
            names = [(place + b"/" + entry.name if place else entry.name, entry.is_directory()) for entry in entries]
            for whole, is_directory in names:
                if is_directory and whole not in self._watches:
                    self._look_into(whole, is_news)
            self._look_on()
            for whole, _ in names if is_news else ():  # ORDER: last, since a listener may fail
                self._tell("rename", whole)
            if not (self._is_looking or self._is_closed or self._is_ready):
                self._is_ready = True
                self.emit("ready")

        try:
            readdir(os.path.join(self._at, place), found, with_file_types=True)
        except (OSError, TreadleError) as error:  # not even one thread; ERR_POOL_SATURATED
            self._is_looking = False
            self._fail(error)


class Seat:
    """What the notifier and a signal know in a watcher's place. `kept` is the watcher while somebody listens or waits: else it is
    gone with whoever has it."""

    __slots__ = ("__weakref__", "_watcher", "kept")

    def __init__(self, watcher: FSWatcher[Any]) -> None:
        self._watcher = ref(watcher)
        self.kept: FSWatcher[Any] | None = None

    def abort(self, _: object) -> None:
        """The signal is aborted."""
        watcher = self._watcher()
        if watcher is not None:
            watcher._on_abort()

    # ---- an Owner

    def _changed(self, place: bytes, number: int, mask: int, name: bytes) -> None:
        watcher = self._watcher()
        if watcher is not None:
            watcher._changed(place, number, mask, name)

    def _has_overflown(self) -> None:
        watcher = self._watcher()
        if watcher is not None:
            watcher._has_overflown()

    def _abandon(self) -> None:
        watcher = self._watcher()
        if watcher is not None:
            watcher._abandon()


def watch(
    path: PathOf[AnyStr],
    listener: Callable[[str, AnyStr], object] | None = None,
    *,
    recursive: bool = False,
    persistent: bool = True,
    signal: AbortSignal | None = None,
    max_queue: int = QUEUE_MAX,
) -> FSWatcher[AnyStr]:
    """Watch a file or a directory: `async with fs.watch(path) as changes: async for event_type, filename in changes`, or by
    'change', which `listener` listens for. Changes are told in the poll phase, from the call on; iterating, from its begin on.

    recursive: and all directories below, also those that come; no link is followed, one that may not be read is left out, and
    what is made in a directory that has just come may be told twice. 'ready' tells when all that was there is watched.
    persistent: off, the program may end. signal: closes it when it is aborted, and ends an iteration with ABORT_ERR. max_queue:
    changes that wait to be iterated over.

    What is gone, by removing or replacing it, is told as "rename"; then what has the path now is watched, and if nothing has the
    watcher closes, which ends an iteration.

    Where more wait, or the kernel has dropped some, it is closed with TreadleError ERR_FS_WATCH_QUEUE_OVERFLOW, raised to who
    iterates, else emitted as 'error'; so is ENOSPC (this user has no more watches: fs.inotify.max_user_watches). Raised at once:
    OSError with errno and filename (ENOENT, EACCES, EMFILE, ENOSPC), ValueError (a NUL in the path), TypeError (no path),
    TreadleError: ERR_NO_LOOP, ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE. Files on other machines change without a word of it.
    Source: Node, fs.watch; inotify(7).
    """
    if listener is not None:
        require_callable(listener, "listener")
    if signal is not None:
        require_signal(signal, "signal")
    in_range(max_queue, "max_queue", 1, 2**31 - 1)
    watcher = FSWatcher(path, recursive, persistent, signal, max_queue)
    if listener is not None:
        watcher.on("change", listener)
    return watcher
