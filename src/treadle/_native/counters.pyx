"""What a loop counts: one C struct, written by the loop with a few stores a turn, readable without the GIL.

The loop reaches its counters through a pointer, so that they can be placed where others read them as well. Invariants: the clock is
read for them only where a poll is allowed to wait, and at the ends of a run; idle is what the kernel waited, not the wait for the
GIL behind it. Not here: who counts what (microtasks.pyx, the phases, loop.pyx, poll_epoll.pyx), utilisation (treadle.perf).
Source: libuv, uv_metrics_idle_time, for what is idle.
"""
from libc.stdint cimport int64_t


cdef int64_t idle_ns(LoopCounters *counters, int64_t now_ns) noexcept nogil:
    # Time spent waiting, a wait under way included. ORDER: the end of a wait writes idle_ns before it clears the base, so that
    # whoever looks in between sees that time once.
    cdef int64_t base_ns = counters.wait_base_ns
    return now_ns - base_ns if base_ns else counters.idle_ns


cdef int64_t ran_ns(LoopCounters *counters, int64_t now_ns) noexcept nogil:
    # Time spent in runs, the one under way included.
    cdef int64_t since_ns = counters.run_since_ns
    return counters.ran_ns + (now_ns - since_ns if since_ns else 0)


cdef dict read_counters(LoopCounters *counters):
    return counters[0]
