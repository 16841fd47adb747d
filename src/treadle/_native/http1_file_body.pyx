"""A part of a file as the next piece of an answer's body, moved by the kernel.

Invariant: what the head says is sent, or the connection is cut: what a file has lost meanwhile is not made up for, and an answer
that lacks something never looks whole. Not here: the moving (sendfile.pyx), and what is sent where the kernel cannot
(treadle.http.file_body).
"""
from libc.errno cimport EMFILE, ENFILE
from libc.stdint cimport int64_t

from treadle._native.http1_exchange cimport Wire
from treadle._native.http1_response cimport ResponseCore
from treadle._native.pool cimport Pool
from treadle._native.sendfile cimport FileSend
from treadle._native.sendfile import send_file
from treadle._native.writable cimport WritableState


def move_file(ResponseCore response not None, Pool pool not None, int fd, int64_t offset, int64_t size, callback):
    """Send the head, if it has not left, and `size` bytes of the file from offset on; callback(error, bytes_moved) as send_file()
    says. Returns the FileSend; True: there is nothing to be moved (HEAD); False: it cannot be, and nothing has happened but that
    the head has left.

    What is moved counts as sent as it goes; whoever hears of fewer bytes than `size` calls cut(). Raises TreadleError:
    ERR_HTTP_REQUEST_ABORTED, ERR_STREAM_WRITE_AFTER_END, ERR_HTTP_CONTENT_LENGTH_MISMATCH; OSError, PoolSaturated.
    """
    cdef FileSend move
    begin(response)
    if response.is_head_only:
        response.sent += size
        return True
    if response.has_length and response.sent + size > response.length:
        sent = response.sent + size
        cut_connection(response)
        response.server.fault("ERR_HTTP_CONTENT_LENGTH_MISMATCH", {"sent": sent, "declared": response.length})
    if size == 0:
        return True
    if response.is_chunked or has_kept(response):
        return False
    try:
        move = send_file(pool, response.connection, fd, callback, offset=offset, size=size, is_awaited=True)
    except RuntimeError:        # somebody else sends on it, or sees what is sent
        return False
    except OSError as error:
        if error.errno != EMFILE and error.errno != ENFILE:     # for the duplicates: reading by hand needs none
            raise
        return False
    return move


def declare(ResponseCore response not None, int64_t size, bint has_trailers=False):
    """The answer is the file and nothing else: unless it has a length, that is its own; but trailers need chunks. How long the
    answer says it is, or -1."""
    if not response.headers_sent:
        response.writer = response.begin_head()
        response.headers_sent = True
        if not response.has_length and not response.is_chunked and (not has_trailers or response.is_1_0):
            response.set_length(size)
    return response.length if response.has_length else -1


def cut(ResponseCore response not None):
    """What is still to come of the answer never will: the peer sees that it is not whole."""
    cut_connection(response)


cdef bint has_kept(ResponseCore response) except -1:
    # Something was written that has not come to the connection: it goes first.
    cdef WritableState state = response.writable_half
    return state is not None and (state.is_writing or state.is_buffering())


cdef int begin(ResponseCore response) except -1:
    if response.writable_ended:
        response.server.fault("ERR_STREAM_WRITE_AFTER_END", {})
    if response.is_unsent:
        response.send_body(b"", False)
    if response.is_lost:
        response.server.fault("ERR_HTTP_REQUEST_ABORTED", {})
    return 0


cdef int cut_connection(ResponseCore response) except -1:
    cdef Wire connection = response.connection
    return 0 if connection is None else connection.end_now(None)
