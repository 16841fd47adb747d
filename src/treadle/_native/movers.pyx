"""What moves bytes to or from a stream's socket in the stream's place: by sendfile (sendfile.pyx), by splice (splice.pyx).

A stream lends its socket to a mover: `Stream.lend_sink` one way, `Stream.lend_source` the other. The mover says what it waits
for, the stream watches, and tells it. Invariants: the callback of a move runs once, in the pending phase, or never; a stream
goes on behind it, not before; what a mover opened is closed once, however the move ends, also with its loop. Not here: sockets
(tcp.pyx), system calls.
"""
from treadle._native.callbacks cimport PyContext_CopyCurrent
from treadle._native.loop cimport LoopCore
from treadle._native.poll_epoll cimport PollHandle
from treadle._native.queues cimport COMPLETION, SOON


cdef class Mover(PollHandle):
    """A move under way, and the callback that ends it: callback(error, bytes_moved), error being None or an OSError.

    It is the loop's until it is over. Made by native units above only. A move that its user cancels, or whose loop closes, calls
    nobody; what has arrived has arrived, and the streams are left as they are.
    """

    cdef int begin_move(self, LoopCore loop, callback, bint is_awaited) except -1:
        # OWNER: from here on the loop's, which closes what it has open.
        self.loop = loop
        self.kind = SOON if is_awaited else COMPLETION
        self.callback = callback
        self.context = PyContext_CopyCurrent()
        loop.owners.add(self)
        return 0

    cdef int end_move(self, error) except -1:
        # ORDER: the callback runs in the pending phase, since who ends it may be in the middle of a callback.
        if not self.is_over:
            self.is_over = True
            self.error = error
            self.let_go_descriptors()
            self.loop.defer(self)
        return 0

    cdef int on_pending(self) except -1:
        cdef object callback = self.callback
        self.callback = None
        try:
            if callback is not None:
                self.loop.counters.completions += 1
                self.loop.run_handle(self.loop.make_handle(self.kind, callback, (self.error, self.bytes_moved), self.context))
        finally:
            self.let_go()
        return 0

    cdef int let_go(self) except -1:
        # It is over, and nobody is told any more: the streams go on.
        self.is_over = True
        self.wants_source = self.wants_sink = False
        self.callback = self.context = self.error = None
        if self.loop is not None:
            self.let_go_descriptors()
            self.loop.owners.discard(self)
            self.give_back()
        return 0

    cpdef int abandon(self) except -1:
        # The streams are abandoned, too.
        self.is_over = True
        self.callback = self.context = self.error = None
        return self.let_go_descriptors()

    def cancel(self):
        """Move nothing more, and call nobody. What one of the pool's threads is about to send still goes. No effect once it is
        over."""
        if not self.is_over:
            self.let_go()
        else:
            self.callback = None    # where it waits to be called

    def stop(self):
        """Move nothing more than what is on its way, then call back without an error; is_complete tells whether that was all."""
        if not self.is_over and not self.is_stopping:
            self.is_stopping = True
            self.stop_move()

    def statistics(self):
        """How far it has come: bytes that the sink has taken, system calls so far, and what it waits for now."""
        return {"bytes_moved": self.bytes_moved, "system_calls": self.system_calls, "is_over": self.is_over,
                "waits_for_source": self.wants_source, "waits_for_sink": self.wants_sink}

    def __repr__(self):
        state = "over" if self.is_over else "sink full" if self.wants_sink else "source empty" if self.wants_source else "moving"
        return f"<{type(self).__name__} {state} moved={self.bytes_moved:_}>"

    # ---- what subclasses say otherwise

    cdef int let_go_descriptors(self) except -1:
        # Close what it has open; nothing the second time.
        return 0

    cdef int stop_move(self) except -1:
        # End it, now or where it may end.
        return 0

    cdef int give_back(self) except -1:
        # What streams have lent it; nothing the second time.
        return 0

    cdef int on_turn(self) except -1:
        return 0

    cdef int on_source(self) except -1:
        return 0

    cdef int on_sink(self) except -1:
        return 0

    cdef int on_lost(self, PollHandle stream, error) except -1:
        return 0
