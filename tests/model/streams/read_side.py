"""The reading side: chunks come in by push, and go out by read, whether the user calls it or the side itself does (flowing).

Nothing is emitted while the read hook is on the stack: what it pushes is announced in a tick. Invariants: the read hook is asked
once at a time; 'end' comes once, in a tick of its own, when all is read. Not here: pipes.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from tests.model.streams.chunks import Chunks, as_bytes
from tests.model.streams.errors import StreamError
from tests.model.streams.marks import mark_of, raised_to
from tests.model.streams.table import Machine
from tests.model.streams.text import Decoder, encode
from treadle.process import next_tick

if TYPE_CHECKING:
    from tests.model.streams.stream import Stream


class Supply(Enum):
    OPEN = auto()
    COMPLETE = auto()  # nothing more comes in; something may be left to read
    ENDED = auto()  # 'end' was emitted


class Event(Enum):
    NO_MORE = auto()
    ALL_READ = auto()


TRANSITIONS = {
    (Supply.OPEN, Event.NO_MORE): Supply.COMPLETE,
    (Supply.COMPLETE, Event.ALL_READ): Supply.ENDED,
}


class Mode(Enum):
    """Who reads. Any may follow any."""

    UNDECIDED = None  # nobody has asked for anything: readable_flowing is None
    HELD = False  # the user calls read(), or has called pause()
    FLOWING = True  # the side itself


class ReadSide:
    """Of one stream."""

    def __init__(
        self, stream: Stream, *, mark: Any, is_object: bool, encoding: str | None, default_encoding: str, is_enabled: bool
    ) -> None:
        self.stream = stream
        self.life = stream.life
        self.mark = mark_of(mark, is_object=is_object)
        self.is_enabled = is_enabled  # False: of a duplex that was made without it
        self.supply = Machine(TRANSITIONS, Supply.OPEN if is_enabled else Supply.ENDED)
        self.chunks = Chunks(is_object=is_object)
        self.default_encoding = default_encoding
        self.encoding = encoding
        self.decoder = Decoder(encoding) if encoding else None
        self.chunks.is_text = self.decoder is not None

        self.mode = Mode.UNDECIDED
        #: Set by pause(), cleared by resume(). Not the same as HELD: a 'readable' listener holds the side, too.
        self.is_paused_by_user = False
        #: Set when the read hook is asked, cleared by whatever is pushed: the next one is not asked before.
        self.is_asked = False
        #: Set while the read hook is on the stack, and until it was there once (a transform clears that when it is made).
        self.is_in_hook = True
        #: Somebody came away empty-handed: set then, cleared when 'readable' is announced.
        self.owes_readable = False
        #: 'readable' is announced: set then, cleared when it was emitted, and by every read(), which may ask for another.
        self.has_announced = False
        #: There is a 'readable' listener: set with the first, cleared in a tick after the last has gone.
        self.heeds_readable = False
        #: There is a 'data' listener added by on() or once(): set there, cleared by off(). One that was prepended does not count.
        self.heeds_data = False
        #: A tick that resumes, or that fills, is under way: each is set when it is asked for, cleared when it has run.
        self.is_resuming = False
        self.is_filling = False
        #: A chunk was given out; never cleared.
        self.did_read = False

    @property
    def length(self) -> int:
        return self.chunks.length

    @property
    def is_flowing(self) -> bool:
        return self.mode is Mode.FLOWING

    @property
    def is_ended(self) -> bool:
        return self.supply.is_in(Supply.ENDED)

    @property
    def is_open(self) -> bool:
        return self.supply.is_in(Supply.OPEN)

    @property
    def has_room(self) -> bool:
        """With nothing in it, there is room even if the mark is 0."""
        return self.is_open and (self.length < self.mark or self.length == 0)

    # ---- in

    def push(self, chunk: Any, encoding: str | None) -> bool:
        if chunk is None:
            return self.complete()
        is_decoded = False
        if not self.chunks.is_object:
            chunk = self.checked(chunk, encoding)
            if chunk is None:
                return False
            is_decoded = isinstance(chunk, str)
            if not chunk:
                return self.took_nothing()
        if not self.is_open:
            self.life.fail(StreamError("ERR_STREAM_PUSH_AFTER_EOF"))
            return False
        if self.life.is_broken:
            return False
        self.is_asked = False
        if self.decoder and not is_decoded:
            chunk = self.decoder.write(chunk)
            if not chunk:
                return self.took_nothing()
        return self.take_in(chunk)

    def took_nothing(self) -> bool:
        """Not even a whole character. The hook was answered, though."""
        self.is_asked = False
        self.fill_later()
        return self.has_room

    def unshift(self, chunk: Any, encoding: str | None) -> bool:
        if chunk is None:
            return self.complete()
        if not self.chunks.is_object:
            is_text = isinstance(chunk, str)
            chunk = self.checked(chunk, encoding)
            if chunk is None:
                return False
            if is_text and self.encoding and isinstance(chunk, bytes):
                decoder = Decoder(self.encoding)
                chunk = decoder.write(chunk) + decoder.end()
            if not chunk:
                return self.has_room
        if self.is_ended:
            self.life.fail(StreamError("ERR_STREAM_UNSHIFT_AFTER_END_EVENT"))
            return self.has_room
        if self.life.is_broken:
            return False
        return self.take_in(chunk, at_front=True)

    def checked(self, chunk: Any, encoding: str | None) -> Any:
        """As it is kept: text stays text only where it is in the encoding that is read. None: it is neither text nor bytes."""
        if isinstance(chunk, str):
            encoding = encoding or self.default_encoding
            return chunk if encoding == self.encoding else encode(chunk, encoding)
        data = as_bytes(chunk)
        if data is None:
            self.life.fail(StreamError("ERR_INVALID_ARG_TYPE"))
        return data

    def take_in(self, chunk: Any, *, at_front: bool = False) -> bool:
        """Straight to the 'data' listeners where nothing is before it and no hook is on the stack; else it waits."""
        if self.is_flowing and self.heeds_data and not self.is_in_hook and self.length == 0:
            self.stream.pipes.forget_awaited()
            self.did_read = True
            self.stream.emit("data", chunk)
        else:
            self.chunks.add(chunk, at_front=at_front)
            if self.owes_readable:
                self.announce()
        self.fill_later()
        return self.has_room

    def complete(self) -> bool:
        """push(None). Announced at once, but for a hook that is on the stack."""
        self.is_asked = False
        if not self.is_open:
            return False
        rest = self.decoder.end() if self.decoder else ""
        if rest:
            self.chunks.add(rest)
        self.supply.on(Event.NO_MORE)
        if self.is_in_hook:
            self.announce()
        else:
            self.owes_readable = False
            self.has_announced = True
            self.emit_readable()
        return False

    # ---- out

    def read(self, size: int | None) -> Any:
        """size: so much or nothing, but what is left when no more comes; None: all, or the first chunk while flowing."""
        if size is not None and size > self.mark:
            self.mark = raised_to(size)
        if size != 0:
            self.has_announced = False
        if size == 0 and self.owes_readable and self.has_news:
            if self.length == 0 and not self.is_open:
                self.end_later()
            else:
                self.announce()
            return None
        count = self.available(size)
        if count == 0 and not self.is_open:
            if self.length == 0:
                self.end_later()
            return None
        if self.is_worth_asking(count):
            self.ask()
            if not self.is_asked:  # answered at once
                count = self.available(size)
        chunk = self.chunks.take(count) if count > 0 else None
        if chunk is None:
            count = 0
            self.owes_readable = self.owes_readable or self.length <= self.mark
        else:
            self.stream.pipes.forget_awaited()
        if self.length == 0:
            if self.is_open:
                self.owes_readable = True
            elif size != count:  # more was asked for than there was
                self.end_later()
        if chunk is not None and not self.life.has_emitted_error and not self.life.is_gone:
            self.did_read = True
            self.stream.emit("data", chunk)
        return chunk

    @property
    def has_news(self) -> bool:
        """Enough waits for a 'readable', or nothing more comes."""
        return not self.is_open or (self.length >= self.mark if self.mark else self.length > 0)

    def available(self, size: int | None) -> int:
        """How much a read of that size takes now. In object mode one, even if none is there."""
        if (size is not None and size <= 0) or (self.length == 0 and not self.is_open):
            return 0
        if self.chunks.is_object:
            return 1
        if size is None:
            return self.chunks.first_length if self.is_flowing and self.length else self.length
        if size <= self.length:
            return size
        return 0 if self.is_open else self.length

    def is_worth_asking(self, count: int) -> bool:
        """What is left behind a read of so much is below the mark, or somebody waits; and the hook may be asked."""
        is_short = self.owes_readable or self.length == 0 or self.length - count < self.mark
        may_ask = not self.is_asked and self.is_open and not self.life.is_broken and self.life.is_constructed
        return is_short and may_ask

    def ask(self) -> None:
        """Call the read hook."""
        self.is_asked = self.is_in_hook = True
        if self.length == 0:
            self.owes_readable = True
        try:
            self.stream._read(self.mark)
        except Exception as error:
            self.life.fail(error)
        self.is_in_hook = False

    # ---- 'readable', and flowing

    def announce(self) -> None:
        self.owes_readable = False
        if not self.has_announced:
            self.has_announced = True
            next_tick(self.emit_readable)

    def emit_readable(self) -> None:
        if not self.life.is_broken and (self.length or not self.is_open):
            self.stream.emit("readable")
            self.has_announced = False
        if self.is_open and not self.is_flowing and self.length <= self.mark:
            self.owes_readable = True
        self.flow()

    def flow(self) -> None:
        while self.is_flowing and self.stream.read() is not None:
            pass

    def resume(self) -> None:
        """'data' in a tick; a 'readable' listener comes first, and keeps the side from flowing."""
        if not self.is_flowing:
            self.mode = Mode.HELD if self.heeds_readable else Mode.FLOWING
            if not self.is_resuming:
                self.is_resuming = True
                next_tick(self.resume_now)
        self.is_paused_by_user = False

    def resume_now(self) -> None:
        if not self.is_asked:
            self.stream.read(0)
        self.is_resuming = False
        self.stream.emit("resume")
        self.flow()
        if self.is_flowing and not self.is_asked:
            self.stream.read(0)

    def pause(self) -> None:
        if self.mode is not Mode.HELD:
            self.mode = Mode.HELD
            self.stream.emit("pause")
        self.is_paused_by_user = True

    # ---- filling up to the mark, whoever reads or does not

    def fill_later(self) -> None:
        if not self.is_filling and not self.is_asked and self.life.is_constructed:
            self.is_filling = True
            next_tick(self.fill)

    def fill(self) -> None:
        while self.is_open and not self.is_asked and (self.length < self.mark or (self.is_flowing and self.length == 0)):
            before = self.length
            self.stream.read(0)
            if self.length == before:
                break
        self.is_filling = False

    # ---- 'end'

    def end_later(self) -> None:
        if not self.is_ended:
            next_tick(self.end)

    def end(self) -> None:
        """If nothing was put back meanwhile."""
        if self.life.errored is not None or self.life.is_gone or self.is_ended or self.length:
            return
        self.supply.on(Event.ALL_READ)
        self.stream.emit("end")
        self.stream.read_side_ended()

    # ---- listeners

    def listened_to(self, event: object) -> None:
        """on() has added a listener."""
        if event == "data":
            self.heeds_data = True
            self.heeds_readable = self.heeds_readable or self.stream.listener_count("readable") > 0
            if self.mode is not Mode.HELD:
                self.stream.resume()
        elif event == "readable" and not self.is_ended and not self.heeds_readable:
            self.heeds_readable = self.owes_readable = True
            self.mode = Mode.HELD
            self.has_announced = False
            if self.length:
                self.announce()
            elif not self.is_asked:
                next_tick(self.stream.read, 0)

    def left_by(self, event: object) -> None:
        """off() was called; None: for all events at once."""
        if event in ("readable", None):
            next_tick(self.look_for_readable_listeners)
        elif event == "data" and self.stream.listener_count("data") == 0:
            self.heeds_data = False

    def look_for_readable_listeners(self) -> None:
        self.heeds_readable = self.stream.listener_count("readable") > 0
        if self.is_resuming and not self.is_paused_by_user:
            self.mode = Mode.FLOWING
        elif self.heeds_data:
            self.stream.resume()
        elif not self.heeds_readable:
            self.mode = Mode.UNDECIDED

    # ---- the encoding

    def set_encoding(self, encoding: str | None) -> None:
        self.decoder = Decoder(encoding)
        self.encoding = self.decoder.encoding
        self.chunks.decode(self.decoder)

    def constructed(self) -> None:
        if self.owes_readable:
            self.fill_later()
