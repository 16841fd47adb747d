"""A socket changes hands: what one stream has not sent goes to another, with the descriptor.

Invariant: the descriptor has one owner at any time, and no byte that was written is lost. The stream that gives it away is ended as
if it had closed it: on_closed() follows in the close phase. Not here: why (http1_connection.pyx), who gets it (treadle.http).
"""
from treadle._native.socket_stream cimport SocketStream
from treadle._native.tcp cimport Stream


cdef SocketStream take_socket(Stream stream):
    # OWNER: the caller's from here on. It neither reads nor sends before it belongs to somebody. Only of a stream that is not ended.
    cdef SocketStream handle
    stream.loop.poller.unwatch(stream)
    handle = SocketStream(stream.loop, stream.fd)
    stream.fd = -1
    handle.peer = stream.peer
    handle.cipher = stream.cipher       # TLS goes on as it stands, with what it holds of both directions
    stream.cipher = None
    handle.unsent = stream.unsent
    handle.unsent_offset = stream.unsent_offset
    handle.unsent_bytes = stream.unsent_bytes
    stream.unsent = None
    stream.unsent_offset = stream.unsent_bytes = 0
    stream.closing = True
    stream.reading = False
    stream.finish()
    return handle
