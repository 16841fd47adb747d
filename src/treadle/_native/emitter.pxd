"""Declarations of emitter.pyx: what other native units may touch."""


cdef class ListenerList(list):
    cdef public bint has_warned     # set by the max-listeners warning; goes with the list when it shrinks to one, as in Node


cdef class NativeListener:
    cdef int hear(self, argument) except -1


cdef class EmitterCore:
    cdef object __weakref__
    cdef public dict _events                # event -> listener, or ListenerList where there are two or more; None until the first
    cdef public object _max_listeners       # this emitter's own limit, or None
    cdef public bint _capture_rejections
    cdef bint has_own_emit                  # a subclass overrides emit(): native code calls that. Set by whoever emits natively

    cdef bint hears(self, event) except -1
    cdef bint emit_none(self, event) except -1
    cdef bint emit_one(self, event, argument) except -1
    cdef bint call_listeners(self, event, tuple arguments) except -1
    cdef int take_returned(self, returned) except -1
