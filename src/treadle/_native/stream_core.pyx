# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""The life of a stream: constructed, destroyed, closed; and how its errors come out.

Invariants: the destroy hook runs once; 'error' is emitted at most once and before 'close', 'close' at most once, and nothing after
it; an error that nobody listens for is raised. Not here: what follows what (stream_states.pyx), the two sides (readable.pyx,
writable.pyx), options and texts (treadle.streams).
Source: https://nodejs.org/api/stream.html; what is not written there was seen in Node 24.

                       destroy(error)           hook calls back           tick
    ALIVE  ───────────────────────► DESTROYING ───────────────► CLOSED ────────► GONE
      note the first error,            hook(error)                   'error', 'close'
      fail what waits to be written
"""
from treadle._native.emitter cimport EmitterCore
from treadle._native.faces cimport Faces
from treadle._native.loop cimport this_thread
from treadle._native.stream_states cimport (
    ALIVE, ANNOUNCE, CONSTRUCTED, CONSTRUCTING, DESTROY, DESTROYED, DESTROYING, DOOMED, next_life)
from treadle._native.stream_states import LIVES

cdef extern from *:
    """
    static inline PyObject *treadle_reraise(void) { return NULL; }   /* the exception is set already */
    """
    object reraise "treadle_reraise"()


cdef object failure_of_attempt():
    # What an Attempt has failed with. Raises what is no Exception: cancellation, KeyboardInterrupt.
    try:
        reraise()
    except Exception as error:
        return error


cdef class Half:
    cdef bint is_done(self) noexcept:
        return True

    cdef bint is_all_but_done(self):
        return True

    cdef int on_constructed(self) except -1:
        return 0

    cdef int on_doomed(self) except -1:
        return 0

    cdef int on_gone(self) except -1:
        return 0


cdef class Once:
    def __call__(self, error=None):
        raise NotImplementedError


cdef class Teardown(Once):
    """The callback of a destroy hook. Later calls change nothing."""

    def __call__(self, error=None):
        cdef StreamCore stream = self.stream
        if not self.was_called:
            self.was_called = True
            self.stream = None      # who keeps the callback of a hook that is through keeps no stream
            stream.torn_down(stream.as_error(error))


cdef class StreamCore(EmitterCore):
    """What all streams have in common. A subclass (treadle.streams.Stream) has _faces, errors (_make_error(code, **data),
    _wrong_chunk(chunk, reads), _stray_coroutine(hook), _require_own_loop(is_running), and _unconstructed(), which returns None
    where it has made the sides instead), and what is said of text: _encode(text, encoding), _decode(data, encoding),
    _known_encoding(encoding), _flat(data)."""

    def __cinit__(self):
        self.life = ALIVE
        self.auto_destroy = self.emit_close = self.allow_half_open = True

    cdef int materialise(self) except -1:
        # Cold: the constructor makes both sides, unless a subclass has left it out, or makes them when they are first used.
        error = self._unconstructed()
        if error is not None:
            raise error
        return 0

    cdef int require_no_coroutine(self, str name, int outcome) except -1:
        if outcome:
            raise self._stray_coroutine(name)
        return 0

    cdef int require_new(self, Half half) except -1:
        # OWNER: a half that is at work lives as long as the stream has it. Who calls a constructor again must not replace it.
        if half is not None:
            raise self._make_error("ERR_INVALID_STATE", state="a stream is constructed once")
        return 0

    cdef LoopCore loop_here(self):
        if self.loop is None or self.loop.run_thread != this_thread():
            if self.loop is None or self.loop.is_closed_native:
                self.loop = (<Faces>self._faces).loop_here()
            else:
                self._require_own_loop(self.loop.run_thread != 0)
        return self.loop

    cdef int tick(self, callback, tuple arguments) except -1:
        # ORDER: next_tick; whatever follows from a call of the user happens after it has returned.
        cdef LoopCore loop = self.loop_here()
        if loop.has_own_faces:
            loop.next_tick(callback, *arguments)
        else:
            loop.add_tick(callback, arguments)
        return 0

    cdef int step(self, LifeEvent event) except -1:
        self.life = next_life(self.life, event)
        return 0

    # ---- constructing

    cdef int construct(self) except -1:
        # INVARIANT: both sides are made. The hook runs in a tick, when the constructor has returned.
        self.life = CONSTRUCTING
        return self.tick(self._run_construct, ())

    def _run_construct(self):
        done = Construction.__new__(Construction)
        (<Construction>done).stream = self
        try:
            self.require_no_coroutine(
                "construct", is_stray(self._construct(done) if self.construct_option is None else self.construct_option(done)))
        except Exception as error:
            done(error)

    def _constructed(self, error):
        if self.life == DOOMED:
            self.step(CONSTRUCTED)
            doom, self.doom = self.doom, None
            if error is not None and doom is not None and doom is not error and doom.__context__ is None:
                doom.__context__ = error
            self.run_destroy(error if doom is None else doom)
            return
        self.step(CONSTRUCTED)
        if error is not None:
            self.error_or_destroy(error, True)
            return
        if self.readable_half is not None:
            self.readable_half.on_constructed()
        if self.writable_half is not None:
            self.writable_half.on_constructed()

    # ---- destroying

    def destroy(self, error=None):
        """Release what the stream holds: its destroy hook runs, then 'error' is emitted if one is given, then 'close'.

        What is buffered is dropped, and the callbacks of writes that wait fail. A second call changes nothing. Returns the stream.
        """
        if self.life >= DOOMED:
            return self
        if self.loop is not None and not self.loop.is_closed_native:
            self.loop_here()        # ORDER: refused before anything has changed; behind the hook nobody would be told
        error = self.as_error(error)
        if self.writable_half is not None:
            self.writable_half.on_doomed()
        self.note_error(error)
        self.step(DESTROY)
        if self._hook_tasks:        # ORDER: behind the step, since what a hook awaits may destroy the stream as it is cancelled
            self._cancel_hooks()
        if self.life == DOOMED:
            self.doom = error
        else:
            self.run_destroy(error)
        return self

    def _destroy(self, error, callback):
        """The destroy hook. Here: there is nothing to release."""
        callback(error)

    cdef int run_destroy(self, error) except -1:
        cdef Teardown done = Teardown.__new__(Teardown)
        done.stream = self
        try:
            self.require_no_coroutine(
                "destroy",
                is_stray(self._destroy(error, done) if self.destroy_option is None else self.destroy_option(error, done)))
        except Exception as failure:
            done(failure)
        return 0

    cdef int torn_down(self, error) except -1:
        self.note_error(error)
        self.step(DESTROYED)
        return self.tick(self._announce, (error,))

    def _announce(self, error):
        if error is not None:
            self.emit_error(error)
        self.step(ANNOUNCE)
        if self.writable_half is not None:
            self.writable_half.on_gone()
        if self.emit_close:
            self.emit_none("close")

    # ---- errors

    cdef int note_error(self, error) except -1:
        # The first one stays.
        if error is not None and self.errored is None:
            self.errored = error
        return 0

    cdef object as_error(self, error):
        # What a hook has called back with: an exception, or a mistake.
        if error is None or isinstance(error, BaseException):
            return error
        return self._make_error(
            "ERR_INVALID_ARG_TYPE", name="error", expected="an exception or None", received=type(error).__name__,
            hint="Give an exception, as ValueError(...); data comes behind the error: callback(None, data)")

    cdef int error_or_destroy(self, error, bint is_sync) except -1:
        # Something failed. is_sync: inside a call of the user, who is to hear of it later.
        if self.life >= DOOMED:
            return 0
        if self.auto_destroy:
            self.destroy(error)
        elif error is not None:
            self.note_error(error)
            if is_sync:
                self.tick(self._emit_error, (error,))
            else:
                self.emit_error(error)
        return 0

    def _emit_error(self, error):
        self.emit_error(error)

    cdef int emit_error(self, error) except -1:
        if not self.error_emitted:
            self.error_emitted = True
            self.emit("error", error)
        return 0

    # ---- for treadle.streams

    def _begin(self, emit_close, auto_destroy, destroy, construct):
        """The sides are made: what the options say of its life, then the construct hook."""
        self.has_own_emit = type(self).emit is not EmitterCore.emit
        self.emit_close = emit_close
        self.auto_destroy = auto_destroy
        self.destroy_option = destroy
        self.construct_option = construct
        if construct is not None or self._construct is not None:
            self.construct()

    def _fail(self, error):
        """Something failed, outside any hook."""
        self.error_or_destroy(error, False)

    def _reads(self):
        """Whether it has a readable side."""
        return self.readable_half is not None and not self.readable_half.is_disabled

    def _writes(self):
        """Whether it has a writable side."""
        return self.writable_half is not None and not self.writable_half.is_disabled

    def _is_through(self):
        """Whether 'end' and 'finish' were emitted, of the sides that it has."""
        return (self.readable_half is None or self.readable_half.is_done()) and (
            self.writable_half is None or self.writable_half.is_done())

    def _is_read(self):
        """Whether 'end' was emitted, or will be without anything more being read."""
        return self._reads() and self.readable_half.is_all_but_done()

    def _is_written(self):
        """Whether 'finish' was emitted, or will be without anything more being done."""
        return self._writes() and self.writable_half.is_all_but_done()

    def _will_close(self):
        """Whether 'close' will be emitted by itself, if both sides end."""
        return self.auto_destroy and self.emit_close and not self.is_closed()

    def _auto_destroys(self):
        """Whether it is destroyed when both sides have ended."""
        return self.auto_destroy

    def _destroy_when_through(self):
        """From now on it is destroyed when both sides have ended, or something fails, whatever it was made with."""
        self.auto_destroy = True

    def _has_emitted_error(self):
        """Whether 'error' was emitted."""
        return self.error_emitted

    # ---- both sides

    cdef int destroy_when_both_done(self, Half other) except -1:
        # One side is through. other: the other one, or None.
        if self.auto_destroy and (other is None or other.is_disabled or other.is_done()):
            self.destroy()
        return 0

    def _life(self):
        """The state of its life, by name."""
        return LIVES[<int>self.life]

    @property
    def destroyed(self):
        """Whether destroy() was called, be it by the stream itself."""
        return self.is_destroyed()

    @property
    def closed(self):
        """Whether what it held has been released; 'close' may still be about to be emitted."""
        return self.is_closed()


cdef class Construction(Once):
    """The callback of a construct hook. Its outcome counts in a tick; a second call is an error."""

    def __call__(self, error=None):
        self.stream.tick(self.settle, (self.stream.as_error(error),))

    def settle(self, error):
        cdef StreamCore stream = self.stream
        if self.was_called:
            stream.error_or_destroy(stream._make_error("ERR_MULTIPLE_CALLBACK") if error is None else error, False)
            return
        self.was_called = True
        stream._constructed(error)
