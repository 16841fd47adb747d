"""Declarations of transform.pyx: what other native units may touch."""
from treadle._native.readable cimport ReadableState
from treadle._native.stream_core cimport StreamCore
from treadle._native.writable cimport WritableState


cdef class TransformReadable(ReadableState):
    pass


cdef class TransformWritable(WritableState):
    cdef object transform_option    # the hooks of the options, or None: then the method of the class
    cdef object flush_option
    cdef object transformed         # what the transform hook calls back: the stream's _transformed, bound once
    cdef Py_ssize_t length_before   # what was buffered for reading when the hook got its chunk
    cdef bint passes_on             # the hook is PassThrough's; set with the first chunk
    cdef bint waits_for_read        # the readable side is full: the write is called back when somebody reads
    cdef object when_read           # what the hook goes on with then, in the midst of a chunk; or None

    cdef int begin(self) except -1
    cdef bint has_own_final(self) except -1
    cdef int call_flush(self, done) except -1


cdef class TransformCore(StreamCore):
    pass
