"""Declarations of readable.pyx: what other native units may touch."""
from treadle._native.emitter cimport NativeListener
from treadle._native.stream_core cimport Half, StreamCore
from treadle._native.stream_states cimport ENDED, Flow, Supply

cdef enum:
    READ_ALL = -1               # the size of a read() without one
    READ_NEGATIVE = -2          # of a read() that asks for less than nothing


cdef class ReadableState(Half):
    cdef Supply supply
    cdef Flow flow
    cdef Py_ssize_t first_offset    # how much of the first chunk in the buffer was read
    cdef object read_option         # the hook of the options, or None: then the method of the class
    cdef object decoder             # has decode(chunk) and finish(), both -> str; None: chunks are bytes
    cdef str encoding               # of the decoder
    cdef bint has_pairs             # text with characters beyond U+FFFF was buffered; never cleared
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
    cdef bint has_paused            # pause() or resume() was called
    cdef bint is_paused             # ... the last one was pause()
    cdef bint did_read              # 'data' was emitted, or a chunk read
    # destinations
    cdef list pipes                 # the Pipe to each, in order; None until the first
    cdef set awaiting_drain         # the destinations that are full; None if none ever was
    cdef bint awaits_many           # there was more than one at a time

    cdef bint push(self, chunk, encoding) except -1
    cdef bint unshift(self, chunk, encoding) except -1
    cdef object checked(self, chunk, str encoding, bint is_text_wanted)
    cdef object in_units(self, text)
    cdef int keep_first(self, chunk) except -1
    cdef bint can_push_more(self) noexcept
    cdef int end_pushed(self) except -1
    cdef object read(self, Py_ssize_t size)
    cdef int call_read(self) except -1
    cdef int raise_mark(self, Py_ssize_t size) except -1
    cdef Py_ssize_t readable_now(self, Py_ssize_t size) except -1
    cdef object take(self, Py_ssize_t size)
    cdef object take_first(self)
    cdef object take_some(self, Py_ssize_t size)
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
    cdef int set_decoder(self, decoder, str encoding) except -1


cdef class ReadableCore(StreamCore):
    pass


cdef inline ReadableState readable_of(StreamCore stream):
    if stream.readable_half is None:
        stream.materialise()
    return <ReadableState>stream.readable_half
