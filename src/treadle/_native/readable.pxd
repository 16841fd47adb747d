"""Declarations of readable.pyx: what other native units may touch."""
from treadle._native.emitter cimport NativeListener
from treadle._native.readable_buffer cimport ReadableBuffer
from treadle._native.stream_core cimport StreamCore, length_of, set_size
from treadle._native.stream_states cimport FLOWING, SUPPLYING, Flow, Supply

cdef enum:
    READ_ALL = -1               # the size of a read() without one
    READ_NEGATIVE = -2          # of a read() that asks for less than nothing


cdef class ReadableState(ReadableBuffer):
    cdef Supply supply
    cdef Flow flow
    cdef object read_option         # the hook of the options, or None: then the method of the class
    # facts, each set and cleared where it says
    cdef bint is_reading            # set before the read hook is called; cleared by push()
    cdef bint is_sync               # inside the read hook, and before the first: events wait for a tick
    cdef bint needs_readable        # somebody found too little: 'readable' follows the next push; cleared when that is arranged
    cdef bint emitted_readable      # 'readable' is arranged or under way; cleared by the next read() and after it
    cdef bint is_iterated           # by `async for`: a 'readable' that is arranged stands for all that follow; never cleared
    cdef int readable_ticks         # arranged 'readable' that are still to come
    cdef bint is_reading_more       # a tick that fills the buffer is arranged; cleared at its end
    cdef bint is_resuming           # the tick of resume() is arranged; cleared in it
    cdef bint hears_readable        # a 'readable' listener holds the flow; follows the listeners, with a tick's delay
    cdef bint hears_data            # there is a 'data' listener
    cdef NativeListener only_data   # the only 'data' listener, if it is native; follows the listeners
    cdef bint is_unheard            # nobody listens for 'data'; noted when iteration begins, follows the listeners
    cdef bint has_paused            # pause() or resume() was called
    cdef bint is_paused             # ... the last one was pause()
    cdef bint did_read              # 'data' was emitted, or a chunk read
    # destinations
    cdef list pipes                 # the Pipe to each, in order; None until the first
    cdef set awaiting_drain         # the destinations that are full; None if none ever was
    cdef bint awaits_many           # there was more than one at a time

    cdef bint push(self, chunk, encoding) except -1
    cdef bint unshift(self, chunk, encoding) except -1
    cdef bint push_converted(self, chunk, encoding) except -1
    cdef object checked(self, chunk, str encoding, bint is_text_wanted)
    cdef int end_pushed(self) except -1
    cdef object read(self, Py_ssize_t size)
    cdef int ask(self) except -1
    cdef object found_nothing(self, Py_ssize_t size)
    cdef int note_empty(self, bint has_read_past) except -1
    cdef int call_read(self) except -1
    cdef int raise_mark(self, Py_ssize_t size) except -1
    cdef int note_data_listeners(self) except -1
    cdef int arrange_readable(self) except -1
    cdef int emit_readable(self) except -1
    cdef int read_more_soon(self) except -1
    cdef int read_more(self) except -1
    cdef int run_flow(self) except -1
    cdef int flow_on_later(self) except -1
    cdef int end_if_read(self) except -1
    cdef int emit_end(self) except -1
    cdef int resume(self) except -1
    cdef int run_resume(self) except -1
    cdef int pause(self) except -1
    cdef int heard(self, event) except -1
    cdef int unheard(self, event) except -1
    cdef int note_listeners(self) except -1

    cdef inline bint can_push_more(self) noexcept:
        # With nothing buffered there is always room, also where the mark is 0.
        return self.supply == SUPPLYING and (self.length < self.high_water_mark or self.length == 0)


cdef inline bint push_on(ReadableState state, chunk) except -1:
    # As push(), of a chunk and not the end.
    cdef NativeListener only
    if state.flow == FLOWING and state.only_data is not None and not state.is_sync and state.length == 0 \
            and state.supply == SUPPLYING and state.decoder is None and not (<StreamCore>state.owner).is_failed() \
            and (state.object_mode or (type(chunk) is bytes and length_of(chunk) != 0)):
        # PERF: bench/streams, `objects`: whoever it is piped to gets it at once; what push() does, in short.
        only = state.only_data
        state.is_reading = False
        state.did_read = True
        data_moved(state)
        only.hear(chunk)
        if not state.is_reading_more and not state.is_reading:
            state.read_more_soon()
        return state.can_push_more()
    return state.push(chunk, None)


cdef inline int data_moved(ReadableState state) except -1:
    # Whoever was full is asked again with the next chunk.
    if state.awaiting_drain is not None and set_size(state.awaiting_drain):
        state.awaiting_drain.clear()
    return 0


cdef class ReadableCore(StreamCore):
    pass


cdef inline ReadableState readable_of(StreamCore stream):
    if stream.readable_half is None:
        stream.materialise()
    return <ReadableState>stream.readable_half
