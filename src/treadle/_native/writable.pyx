# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""The writable side: what is written, what waits, and when who is told.

    write() ──► hook ──► called back ──► the next one that waits
       │          ▲                            │
       └─ busy ──► buffer ─────────────────────┘ none left: 'drain', if somebody was told False

Invariants: one write is at the hook at a time; length is what waits and what is at the hook; callbacks are called in the order of
their writes, never inside write(); 'finish' comes after all of them, and not after 'error'. Not here: options and texts
(treadle.streams), the life of the stream (stream_core.pyx).
Source: https://nodejs.org/api/stream.html#writable-streams; what is not written there was seen in Node 24.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject

from treadle._native.queues cimport Ring
from treadle._native.stream_core cimport Half, Method, StreamCore, call_hook_3, hasten, is_stray, length_of
from treadle._native.stream_states cimport (
    ALIVE, CONSTRUCTING, END, ENDING, FINAL, FINISH, FINISHED, OPEN, PREFINISH, PREFINISHED, next_intake)
from treadle._native.stream_states import INTAKES

cdef enum:
    SIGNALS_EVERY = 1024    # chunks that are handed over in a row


cdef class WritableState(Half):
    def __cinit__(self):
        self.is_sync = True

    cdef bint is_done(self) noexcept:
        return self.intake == FINISHED

    cdef bint is_all_but_done(self):
        cdef StreamCore stream = self.stream()
        return self.intake == FINISHED or (stream.errored is None and self.has_end_returned and self.length == 0)

    cdef int on_constructed(self) except -1:
        if not self.is_writing:
            self.write_buffered()
        if self.intake != OPEN:
            self.finish_if_written(False)
        return 0

    cdef int on_doomed(self) except -1:
        cdef StreamCore stream
        if self.is_buffering() or self.end_callbacks is not None:
            stream = self.stream()
            stream.tick(stream._fail_buffered, ())
        return 0

    cdef int on_gone(self) except -1:
        return self.let_go_callbacks()

    cdef int let_go_callbacks(self) except -1:
        # No hook is called any more. OWNER: they hold the stream, which would wait for the garbage collector.
        self.done = None
        return 0

    # ---- writing

    cdef bint write(self, chunk, encoding, callback) except -1:
        # True: write on. False: the mark is reached, or it was refused.
        if (not self.object_mode and type(chunk) is not bytes) or chunk is None:
            return self.write_converted(chunk, encoding, callback)
        if self.is_refusing():
            self.refuse(callback)
            return False
        if self.object_mode:
            return accept(self, chunk, encoding, callback, 1)
        return accept(self, chunk, "buffer", callback, length_of(chunk))

    cdef bint write_converted(self, chunk, encoding, callback) except -1:
        # Text, and bytes that are not `bytes`. What is no chunk raises.
        cdef StreamCore stream = self.stream()
        if chunk is None:
            raise stream._make_error("ERR_STREAM_NULL_VALUES")
        if isinstance(chunk, str):
            encoding = stream._known_encoding(encoding) if encoding else self.default_encoding
            if self.decode_strings:
                chunk = stream._encode(chunk, encoding)
                encoding = "buffer"
        elif isinstance(chunk, (bytes, bytearray, memoryview)):
            chunk = stream._flat(chunk)
            encoding = "buffer"
        else:
            raise stream._wrong_chunk(chunk, False)
        if self.is_refusing():
            self.refuse(callback)
            return False
        return accept(self, chunk, encoding, callback, length_of(chunk))

    cdef int refuse(self, callback) except -1:
        # A write came too late: the stream and the callback are told.
        cdef StreamCore stream = self.stream()
        if self.intake != OPEN:
            self.refusal = stream._make_error("ERR_STREAM_WRITE_AFTER_END")
        else:
            self.refusal = stream._make_error("ERR_STREAM_DESTROYED", operation="write")
        if callback is not None:
            stream.tick(callback, (self.refusal,))
        return stream.error_or_destroy(self.refusal, True)

    cdef int keep(self, chunk, encoding, callback) except -1:
        if self.buffer is None:
            self.buffer = Ring()
        self.buffer.push(chunk)
        self.buffer.push(encoding)
        return self.buffer.push(callback)

    cdef int call_write(self, chunk, encoding) except -1:
        if self.done is None:
            self.done = self.stream()._written
        if self.write_option is None:
            return is_stray(self.stream()._write(chunk, encoding, self.done))
        return call_hook_3(<PyObject *>self.write_option, <PyObject *>chunk, <PyObject *>encoding, <PyObject *>self.done)

    cdef str write_hook(self):
        return "write"

    cdef int refuse_coroutine(self, str name) except -1:
        # The write is as one that was called back with this.
        cdef StreamCore stream = self.stream()
        error = stream._stray_coroutine(name)
        return self.written(error) if self.is_writing else stream.error_or_destroy(error, True)

    cdef int call_writev(self, list requests) except -1:
        cdef StreamCore stream = self.stream()
        if self.done is None:
            self.done = stream._written
        return is_stray(
            stream._writev(requests, self.done) if self.writev_option is None else self.writev_option(requests, self.done))

    cdef bint has_writev(self) except -1:
        return self.writev_option is not None or self.stream()._writev is not None

    cdef int written(self, error) except -1:
        # The hook calls back.
        cdef StreamCore stream = self.stream()
        cdef object callback = self.write_callback
        cdef bint is_sync = self.is_sync
        if not self.is_writing:
            return stream.error_or_destroy(stream._make_error("ERR_MULTIPLE_CALLBACK"), False)
        self.write_callback = None
        self.is_writing = False
        self.length -= self.write_length
        self.write_length = 0
        if error is not None:
            error = stream.as_error(error)
            stream.note_error(error)
            if is_sync:
                return stream.tick(stream._write_failed, (error, callback))
            return self.write_failed(error, callback)
        if self.buffer is not None and self.buffer.size:
            self.write_buffered()
        if not is_sync:
            return self.after_write(1, callback)
        if callback is None and self.is_telling and self.intake == OPEN:
            self.pending -= 1       # the common case of the following
            return 0
        return self.tell_soon(callback)

    cdef int tell_soon(self, callback) except -1:
        # ORDER: whoever wrote hears of it in a tick, writes in a row with one callback in one. COMPAT(node): where objects are
        # written there is a tick also if nobody waits for it, which delays 'finish'.
        cdef StreamCore stream = self.stream()
        cdef Completions completions = self.completions
        if callback is not None:
            if completions is not None and completions.callback is callback:
                completions.count += 1
                return 0
            completions = Completions.__new__(Completions)
            completions.stream = stream
            completions.callback = callback
            completions.count = 1
            self.completions = completions
            self.is_telling = True
            return stream.tick(completions, ())
        if not self.is_telling and (self.object_mode or (self.needs_drain and self.length == 0)):
            self.is_telling = True
            return stream.tick(stream._after_write, ())
        self.pending -= 1
        return self.finish_if_written(True) if self.intake != OPEN else 0

    cdef int write_failed(self, error, callback) except -1:
        # ORDER: the callbacks first, then 'error'.
        cdef StreamCore stream = self.stream()
        self.pending -= 1
        if callback is not None:
            callback(error)
        self.fail_buffered()
        return stream.error_or_destroy(error, False)

    cdef int after_write(self, Py_ssize_t count, callback) except -1:
        cdef StreamCore stream = self.stream()
        self.is_telling = False
        if self.needs_drain and self.intake == OPEN and self.length == 0 and not stream.is_destroyed():
            self.needs_drain = False
            stream.emit_none("drain")
        while count > 0:
            count -= 1
            self.pending -= 1
            if callback is not None:
                callback(None)
        if stream.is_destroyed():
            self.fail_buffered()
        return self.finish_if_written(True) if self.intake != OPEN else 0

    # ---- the buffer

    cdef int write_buffered(self) except -1:
        # What waits goes to the hook: all of it if it takes several, else one by one as long as it calls back at once.
        cdef StreamCore stream = self.stream()
        cdef Py_ssize_t length
        cdef int in_a_row = 0
        cdef object chunk, encoding, callback
        if self.is_clearing or self.corked or self.buffer is None or not self.buffer.size or stream.life != ALIVE:
            return 0
        self.is_clearing = True
        if self.buffer.size > 3 and self.has_writev():
            self.write_together()
        else:
            while self.buffer.size and not self.is_writing:
                chunk = self.buffer.pop()
                encoding = self.buffer.pop()
                callback = self.buffer.pop()
                length = 1 if self.object_mode else length_of(chunk)
                if not self.hand_over(chunk, encoding, callback, None, length):
                    break
                in_a_row += 1
                if in_a_row == SIGNALS_EVERY:       # a circle of native stages runs no Python, which would look: Ctrl-C ends it
                    in_a_row = 0
                    self.is_clearing = False
                    PyErr_CheckSignals()
                    self.is_clearing = True
                    if self.corked:     # by a signal's handler
                        break
        self.is_clearing = False
        return 0

    cdef int write_together(self) except -1:
        cdef list requests = [], callbacks = []
        cdef object chunk, encoding, callback
        while self.buffer.size:
            chunk = self.buffer.pop()
            encoding = self.buffer.pop()
            callback = self.buffer.pop()
            requests.append({"chunk": chunk, "encoding": encoding})
            if callback is not None:
                callbacks.append(callback)
        self.pending -= len(requests) - 1       # one callback for all
        self.hand_over(None, None, CallEach(callbacks) if callbacks else None, requests, self.length)
        return 0

    cdef int hand_over(self, chunk, encoding, callback, list requests, Py_ssize_t length) except -1:
        # False: the hook has raised.
        cdef StreamCore stream = self.stream()
        self.write_length = length
        self.write_callback = callback
        self.is_writing = self.is_sync = True
        if stream.is_destroyed():
            self.written(stream._make_error("ERR_STREAM_DESTROYED", operation="write"))
        else:
            try:
                if requests is not None:
                    if self.call_writev(requests):
                        self.refuse_coroutine("writev")
                elif self.call_write(chunk, encoding):
                    self.refuse_coroutine(self.write_hook())
            except Exception as error:
                # What write() would raise: of a chunk that has waited nobody else hears. COMPAT(node): there it ends the process.
                if self.is_writing:
                    self.written(error)
                else:
                    stream.error_or_destroy(error, True)
                self.is_sync = False
                return False
        self.is_sync = False
        return True

    cdef int fail_buffered(self) except -1:
        # What waits is not written any more: its callbacks, and those of end(), are told.
        cdef StreamCore stream = self.stream()
        cdef object chunk, callback
        if self.is_writing:
            return 0
        while self.buffer is not None and self.buffer.size:
            chunk = self.buffer.pop()
            self.buffer.pop()
            callback = self.buffer.pop()
            self.length -= 1 if self.object_mode else length_of(chunk)
            if callback is not None:
                callback(stream._make_error("ERR_STREAM_DESTROYED", operation="write") if stream.errored is None else stream.errored)
        if self.end_callbacks is not None:
            self.call_end_callbacks(
                stream._make_error("ERR_STREAM_DESTROYED", operation="end") if stream.errored is None else stream.errored)
        return 0

    cdef int uncork(self) except -1:
        if self.corked:
            self.corked -= 1
            if not self.is_writing:
                self.write_buffered()
        return 0

    # ---- ending

    cdef int end(self, chunk, encoding, callback) except -1:
        cdef StreamCore stream = self.stream()
        cdef object error = None
        if chunk is not None:
            self.refusal = None
            self.write(chunk, encoding, None)
            error, self.refusal = self.refusal, None
        if self.corked:
            self.corked = 1
            self.uncork()
        if error is not None:
            pass
        elif self.intake == OPEN and stream.errored is None:
            self.intake = next_intake(self.intake, END)
            self.finish_if_written(True)
            self.has_end_returned = True
        elif self.intake == FINISHED:
            error = stream._make_error("ERR_STREAM_ALREADY_FINISHED", operation="end")
        elif stream.is_destroyed():
            error = stream._make_error("ERR_STREAM_DESTROYED", operation="end")
        if callback is None:
            return 0
        if error is not None or stream.errored is not None:
            return stream.tick(callback, (stream.errored if error is None else error,))
        if self.intake == FINISHED:
            return stream.tick(callback, (None,))
        if self.end_callbacks is None:
            self.end_callbacks = []
        self.end_callbacks.append(callback)
        return 0

    cdef bint is_finishable(self) except -1:
        cdef StreamCore stream = self.stream()
        return self.intake != OPEN and self.intake != FINISHED and stream.life == ALIVE and stream.errored is None \
            and not self.is_writing and not self.is_buffering() and self.length == 0

    cdef int finish_if_written(self, bint is_sync) except -1:
        # INVARIANT: end() was called.
        cdef StreamCore stream = self.stream()
        if not self.is_finishable():
            return 0
        self.prefinish()
        if self.pending == 0:
            if is_sync:
                self.pending += 1
                return stream.tick(stream._finish_if_still, ())
            if self.is_finishable():
                self.pending += 1
                return self.finish()
        return 0

    cdef int prefinish(self) except -1:
        cdef StreamCore stream = self.stream()
        if self.intake != ENDING:
            return 0
        if not self.has_final():
            self.intake = next_intake(self.intake, PREFINISH)
            return self.emit_prefinish()
        self.intake = next_intake(self.intake, FINAL)
        self.is_sync = True
        self.pending += 1
        done = stream._final_done
        try:
            self.call_final(done)
        except Exception as error:
            self.final_done(error)
        self.is_sync = False
        return 0

    cdef bint has_final(self) except -1:
        return self.final_option is not None or self.stream()._final is not None

    cdef int call_final(self, done) except -1:
        cdef StreamCore stream = self.stream()
        return stream.require_no_coroutine(
            "final", is_stray(stream._final(done) if self.final_option is None else self.final_option(done)))

    cdef int final_done(self, error) except -1:
        # The final hook calls back.
        cdef StreamCore stream = self.stream()
        if self.intake == PREFINISHED or self.intake == FINISHED:
            return stream.error_or_destroy(stream._make_error("ERR_MULTIPLE_CALLBACK") if error is None else error, False)
        self.pending -= 1
        if error is not None:
            error = stream.as_error(error)
            self.call_end_callbacks(error)
            return stream.error_or_destroy(error, self.is_sync)
        if self.is_finishable():
            self.intake = next_intake(self.intake, PREFINISH)
            self.emit_prefinish()
            self.pending += 1
            return stream.tick(stream._finish, ())
        return 0

    cdef int emit_prefinish(self) except -1:
        cdef StreamCore stream = self.stream()
        stream.emit_none("prefinish")
        return 0

    cdef int finish(self) except -1:
        cdef StreamCore stream = self.stream()
        self.pending -= 1
        self.intake = next_intake(self.intake, FINISH)
        self.let_go_callbacks()
        self.call_end_callbacks(None)
        stream.emit_none("finish")
        return stream.destroy_when_both_done(stream.readable_half)

    cdef int call_end_callbacks(self, error) except -1:
        cdef list callbacks = self.end_callbacks
        if callbacks is not None:
            self.end_callbacks = None
            for callback in callbacks:
                callback(error)
        return 0


