# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""The readable side: what is pushed, what is buffered, and when who is told.

    read hook ──push()──► buffer ──read()──► 'data', or who called read()
        ▲                   │ below the mark
        └───────────────────┘

Invariants: the hook is not called again before it has pushed; nothing is emitted inside a call of the user that pushes from the
hook; length is what the buffer holds, less what was read of its first chunk; 'end' follows when all was read. Not here: options
and texts (treadle.streams), destinations (stream_pipe.pyx), the life of the stream (stream_core.pyx).
Source: https://nodejs.org/api/stream.html#readable-streams; what is not written there was seen in Node 24.
"""
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from treadle._native.emitter cimport NativeListener
from treadle._native.queues cimport Ring
from treadle._native.readable_buffer cimport first_length, take
from treadle._native.stream_core cimport (
    Attempt, Half, Method, StreamCore, call_hook_1, failure_of_attempt, hasten, is_stray, length_of,
    set_size)
from treadle._native.stream_states cimport (
    ALIVE, CONSTRUCTING, DOOMED, EMIT_END, END_EMITTED, END_PUSHED, ENDED, FLOWING, GONE, PAUSED, SUPPLYING, UNDECIDED, next_supply)
from treadle._native.timers cimport NS_PER_MS, clock_ns
from treadle._native.stream_states import SUPPLIES

cdef enum:
    FLOW_NS = 10 * NS_PER_MS    # how long chunks may flow on end: what the loop's guard allows a drain, too
    LOOK_EVERY = 64             # chunks between two looks at the clock
    MARK_MAX = 1 << 30          # how far read(size) raises a mark: 1 GiB, as in Node


cdef inline bint takes_more(ReadableState state) except -1:
    # Whether a chunk may be pushed; after the end that is an error.
    cdef StreamCore stream
    if state.supply != SUPPLYING:
        stream = state.stream()
        stream.error_or_destroy(stream._make_error("ERR_STREAM_PUSH_AFTER_EOF"), False)
        return False
    return not (<StreamCore>state.owner).is_failed()


cdef inline int add_chunk(ReadableState state, chunk, bint is_first) except -1:
    # Give it to who listens for 'data', or keep it.
    if state.flow == FLOWING and state.hears_data and not state.is_sync and state.length == 0:
        data_moved(state)
        emit_data(state, chunk)
    else:
        if state.buffer is None:
            state.buffer = Ring()
        # INVARIANT: the buffer has what length says, or more, whatever fails: nobody looks before he takes.
        if state.object_mode:
            state.keep(chunk, is_first)
            state.length += 1
        elif state.decoder is not None:
            state.keep_text(chunk, is_first)
        else:
            state.keep(chunk, is_first)
            state.length += length_of(chunk)
        if state.needs_readable:
            state.arrange_readable()
    if not state.is_reading_more and not state.is_reading:
        state.read_more_soon()
    return 0


cdef inline bint is_plain(ReadableState state, chunk) except -1:
    # Whether the buffer keeps the chunk as it is, which is neither None nor empty.
    if state.decoder is not None:
        return False
    return chunk is not None if state.object_mode else (type(chunk) is bytes and length_of(chunk) != 0)


cdef inline bint push_plain(ReadableState state, chunk) except -1:
    if not takes_more(state):
        return False
    state.is_reading = False
    add_chunk(state, chunk, False)
    return state.can_push_more()


cdef inline int emit_data(ReadableState state, chunk) except -1:
    cdef NativeListener only
    state.did_read = True
    if state.only_data is None:
        if not state.is_unheard:
            state.stream().emit_one("data", chunk)
    else:                       # PERF: bench/streams, `objects`: four look-ups a chunk otherwise
        only = state.only_data
        only.hear(chunk)
    return 0


cdef inline Py_ssize_t readable_now(ReadableState state, Py_ssize_t size) except -1:
    # How much of what is buffered a read() of that size gets.
    if size == 0 or size == READ_NEGATIVE or (state.length == 0 and state.supply != SUPPLYING):
        return 0
    if state.object_mode:
        return 1
    if size == READ_ALL:
        if state.flow == FLOWING and state.length:
            return first_length(state)      # chunk by chunk, as they came
        return state.length
    if size <= state.length:
        return size
    return state.length if state.supply != SUPPLYING else 0


cdef int attempt_read(ReadableState state, void *argument) except -1:
    return state.call_read()


cdef class ReadableState(ReadableBuffer):
    def __cinit__(self):
        self.is_sync = True

    cdef bint is_done(self) noexcept:
        return self.supply == END_EMITTED

    cdef bint is_all_but_done(self):
        cdef StreamCore stream = self.stream()
        return stream.errored is None and (self.supply == END_EMITTED or (self.supply != SUPPLYING and self.length == 0))

    cdef int on_constructed(self) except -1:
        if self.needs_readable:
            self.read_more_soon()
        return 0

    # ---- pushing

    cdef bint push(self, chunk, encoding) except -1:
        # True: push on.
        if chunk is None:
            self.is_reading = False
            self.end_pushed()
            return False
        return push_plain(self, chunk) if is_plain(self, chunk) else self.push_converted(chunk, encoding)

    cdef bint push_converted(self, chunk, encoding) except -1:
        # Text, and bytes that are not `bytes`, or empty, or decoded.
        if not self.object_mode:
            if type(chunk) is not bytes:
                chunk = self.checked(chunk, encoding, False)
                if chunk is None:
                    return False
            if length_of(chunk) == 0:
                self.is_reading = False
                self.read_more_soon()
                return self.can_push_more()
        if not takes_more(self):
            return False
        self.is_reading = False
        if self.decoder is not None and type(chunk) is not str and not (encoding and self.object_mode):
            chunk = self.decoder.decode(chunk)
            if length_of(chunk) == 0 and not self.object_mode:
                self.read_more_soon()
                return self.can_push_more()
        add_chunk(self, chunk, False)
        return self.can_push_more()

    cdef bint unshift(self, chunk, encoding) except -1:
        cdef StreamCore stream = self.stream()
        if chunk is None:
            self.is_reading = False
            self.end_pushed()
            return False
        if not self.object_mode:
            chunk = self.checked(chunk, encoding, True)
            if chunk is None:
                return False
            if length_of(chunk) == 0:
                return self.can_push_more()
        if self.supply == END_EMITTED:
            stream.error_or_destroy(stream._make_error("ERR_STREAM_UNSHIFT_AFTER_END_EVENT"), False)
        elif stream.is_failed():
            return False
        else:
            add_chunk(self, chunk, True)
        return self.can_push_more()

    cdef object checked(self, chunk, str encoding, bint is_text_wanted):
        # A chunk of a byte stream as the buffer keeps it: bytes, a flat memoryview, or text that needs no decoding. None: refused.
        # is_text_wanted: a str stays one where text is given out.
        cdef StreamCore stream = self.stream()
        if isinstance(chunk, str):
            if not encoding:
                encoding = self.default_encoding
            if self.encoding == encoding:
                return chunk
            chunk = stream._encode(chunk, encoding)
            if is_text_wanted and self.decoder is not None:
                return stream._decode(chunk, self.encoding)
        elif isinstance(chunk, (bytes, bytearray, memoryview)):
            chunk = stream._flat(chunk)
        else:
            stream.error_or_destroy(stream._wrong_chunk(chunk, True), False)
            return None
        return chunk

    cdef int end_pushed(self) except -1:
        cdef object rest
        if self.supply != SUPPLYING:
            return 0
        if self.decoder is not None:
            rest = self.decoder.finish()
            if rest:
                if self.buffer is None:
                    self.buffer = Ring()
                self.buffer.push(rest)
                self.length += 1 if self.object_mode else length_of(rest)
        self.supply = next_supply(self.supply, END_PUSHED)
        if self.is_sync:
            return self.arrange_readable()
        # COMPAT(node): at once, since readers rely on hearing of the end inside the push.
        self.needs_readable = False
        self.emitted_readable = True
        return self.emit_readable()

    # ---- reading

    cdef object read(self, Py_ssize_t size):
        cdef Py_ssize_t count
        cdef object chunk
        if size > self.high_water_mark:
            self.raise_mark(size)
        if size != 0:
            self.emitted_readable = False
        elif self.needs_readable and (self.supply != SUPPLYING or (
                self.length >= self.high_water_mark if self.high_water_mark else self.length > 0)):
            if self.length == 0 and self.supply != SUPPLYING:
                self.end_if_read()
            else:
                self.arrange_readable()
            return None
        count = readable_now(self, size)
        if count == 0 and self.supply != SUPPLYING:
            if self.length == 0:
                self.end_if_read()
            return None
        if (self.needs_readable or self.length == 0 or self.length - count < self.high_water_mark) and not self.is_reading \
                and self.supply == SUPPLYING \
                and (<StreamCore>self.owner).life == ALIVE and (<StreamCore>self.owner).errored is None:
            self.ask()
            if not self.is_reading or count > self.length:
                count = readable_now(self, size)    # what the hook has pushed counts, and what it has read
        if count == 0 or self.length == 0:
            return self.found_nothing(size)
        self.length -= count
        chunk = take(self, count)
        data_moved(self)
        if self.decoder is not None:
            chunk = self.told(chunk)
        if self.length == 0:
            self.note_empty(size != count)
        if not (<StreamCore>self.owner).error_emitted and (<StreamCore>self.owner).life != GONE:
            emit_data(self, chunk)
        return chunk

    cdef int ask(self) except -1:
        # Call the read hook.
        self.is_reading = self.is_sync = True
        if self.length == 0:
            self.needs_readable = True
        if (<Attempt><void *>attempt_read)(<void *>self, NULL) < 0:
            self.stream().error_or_destroy(failure_of_attempt(), False)
        self.is_sync = False
        return 0

    cdef object found_nothing(self, Py_ssize_t size):
        if self.length <= self.high_water_mark:
            self.needs_readable = True
        if self.length == 0:
            self.note_empty(size != 0)
        return None

    cdef int note_empty(self, bint has_read_past) except -1:
        # has_read_past: somebody asked for more than there was.
        if self.supply == SUPPLYING:
            self.needs_readable = True
        elif has_read_past:
            self.end_if_read()
        return 0

    cdef int call_read(self) except -1:
        if self.read_option is None:
            return self.stream().require_no_coroutine("read", is_stray(self.stream()._read(self.mark)))
        if call_hook_1(<PyObject *>self.read_option, <PyObject *>self.mark):
            raise self.stream()._stray_coroutine("read")
        return 0

    cdef int raise_mark(self, Py_ssize_t size) except -1:
        # Whoever reads that much at once has to find it buffered: the next power of two.
        cdef StreamCore stream
        if size > MARK_MAX:
            stream = self.stream()
            raise stream._make_error("ERR_OUT_OF_RANGE", name="size", expected="at most 1 GiB", received=size)
        self.high_water_mark = 1
        while self.high_water_mark < size:
            self.high_water_mark *= 2
        self.mark = self.high_water_mark
        return 0

    cdef int note_data_listeners(self) except -1:
        cdef StreamCore stream = self.stream()
        cdef object entry = None if stream._events is None or stream.has_own_emit else stream._events.get("data")
        self.only_data = entry if isinstance(entry, NativeListener) else None
        self.is_unheard = not stream.hears("data") and not stream.has_own_emit
        return 0

    # ---- telling

    cdef int arrange_readable(self) except -1:
        cdef StreamCore stream = self.stream()
        self.needs_readable = False
        if not self.emitted_readable:
            self.emitted_readable = True
            if not self.is_iterated or self.readable_ticks == 0:    # else a loop that never waits would pile them up
                self.readable_ticks += 1
                stream.tick(stream._emit_readable, ())
        return 0

    cdef int emit_readable(self) except -1:
        cdef StreamCore stream = self.stream()
        if not stream.is_failed() and (self.length or self.supply != SUPPLYING):
            stream.emit_none("readable")
            self.emitted_readable = False
        if self.flow != FLOWING and self.supply == SUPPLYING and self.length <= self.high_water_mark:
            self.needs_readable = True
        return self.run_flow()

    cdef int read_more_soon(self) except -1:
        cdef StreamCore stream
        if not self.is_reading_more and not self.is_reading:
            stream = self.stream()
            if stream.life != CONSTRUCTING and stream.life != DOOMED:
                self.is_reading_more = True
                stream.tick(stream._read_more, ())
        return 0

    cdef int read_more(self) except -1:
        # Fill the buffer up to the mark, as long as the hook pushes at once.
        cdef Py_ssize_t before
        while not self.is_reading and self.supply == SUPPLYING and (
                self.length < self.high_water_mark or (self.flow == FLOWING and self.length == 0)):
            before = self.length
            self.read(0)
            if self.length == before:
                break
        self.is_reading_more = False
        return 0

    cdef int run_flow(self) except -1:
        # A source and a sink that never wait would hold the loop for ever: past FLOW_NS they go on in the next turn.
        cdef int left = LOOK_EVERY
        cdef int64_t start_ns = 0
        while self.flow == FLOWING and self.read(READ_ALL) is not None:
            left -= 1
            if left == 0:
                left = LOOK_EVERY
                if start_ns == 0:
                    start_ns = clock_ns()
                elif clock_ns() - start_ns > FLOW_NS:
                    return self.flow_on_later()
        return 0

    cdef int flow_on_later(self) except -1:
        cdef StreamCore stream = self.stream()
        stream.loop_here().set_immediate(stream._flow_on)
        return 0

    cdef int end_if_read(self) except -1:
        cdef StreamCore stream = self.stream()
        if self.supply != END_EMITTED:
            stream.tick(stream._emit_end, ())
        return 0

    cdef int emit_end(self) except -1:
        # Unless something was unshifted meanwhile.
        cdef StreamCore stream = self.stream()
        if stream.errored is not None or stream.life == GONE or self.supply == END_EMITTED or self.length:
            return 0
        self.supply = next_supply(self.supply, EMIT_END)
        stream.emit_none("end")
        if not stream.allow_half_open and stream.writable_half is not None and stream.writable:
            return stream.tick(stream._end_other_half, ())
        return stream.destroy_when_both_done(stream.writable_half)

    # ---- flowing

    cdef int resume(self) except -1:
        cdef StreamCore stream
        if self.flow != FLOWING:
            self.flow = PAUSED if self.hears_readable else FLOWING
            if not self.is_resuming:
                self.is_resuming = True
                stream = self.stream()
                stream.tick(stream._resume, ())
        self.has_paused = True
        self.is_paused = False
        return 0

    cdef int run_resume(self) except -1:
        cdef StreamCore stream = self.stream()
        if not self.is_reading:
            self.read(0)
        self.is_resuming = False
        stream.emit_none("resume")
        self.run_flow()
        if self.flow == FLOWING and not self.is_reading:
            self.read(0)
        return 0

    cdef int pause(self) except -1:
        cdef StreamCore stream
        if self.flow != PAUSED:
            self.flow = PAUSED
            stream = self.stream()
            stream.emit_none("pause")
        self.has_paused = self.is_paused = True
        return 0

    # ---- listeners

    cdef int heard(self, event) except -1:
        # A listener of that event was added.
        cdef StreamCore stream = self.stream()
        if event == "data":
            self.hears_data = True
            self.note_data_listeners()
            if stream.hears("readable"):
                self.hears_readable = True
            if self.flow != PAUSED:
                stream.resume()
        elif event == "readable" and self.supply != END_EMITTED and not self.hears_readable:
            self.hears_readable = self.needs_readable = True
            self.flow = PAUSED
            self.emitted_readable = False
            if self.length:
                self.arrange_readable()
            elif not self.is_reading:
                stream.tick(stream._read_nothing, ())
        return 0

    cdef int unheard(self, event) except -1:
        # ... was removed. ORDER: that nobody hears 'readable' any more counts in a tick, since once('readable') may follow.
        cdef StreamCore stream = self.stream()
        if event == "readable":
            stream.tick(stream._note_listeners, ())
        elif event == "data":
            self.note_data_listeners()
            if not stream.hears("data"):
                self.hears_data = False
        return 0

    cdef int note_listeners(self) except -1:
        cdef StreamCore stream = self.stream()
        self.hears_readable = stream.hears("readable")
        if self.is_resuming and self.has_paused and not self.is_paused:
            self.flow = FLOWING
        elif self.hears_data:
            stream.resume()
        elif not self.hears_readable:
            self.flow = UNDECIDED
        return 0


cdef class ReadableCore(StreamCore):
    """The readable side of a stream, as Python calls it. Invariant: made by _make_readable() before anything else is called."""

    def _make_readable(self, high_water_mark, object_mode, default_encoding, read):
        cdef ReadableState state
        self.require_new(self.readable_half)
        state = self._new_readable_state()
        state.owner = <void *>self
        state.high_water_mark = state.mark = high_water_mark
        state.object_mode = object_mode
        state.default_encoding = default_encoding
        state.read_option = read
        self.readable_half = state

    def _new_readable_state(self):
        return ReadableState.__new__(ReadableState)

    def _read(self, size):
        """The read hook: push() at least once, now or later; it is called again when more is wanted. size: the mark."""
        raise self._make_error("ERR_METHOD_NOT_IMPLEMENTED", method="_read()")

    def _disable_readable(self):
        cdef ReadableState state = readable_of(self)
        state.is_disabled = True
        state.supply = END_EMITTED

    def push(self, chunk, encoding=None):       # a chunk alone: quick_push()
        """Hand a chunk to whoever reads; None is the end. True while the buffer is below the mark: the read hook may go on.

        A str is encoded (UTF-8, or `encoding`), unless text is what the stream gives out. After the end, or with a chunk that is no
        bytes where no objects are allowed, the stream fails (ERR_STREAM_PUSH_AFTER_EOF, ERR_INVALID_ARG_TYPE).
        """
        return readable_of(self).push(chunk, encoding)

    def unshift(self, chunk, encoding=None):
        """Put a chunk back in front of what is buffered. After 'end' the stream fails (ERR_STREAM_UNSHIFT_AFTER_END_EVENT)."""
        return readable_of(self).unshift(chunk, encoding)

    def read(self, size=None):
        """What is buffered, or `size` bytes or characters of it; an object where they are. None: not enough is there.

        At the end `size` may be more than is left. A `size` above the mark raises the mark; read(0) reads nothing and lets the stream
        fill its buffer. Raises TreadleError: ERR_OUT_OF_RANGE.
        """
        if size is None:
            return readable_of(self).read(READ_ALL)
        return readable_of(self).read(size if size >= 0 else READ_NEGATIVE)

    def resume(self):
        """Let 'data' flow, from the next tick on; where nobody listens for it, what comes is lost. Returns the stream."""
        readable_of(self).resume()
        return self

    def pause(self):
        """Emit no 'data' until resume(); the buffer fills up to its mark. Returns the stream."""
        readable_of(self).pause()
        return self

    def is_paused(self):
        """Whether pause() was called last, or a 'readable' listener holds the flow."""
        cdef ReadableState state = readable_of(self)
        return (state.has_paused and state.is_paused) or state.flow == PAUSED

    # ---- ticks

    def _emit_readable(self):
        cdef ReadableState state = readable_of(self)
        state.readable_ticks -= 1
        state.emit_readable()

    def _flow_on(self):
        readable_of(self).run_flow()

    def _read_more(self):
        readable_of(self).read_more()

    def _read_nothing(self):
        readable_of(self).read(0)

    def _emit_end(self):
        readable_of(self).emit_end()

    def _resume(self):
        readable_of(self).run_resume()

    def _note_listeners(self):
        readable_of(self).note_listeners()

    # ---- for treadle.streams

    def _heard(self, event):
        readable_of(self).heard(event)

    def _note_data_listeners(self):
        readable_of(self).note_data_listeners()

    def _unheard(self, event):
        readable_of(self).unheard(event)

    def _awaits_push(self):
        """Whether the read hook was called, and has pushed nothing yet."""
        return readable_of(self).is_reading

    def _note_iteration(self):
        cdef ReadableState state = readable_of(self)
        state.is_iterated = True
        state.note_data_listeners()

    def _set_decoder(self, decoder, encoding):
        readable_of(self).set_decoder(decoder, encoding)

    def _supply(self):
        """The state of the readable side, by name."""
        return SUPPLIES[<int>readable_of(self).supply]

    # ---- looking

    @property
    def readable(self):
        """Whether read() may still give something: neither ended nor failed nor destroyed."""
        cdef ReadableState state = readable_of(self)
        return not state.is_disabled and not self.is_destroyed() and not self.error_emitted and state.supply != END_EMITTED

    @property
    def readable_ended(self):
        """Whether 'end' was emitted."""
        return readable_of(self).supply == END_EMITTED

    @property
    def readable_flowing(self):
        """None: nobody asked for data; False: paused, or read by a 'readable' listener; True: 'data' is emitted as it comes."""
        cdef Flow flow = readable_of(self).flow
        return None if flow == UNDECIDED else flow == FLOWING

    @property
    def readable_length(self):
        """What is buffered: bytes, characters once there is an encoding, or objects."""
        return readable_of(self).length

    @property
    def readable_high_water_mark(self):
        """The mark, in units of readable_length."""
        return readable_of(self).high_water_mark

    @property
    def readable_object_mode(self):
        """Whether chunks are objects."""
        return readable_of(self).object_mode

    @property
    def readable_encoding(self):
        """The encoding of the text it gives out, or None: bytes."""
        return readable_of(self).encoding

    @property
    def readable_did_read(self):
        """Whether anything was read of it yet."""
        return readable_of(self).did_read

    @property
    def readable_aborted(self):
        """Whether it was destroyed, or failed, before 'end'."""
        cdef ReadableState state = readable_of(self)
        return not state.is_disabled and self.is_failed() and state.supply != END_EMITTED


cdef extern from *:
    """
    static treadle_method treadle_thorough_push;
    """
    Method thorough_push "treadle_thorough_push"


cdef object quick_push(PyObject *stream, PyObject **arguments, Py_ssize_t count, PyObject *names):
    cdef PyObject *state = <PyObject *>(<StreamCore>stream).readable_half
    cdef PyObject *chunk
    if count == 1 and names == NULL and <object>state is not None:
        chunk = arguments[0]
        if is_plain(<ReadableState>state, <object>chunk):
            return push_plain(<ReadableState>state, <object>chunk)
    return thorough_push(stream, arguments, count, names)


hasten(ReadableCore, "push", quick_push, &thorough_push)
