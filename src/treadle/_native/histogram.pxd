"""Declarations of histogram.pyx: what other native units may touch."""
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    SUB_BITS = 6                    # 64 buckets an octave: a value is known to 1 in 64
    VALUE_MAX = 3_600_000_000_000   # one hour in ns; Node, "exceeds"
    BUCKETS = 2_368                 # bucket_of(VALUE_MAX) and those below it, a whole octave


cdef struct HistogramCounts:
    # INVARIANT: fixed-size fields only, no pointers: it may lie in memory that other processes read, and two can be added.
    uint64_t count              # values recorded
    uint64_t exceeds            # values above VALUE_MAX: in no bucket
    int64_t min                 # of what was recorded; count 0: without a meaning
    int64_t max
    uint64_t total
    double squares              # the total of all squares
    uint64_t buckets[BUCKETS]


cdef void record(HistogramCounts *counts, int64_t value) noexcept nogil
cdef int64_t value_at(HistogramCounts *counts, double percentile) noexcept nogil


cdef class Histogram:
    cdef HistogramCounts *counts    # own_counts, or wherever else they are to be read
    cdef HistogramCounts own_counts
