# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""A duplex whose readable side is made of what is written.

    write() ──► transform hook ──push()──► buffer ──► whoever reads
                     ▲                        │ full: the write is called back when somebody reads
                     └────────────────────────┘

Invariants: the hook has one chunk at a time; what it pushes is bounded by the mark of the readable side and by what one chunk makes,
or by a part of that, where the hook waits between two parts (_when_read).
Not here: the two sides (readable.pyx, writable.pyx), options (treadle.streams).
Source: https://nodejs.org/api/stream.html#class-streamtransform; what is not written there was seen in Node 24.
"""
from cpython.object cimport PyObject

from treadle._native.readable cimport ReadableState, push_on
from treadle._native.stream_core cimport Method, Once, StreamCore, call_hook_3, hasten, is_stray
from treadle._native.stream_states cimport SUPPLYING
from treadle._native.writable cimport WritableState, writable_of, written_well


cdef class TransformReadable(ReadableState):
    def __cinit__(self):
        self.is_sync = False        # COMPAT(node): what is pushed before the first read() is told at once

    cdef int call_read(self) except -1:
        cdef WritableState writable = writable_of(self.stream())
        if isinstance(writable, TransformWritable):
            if (<TransformWritable>writable).waits_for_read:
                (<TransformWritable>writable).waits_for_read = False
                return writable.written(None)
            if (<TransformWritable>writable).when_read is not None:
                go_on, (<TransformWritable>writable).when_read = (<TransformWritable>writable).when_read, None
                go_on()
        return 0


cdef class TransformWritable(WritableState):
    cdef int let_go_callbacks(self) except -1:
        self.transformed = None
        return WritableState.let_go_callbacks(self)

    cdef int on_gone(self) except -1:
        self.when_read = None       # not before: a flush hook may wait for it behind 'finish'
        return WritableState.on_gone(self)

    cdef int call_write(self, chunk, encoding) except -1:
        if self.transformed is None:
            self.begin()
        self.length_before = (<StreamCore>self.owner).readable_half.length
        if self.passes_on:      # no call of Python
            return transformed_well(self, <PyObject *>self.owner, <PyObject *>chunk)
        if self.transform_option is None:
            return is_stray(self.stream()._transform(chunk, encoding, self.transformed))
        return call_hook_3(
            <PyObject *>self.transform_option, <PyObject *>chunk, <PyObject *>encoding, <PyObject *>self.transformed)

    cdef str write_hook(self):
        return "transform"

    cdef int begin(self) except -1:
        # The first chunk is written: by now it is clear who the hook is.
        cdef StreamCore stream = self.stream()
        self.transformed = stream._transformed
        self.passes_on = self.transform_option is None and type(stream)._transform is TransformCore._pass_on \
            and "_transform" not in getattr(stream, "__dict__", ())
        return 0

    # ---- ending: flush is the final hook, or comes after that of a subclass

    cdef bint has_final(self) except -1:
        return True

    cdef bint has_own_final(self) except -1:
        return self.final_option is not None or self.stream()._final is not None

    cdef int call_final(self, done) except -1:
        if self.has_own_final():
            return WritableState.call_final(self, done)
        return self.call_flush(done)

    cdef int emit_prefinish(self) except -1:
        cdef StreamCore stream = self.stream()
        if self.has_own_final():
            try:
                self.call_flush(None)
            except Exception as error:
                stream.destroy(error)
        return WritableState.emit_prefinish(self)

    cdef int call_flush(self, done) except -1:
        # Then the end is pushed. done: told of it, or None.
        cdef StreamCore stream = self.stream()
        cdef Flushed flushed
        if stream.is_destroyed() or (self.flush_option is None and stream._flush is None):
            stream.push(None)
            if done is not None:
                done()
            return 0
        flushed = Flushed.__new__(Flushed)
        flushed.stream = stream
        flushed.done = done
        return stream.require_no_coroutine(
            "flush", is_stray(stream._flush(flushed) if self.flush_option is None else self.flush_option(flushed)))


cdef class Flushed(Once):
    """The callback of a flush hook."""
    cdef object done

    def __call__(self, error=None, data=None):
        cdef StreamCore stream = self.stream
        if error is not None:
            if self.done is not None:
                self.done(error)
            else:
                stream.destroy(error)
            return
        if data is not None:
            stream.push(data)
        stream.push(None)
        if self.done is not None:
            self.done()


cdef class TransformCore(StreamCore):
    """What a Transform has beside the two sides of a Duplex. Invariant: both were made by its _new_..._state()."""

    _flush = None       # a hook that a subclass may have

    def _set_transform(self, transform, flush):
        cdef WritableState writable = writable_of(self)
        if isinstance(writable, TransformWritable):
            (<TransformWritable>writable).transform_option = transform
            (<TransformWritable>writable).flush_option = flush

    def _new_transform_readable(self):
        return TransformReadable.__new__(TransformReadable)

    def _new_transform_writable(self):
        return TransformWritable.__new__(TransformWritable)

    def _transform(self, chunk, encoding, callback):
        """The transform hook: push() what the chunk makes, then call callback(), or callback(error), or callback(None, data)."""
        raise self._make_error("ERR_METHOD_NOT_IMPLEMENTED", method="_transform()")

    def _pass_on(self, chunk, encoding, callback):
        """The hook of PassThrough."""
        callback(None, chunk)

    def _when_read(self, go_on):
        # go_on() when somebody reads: for a hook that has filled the readable side with a part of what one chunk makes. It has to
        # push sooner or later before it waits again: that is when the next read() asks.
        cdef TransformWritable writable = <TransformWritable?>writable_of(self)
        writable.when_read = go_on

    def _transformed(self, error=None, data=None):      # positional arguments: quick_transformed()
        cdef TransformWritable writable = <TransformWritable?>writable_of(self)     # else its write hook is not of a Transform
        if error is not None:
            writable.written(error)
        else:
            transformed_well(writable, <PyObject *>self, <PyObject *>data)


cdef extern from *:
    """
    static treadle_method treadle_thorough_transformed;
    """
    Method thorough_transformed "treadle_thorough_transformed"


cdef object quick_transformed(PyObject *stream, PyObject **arguments, Py_ssize_t count, PyObject *names):
    cdef PyObject *writable = <PyObject *>(<StreamCore>stream).writable_half
    if count > 2 or names != NULL or not isinstance(<object>writable, TransformWritable):
        return thorough_transformed(stream, arguments, count, names)
    if count != 0 and <object>arguments[0] is not None:
        (<TransformWritable>writable).written(<object>arguments[0])
    else:
        transformed_well(<TransformWritable>writable, stream, arguments[1] if count == 2 else <PyObject *>None)


cdef inline int transformed_well(TransformWritable writable, PyObject *stream, PyObject *data) except -1:
    # The hook calls back without an error.
    cdef PyObject *readable = <PyObject *>(<StreamCore>stream).readable_half
    if <object>data is not None:
        push_on(<ReadableState>readable, <object>data)
    if (<ReadableState>readable).supply != SUPPLYING:
        # ORDER: the end that the hook has pushed is told first.
        return (<StreamCore>stream).tick((<StreamCore>stream)._written, ())
    if writable.has_end_returned or (<ReadableState>readable).length == writable.length_before \
            or (<ReadableState>readable).length < (<ReadableState>readable).high_water_mark:
        return written_well(writable)
    writable.waits_for_read = True
    return 0


hasten(TransformCore, "_transformed", quick_transformed, &thorough_transformed)
