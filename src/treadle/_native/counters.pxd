"""Declarations of counters.pyx: what a loop counts."""
from libc.stdint cimport int64_t, uint64_t


cdef enum Phase:
    OUTSIDE         # no run is under way
    TIMERS
    PENDING
    POLL
    CHECK
    CLOSE
    PHASES          # how many there are


cdef struct LoopCounters:
    # INVARIANT: fixed-size fields only, no pointers: it may lie in memory that other processes read. One writer, the loop's thread.
    uint64_t phase              # a Phase: the one that began last, with the microtasks behind its callbacks
    uint64_t turns
    # callbacks run, by the queue they came from, cancelled ones included
    uint64_t ticks
    uint64_t microtasks         # queue_microtask
    uint64_t soon               # asyncio's: call_soon, futures, task steps
    uint64_t timers             # set_timeout, set_interval, call_later, call_at
    uint64_t pending
    uint64_t events             # ready descriptors handled
    uint64_t completions        # requests of the pool
    uint64_t immediates         # set_immediate, and tasks after a bare yield
    uint64_t closes
    # the starvation guard
    uint64_t guard_turns        # times that it made a rest wait for the next turn; by what was cut:
    uint64_t guard_turns_ticks      # drains, by ticks and queue_microtask
    uint64_t guard_turns_soon       # drains, by asyncio's callbacks
    uint64_t guard_turns_timers     # phases
    uint64_t guard_turns_pending
    uint64_t guard_turns_poll
    uint64_t guard_turns_check
    uint64_t guard_turns_close
    uint64_t floods             # that lasted long enough to be reported
    int64_t flood_max_ns        # how long the longest one lasted, until it was last cut
    # time, on the loop's clock
    int64_t started_ns          # when the first run began; 0: it never ran
    int64_t run_since_ns        # when this run began; 0: no run is under way
    int64_t ran_ns              # how long the runs before took together
    uint64_t waits              # polls that were allowed to wait
    int64_t idle_ns             # how long those waited together, the one under way left out
    int64_t wait_base_ns        # while it waits, idle time is now minus this; 0: it does not wait


cdef int64_t idle_ns(LoopCounters *counters, int64_t now_ns) noexcept nogil
cdef int64_t ran_ns(LoopCounters *counters, int64_t now_ns) noexcept nogil
cdef dict read_counters(LoopCounters *counters)