cdef class Completions:
    """The tick that tells of them."""

    def __call__(self):
        cdef WritableState state = writable_of(self.stream)
        state.completions = None
        state.after_write(self.count, self.callback)


cdef class CallEach:
    """The callbacks of writes that went to the hook together."""
    cdef list callbacks

    def __cinit__(self, list callbacks):
        self.callbacks = callbacks

    def __call__(self, error=None):
        for callback in self.callbacks:
            callback(error)


cdef class WritableCore(StreamCore):
    """The writable side of a stream, as Python calls it. Invariant: made by _make_writable() before anything else is called."""

    def _make_writable(self, high_water_mark, object_mode, default_encoding, decode_strings, write, writev, final):
        cdef WritableState state
        self.require_new(self.writable_half)
        state = self._new_writable_state(write)
        state.owner = <void *>self
        state.high_water_mark = high_water_mark
        state.object_mode = object_mode
        state.default_encoding = default_encoding
        state.decode_strings = decode_strings
        state.write_option = write
        state.writev_option = writev
        state.final_option = final
        self.writable_half = state

    def _new_writable_state(self, write):
        return WritableState.__new__(WritableState)

    def _disable_writable(self):
        cdef WritableState state = writable_of(self)
        state.is_disabled = state.has_end_returned = True
        state.intake = FINISHED

    _writev = None      # hooks that a subclass may have
    _final = None

    def _write(self, chunk, encoding, callback):
        """The write hook: take the chunk, then call callback(), or callback(error). encoding: 'buffer' for bytes."""
        cdef WritableState state = writable_of(self)
        if not state.has_writev():
            raise self._make_error("ERR_METHOD_NOT_IMPLEMENTED", method="_write()")
        state.call_writev([{"chunk": chunk, "encoding": encoding}])

    def write(self, chunk, encoding=None, callback=None):       # one chunk: quick_write()
        """Write a chunk; callback(error or None) follows when the hook has taken it. False: at or past the mark; write on at 'drain'.

        A str is encoded (UTF-8, or `encoding`). After end() or destroy() the stream fails (ERR_STREAM_WRITE_AFTER_END,
        ERR_STREAM_DESTROYED). Raises TreadleError: ERR_STREAM_NULL_VALUES, ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_ENCODING.
        """
        return writable_of(self).write(chunk, encoding, callback)

    def end(self, chunk=None, encoding=None, callback=None):
        """Write a last chunk, if there is one, and nothing after it; 'finish' follows when all is written. Returns the stream.

        callback(error or None): before 'finish', or when the stream fails. Raises TreadleError: as write().
        """
        writable_of(self).end(chunk, encoding, callback)
        return self

    def cork(self):
        """Keep what is written, until uncork() was called as often, or end()."""
        cdef WritableState state = writable_of(self)
        state.corked += 1

    def uncork(self):
        """Write what cork() kept, if this was the last cork: at once if there is a writev hook."""
        writable_of(self).uncork()

    # ---- what hooks call back, and ticks

    def _written(self, error=None):                 # positional arguments: quick_written()
        writable_of(self).written(error)

    def _final_done(self, error=None):
        writable_of(self).final_done(error)

    def _write_failed(self, error, callback):
        writable_of(self).write_failed(error, callback)

    def _after_write(self):
        writable_of(self).after_write(1, None)

    def _fail_buffered(self):
        writable_of(self).fail_buffered()

    def _finish_if_still(self):
        cdef WritableState state = writable_of(self)
        if state.is_finishable():
            state.finish()
        else:
            state.pending -= 1

    def _finish(self):
        writable_of(self).finish()

    def _end_other_half(self):
        # The readable side ended, and may not be half open.
        cdef WritableState state = writable_of(self)
        if state.intake == OPEN and not state.is_disabled and not self.is_failed():
            self.end()

    # ---- for treadle.streams

    def _set_default_encoding(self, encoding):
        writable_of(self).default_encoding = encoding

    def _pending(self):
        """Callbacks that are still to be called."""
        return writable_of(self).pending

    def _intake(self):
        """The state of the writable side, by name."""
        return INTAKES[<int>writable_of(self).intake]

    # ---- looking

    @property
    def writable(self):
        """Whether write() is allowed: neither ended nor failed nor destroyed."""
        cdef WritableState state = writable_of(self)
        return state.intake == OPEN and not state.is_disabled and not self.is_failed()

    @property
    def writable_ended(self):
        """Whether end() was called."""
        return writable_of(self).intake != OPEN

    @property
    def writable_finished(self):
        """Whether all is written, and 'finish' was or is just being emitted."""
        return writable_of(self).intake == FINISHED

    @property
    def writable_need_drain(self):
        """Whether write() was answered with False, and 'drain' is still to come."""
        cdef WritableState state = writable_of(self)
        return state.needs_drain and state.intake == OPEN and not self.is_destroyed()

    @property
    def writable_length(self):
        """What waits and what is being written: bytes or objects."""
        return writable_of(self).length

    @property
    def writable_high_water_mark(self):
        """The mark, in units of writable_length."""
        return writable_of(self).high_water_mark

    @property
    def writable_object_mode(self):
        """Whether chunks are objects."""
        return writable_of(self).object_mode

    @property
    def writable_corked(self):
        """How many uncork() are missing."""
        return writable_of(self).corked

    @property
    def writable_aborted(self):
        """Whether it was destroyed, or failed, before 'finish'."""
        cdef WritableState state = writable_of(self)
        return not state.is_disabled and self.is_failed() and state.intake != FINISHED


cdef extern from *:
    """
    static treadle_method treadle_thorough_write;
    static treadle_method treadle_thorough_written;
    """
    Method thorough_write "treadle_thorough_write"
    Method thorough_written "treadle_thorough_written"


cdef object quick_write(PyObject *stream, PyObject **arguments, Py_ssize_t count, PyObject *names):
    cdef PyObject *state = <PyObject *>(<StreamCore>stream).writable_half
    if count != 1 or names != NULL or <object>state is None:
        return thorough_write(stream, arguments, count, names)
    return (<WritableState>state).write(<object>arguments[0], None, None)


cdef object quick_written(PyObject *stream, PyObject **arguments, Py_ssize_t count, PyObject *names):
    cdef PyObject *state = <PyObject *>(<StreamCore>stream).writable_half
    if count > 1 or names != NULL or <object>state is None:
        return thorough_written(stream, arguments, count, names)
    if count == 0 or <object>arguments[0] is None:
        written_well(<WritableState>state)
    else:
        (<WritableState>state).written(<object>arguments[0])


hasten(WritableCore, "write", quick_write, &thorough_write)
hasten(WritableCore, "_written", quick_written, &thorough_written)
