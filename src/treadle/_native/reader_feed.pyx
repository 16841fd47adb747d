"""What was received goes to asyncio's StreamReader without its Python in between: one copy into its buffer, and who waits wakes.

`feed` does what StreamReaderProtocol.data_received and the functions behind it do, for exactly these classes with their own
methods. Invariant: wherever anything else might happen it changes nothing, and says so: then the caller goes the ordinary way. A
class whose methods are replaced is noticed at once, an object with methods of its own when a transport takes the protocol.
Not here: the end of input, errors, and reading, all of which are asyncio's own.
Source: CPython, Lib/asyncio/streams.py; 3.11 to 3.13 have one text.
"""
import asyncio

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        unsigned int tp_version_tag     # another one, or 0, after each change of the class
    int resize_bytearray "PyByteArray_Resize"(object array, Py_ssize_t size) noexcept     # -1: with the exception set
    void PyErr_Clear() noexcept
    long long as_long_long "PyLong_AsLongLongAndOverflow"(object number, int *overflow) except? -1


cdef object names_in(function):
    # The names that its code uses, in their order. Whoever replaces it, in whatever way, uses others.
    return getattr(getattr(function, "__code__", None), "co_names", None)


cdef object Protocol = asyncio.StreamReaderProtocol
cdef object Reader = asyncio.StreamReader
cdef object Future = asyncio.Future
cdef object data_received = Protocol.data_received
cdef object reader_of = Protocol._stream_reader
cdef object feed_data = Reader.feed_data
cdef object wakeup_waiter = Reader._wakeup_waiter

#: asyncio's text is the one that was read here, and nobody had replaced any of it when this was imported.
IS_KNOWN = [names_in(function) for function in (data_received, reader_of.fget, feed_data, wakeup_waiter)] == [
    ("_stream_reader", "feed_data"),
    ("_stream_reader_wr",),
    ("_eof", "_buffer", "extend", "_wakeup_waiter", "_transport", "_paused", "len", "_limit", "pause_reading",
     "NotImplementedError"),
    ("_waiter", "cancelled", "set_result"),
]


cdef uint64_t known_text(protocol) except? NO_TEXT:
    # Which text of asyncio's two classes feed() stands for; NO_TEXT where it would not do for this protocol.
    if not (IS_KNOWN and type(protocol) is Protocol and Protocol._stream_reader is reader_of
            and Reader._wakeup_waiter is wakeup_waiter and is_own(protocol.data_received, data_received)):
        return NO_TEXT
    reader = getattr(protocol, "_stream_reader", None)
    return text_now() if type(reader) is Reader and is_own(reader.feed_data, feed_data) else NO_TEXT


cdef uint64_t text_now() noexcept:
    # Another number once either class was changed; NO_TEXT where CPython does not count its changes (any more).
    cdef uint64_t protocol_text = (<PyTypeObject *>Protocol).tp_version_tag
    cdef uint64_t reader_text = (<PyTypeObject *>Reader).tp_version_tag
    return protocol_text << 32 | reader_text if protocol_text and reader_text else NO_TEXT


cdef bint feed(protocol, const char *data, Py_ssize_t size) except -1:
    # Where known_text(protocol) is text_now(). size > 0. False: nothing was changed, and data_received() is to be called.
    cdef object reference = protocol._stream_reader_wr
    cdef object reader, buffer, limit, waiter
    cdef Py_ssize_t held
    cdef int is_huge = 0
    if reference is None:
        return False
    reader = reference()
    if type(reader) is not Reader or reader._eof is not False:
        return False
    buffer = reader._buffer
    limit = reader._limit
    waiter = reader._waiter
    if type(buffer) is not bytearray or type(limit) is not int or not (
            waiter is None or (type(waiter) is Future and waiter.done() is False)):
        return False
    held = PyByteArray_GET_SIZE(buffer)
    if held + size - as_long_long(limit, &is_huge) > as_long_long(limit, &is_huge) or is_huge:
        return False            # it may be time to pause
    if resize_bytearray(buffer, held + size) < 0:
        PyErr_Clear()           # somebody looks at the buffer: data_received() fails in asyncio's own words
        return False
    memcpy(PyByteArray_AS_STRING(buffer) + held, data, size)
    if waiter is not None:
        reader._waiter = None
        waiter.set_result(None)
    return True


cdef bint is_own(method, function) except -1:
    return getattr(method, "__func__", None) is function
