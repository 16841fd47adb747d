"""A histogram of times: fixed size, log-linear, so that 1 us and 1 h are told with the same care.

    value        0 .. 127       128 .. 255      256 .. 511     ...
    a bucket     1 ns           2 ns            4 ns           ...      64 buckets an octave from 64 on

Invariants: recording is a few stores and never fails; min, max, count and total are exact, a percentile is at most 1 in 64 too high.
Not here: what is measured (treadle.perf).
Source: HdrHistogram, for the idea; Node, class Histogram, for the names and for what an empty one says.
"""
from libc.math cimport NAN, ceil, sqrt
from libc.stdint cimport INT64_MAX, int64_t
from libc.string cimport memset

cdef extern from *:
    """
    static inline int treadle_bit_length(unsigned long long value) { return value ? 64 - __builtin_clzll(value) : 0; }
    """
    int bit_length "treadle_bit_length"(unsigned long long value) noexcept nogil


cdef inline int bucket_of(int64_t value) noexcept nogil:
    cdef int shift = max(0, bit_length(value) - SUB_BITS - 1)
    return (shift << SUB_BITS) + <int>(value >> shift)


cdef inline int64_t top_of(int bucket) noexcept nogil:
    # The highest value that falls into it.
    cdef int shift = max(0, (bucket >> SUB_BITS) - 1)
    return ((<int64_t>(bucket - (shift << SUB_BITS)) + 1) << shift) - 1


cdef void record(HistogramCounts *counts, int64_t value) noexcept nogil:
    if value > <int64_t>VALUE_MAX:      # the cast: an enum of this size is unsigned
        counts.exceeds += 1
        return
    value = max(value, 0)
    if counts.count == 0 or value < counts.min:
        counts.min = value
    if value > counts.max:
        counts.max = value
    counts.total += value
    counts.squares += <double>value * <double>value
    counts.buckets[bucket_of(value)] += 1
    counts.count += 1


cdef int64_t value_at(HistogramCounts *counts, double percentile) noexcept nogil:
    # The value that so many of a hundred do not exceed. 0 where nothing was recorded.
    cdef double wanted = max(1.0, ceil(percentile / 100 * counts.count))
    cdef uint64_t seen = 0
    cdef int bucket
    for bucket in range(BUCKETS):
        seen += counts.buckets[bucket]
        if seen >= wanted:
            return min(max(top_of(bucket), counts.min), counts.max)
    return counts.max


cdef class Histogram:
    """Times in ns, from 0 to one hour. Source: Node, class Histogram."""

    def __cinit__(self):
        self.counts = &self.own_counts

    def __repr__(self):
        return f"<{type(self).__name__} count={self.count} min={self.min} mean={self.mean:.0f} max={self.max}>"

    def record(self, int64_t value_ns):
        """Add one value. Below 0 it counts as 0, above one hour as one of `exceeds`."""
        record(self.counts, value_ns)

    def reset(self):
        """Forget everything recorded."""
        memset(self.counts, 0, sizeof(HistogramCounts))

    @property
    def count(self):
        """Values recorded."""
        return self.counts.count

    @property
    def exceeds(self):
        """Values of more than one hour, which are in nothing else here."""
        return self.counts.exceeds

    @property
    def min(self):
        """The least value; 2**63 - 1 where there is none."""
        return self.counts.min if self.counts.count else INT64_MAX

    @property
    def max(self):
        """The greatest value; 0 where there is none."""
        return self.counts.max

    @property
    def mean(self):
        """Of all values; NaN where there is none."""
        return <double>self.counts.total / self.counts.count if self.counts.count else NAN

    @property
    def stddev(self):
        """The standard deviation; NaN where there is no value."""
        cdef double mean
        if not self.counts.count:
            return NAN
        mean = <double>self.counts.total / self.counts.count
        return sqrt(max(0.0, self.counts.squares / self.counts.count - mean * mean))

    def percentile(self, double percentile):
        """The value that `percentile` of a hundred values do not exceed, at most 1 in 64 too high. Raises ValueError unless it is
        above 0 and at most 100."""
        if not 0 < percentile <= 100:
            raise ValueError(f"percentile must be above 0 and at most 100, not {percentile}")
        return value_at(self.counts, percentile)

    @property
    def percentiles(self):
        """Percentile -> value: 0, 50, 75, 87.5 and so on, each half as far from 100 as the one before, until all values are
        in; and 100. A new dict."""
        cdef double distance = 100
        result = {}
        if self.counts.count:
            result[0.0] = self.counts.min
            while distance / 2 * self.counts.count >= 100:      # at least one value lies beyond
                distance /= 2
                result[100 - distance] = value_at(self.counts, 100 - distance)
        result[100.0] = self.counts.max
        return result
