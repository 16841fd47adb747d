"""Declarations of writable.pyx: what other native units may touch."""
from cpython.object cimport PyObject

from treadle._native.stream_core cimport Half, StreamCore, length_of
from treadle._native.stream_states cimport CONSTRUCTING, OPEN, Intake


cdef class WritableState(Half):
    # buffer: three items a chunk: the chunk, its encoding, its callback or None
    cdef Intake intake
    cdef object write_option        # the hooks of the options, or None: then the method of the class
    cdef object writev_option
    cdef object final_option
    cdef object done                # what hooks call back: the stream's _written, bound once; None before the first and after the last
    cdef Py_ssize_t write_length    # of what the hook has now; part of length
    cdef object write_callback      # ... its callback
    cdef Py_ssize_t pending         # callbacks of the user, and of the final hook, that are still to be called: 'finish' waits for them
    cdef Py_ssize_t corked          # cork() less uncork()
    cdef Completions completions    # of hooks that called back at once, whose tick is arranged; the latest
    cdef list end_callbacks         # of end(); None where there are none
    cdef object refusal             # the error of a write that came too late; end() takes it
    # facts, each set and cleared where it says
    cdef bint decode_strings        # str chunks reach the hook as bytes; an option
    cdef bint is_writing            # set before the write hook is called; cleared when it calls back
    cdef bint is_sync               # inside a hook, and before the first: what it calls back is told in a tick
    cdef bint is_clearing           # what was buffered is being written
    cdef bint needs_drain           # a write() was answered with False; cleared by 'drain'
    cdef bint is_telling            # a tick for 'drain' is arranged; cleared in it
    cdef bint has_end_returned      # end() was called and is through; never cleared

    cdef bint write(self, chunk, encoding, callback) except -1
    cdef bint write_converted(self, chunk, encoding, callback) except -1
    cdef int refuse(self, callback) except -1
    cdef int keep(self, chunk, encoding, callback) except -1
    cdef int call_write(self, chunk, encoding) except -1    # 1: the hook has returned a coroutine, which is closed
    cdef int call_writev(self, list requests) except -1     # likewise
    cdef int refuse_coroutine(self, str name) except -1
    cdef str write_hook(self)
    cdef bint has_writev(self) except -1
    cdef int hand_over(self, chunk, encoding, callback, list requests, Py_ssize_t length) except -1
    cdef int written(self, error) except -1
    cdef int tell_soon(self, callback) except -1
    cdef int write_failed(self, error, callback) except -1
    cdef int after_write(self, Py_ssize_t count, callback) except -1
    cdef int write_buffered(self) except -1
    cdef int write_together(self) except -1
    cdef int fail_buffered(self) except -1
    cdef int uncork(self) except -1
    cdef int end(self, chunk, encoding, callback) except -1
    cdef bint is_finishable(self) except -1
    cdef int finish_if_written(self, bint is_sync) except -1
    cdef int prefinish(self) except -1
    cdef bint has_final(self) except -1
    cdef int call_final(self, done) except -1
    cdef int final_done(self, error) except -1
    cdef int emit_prefinish(self) except -1
    cdef int finish(self) except -1
    cdef int call_end_callbacks(self, error) except -1
    cdef int let_go_callbacks(self) except -1

    cdef inline bint is_refusing(self) noexcept:
        return self.intake != OPEN or (<StreamCore>self.owner).is_destroyed()

    cdef inline bint is_buffering(self) noexcept:
        return self.is_clearing or (self.buffer is not None and self.buffer.size != 0)


cdef inline bint accept(WritableState state, chunk, encoding, callback, Py_ssize_t length) except -1:
    # INVARIANT: the chunk is as the hook gets it, and the side is not refusing. False: at or past the mark.
    state.pending += 1
    state.length += length
    if state.is_writing or state.corked \
            or (<StreamCore>state.owner).errored is not None or (<StreamCore>state.owner).life == CONSTRUCTING:
        state.keep(chunk, encoding, callback)
    else:
        state.write_length = length
        if callback is not None:
            state.write_callback = callback
        state.is_writing = state.is_sync = True
        if state.call_write(chunk, encoding):
            state.refuse_coroutine(state.write_hook())
        state.is_sync = False
    if state.length < state.high_water_mark or state.length == 0:   # ORDER: after the hook, which may have called back
        return not (<StreamCore>state.owner).is_failed()
    state.needs_drain = True
    return False


cdef inline bint write_on(WritableState state, chunk) except -1:
    # As write(), of a chunk that was emitted. PERF: bench/streams, `objects` and `pipe`.
    cdef Py_ssize_t length = 1
    cdef PyObject *encoding = <PyObject *>None
    if state.is_refusing() or not (state.object_mode or type(chunk) is bytes):
        return state.write(chunk, None, None)
    if not state.object_mode:
        length = length_of(chunk)
        encoding = <PyObject *>"buffer"
    return accept(state, chunk, <object>encoding, None, length)


cdef inline int written_well(WritableState state) except -1:
    # The hook calls back without an error.
    if state.is_writing and state.is_sync and state.write_callback is None and state.intake == OPEN \
            and (state.buffer is None or state.buffer.size == 0) and (state.is_telling or not state.object_mode):
        # PERF: bench/streams, `objects` and `pipe`: nobody is to be told, and nothing waits; what written() does, in short.
        state.is_writing = False
        state.length -= state.write_length
        state.write_length = 0
        if not state.is_telling and state.needs_drain and state.length == 0:
            return state.tell_soon(None)
        state.pending -= 1
        return 0
    return state.written(None)


cdef class Completions:
    # Writes in a row that were completed at once and have one callback.
    cdef StreamCore stream
    cdef object callback
    cdef Py_ssize_t count


cdef class WritableCore(StreamCore):
    pass


cdef inline WritableState writable_of(StreamCore stream):
    if stream.writable_half is None:
        stream.materialise()
    return <WritableState>stream.writable_half
