"""Lines of an access log: written in memory as exchanges end, to be taken by another thread.

    AccessLines ── note() in the loop ──► waiting, bytes_max at most ── take() in the thread that writes ──► file

Invariants: what a client sent is escaped, so that a line is one line, and no field reaches into the next; a line for which there is
no room, or no memory, is counted and dropped, and nobody waits or fails; after take() the next line rings. Not here: files and
threads (treadle.http.access_log). Source: Apache's mod_log_config for "common" and "combined".
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcpy, strlen
from libc.time cimport gmtime_r, localtime_r, strftime, time_t, tm

from treadle._native.http1_connection cimport Connection
from treadle._native.http1_exchange cimport ExchangeLog, Wire
from treadle._native.http1_grammar cimport is_same
from treadle._native.http1_head cimport HeadWriter
from treadle._native.http1_request cimport RequestCore
from treadle._native.timers cimport clock_ns

cdef extern from "<time.h>" nogil:
    struct timespec:
        time_t tv_sec
        long tv_nsec
    int CLOCK_REALTIME
    int clock_gettime(int clock, timespec *now)

cdef enum:
    TARGET_MAX = 8 * 1024           # bytes of a request line that are shown; as many as one may have by default
    FIELD_MAX = 1024                # of Referer, User-Agent and the request's id
    ESCAPED_MAX = 6                 # what one byte becomes, at most: \\u00XX
    FIXED_MAX = 512                 # of a line but for what is escaped: names, numbers, the time

cdef extern from *:
    """
    #define TREADLE_LOW_BITS 0x0101010101010101ULL      /* of eight bytes */
    #define TREADLE_HIGH_BITS 0x8080808080808080ULL
    """
    const uint64_t LOW_BITS "TREADLE_LOW_BITS"
    const uint64_t HIGH_BITS "TREADLE_HIGH_BITS"

cdef extern from "Python.h":
    # Of objects that are borrowed.
    bint is_pair "PyTuple_Check"(PyObject *value)
    Py_ssize_t pair_size "PyTuple_GET_SIZE"(PyObject *value)
    PyObject *half "PyTuple_GET_ITEM"(PyObject *value, Py_ssize_t index)
    bint is_bytes "PyBytes_Check"(PyObject *value)
    char *text_of "PyBytes_AS_STRING"(PyObject *value)
    Py_ssize_t size_of "PyBytes_GET_SIZE"(PyObject *value)


cdef class AccessLines(ExchangeLog):
    def __init__(self, format, bytes_max, ring):
        self.line = HeadWriter()
        self.waiting = HeadWriter()
        self.bytes_max = bytes_max
        self.ring = ring
        self.hurry_bytes = bytes_max // 4
        self.is_json = format == "json"
        self.is_combined = format == "combined"
        self.stamp_s = -1

    @property
    def waiting_bytes(self):
        """Bytes of lines that nobody has taken yet."""
        return self.waiting.size

    def take(self):
        """All lines that wait, as bytes; from any thread. The next one rings. Raises MemoryError; then they wait on."""
        self.has_rung = self.is_hurried = False         # ORDER: the GIL is held throughout, and nothing of it calls Python
        return self.waiting.take(NULL, 0, NULL, 0)

    def shut(self):
        """The last ones, as take(). Those to come are dropped."""
        self.bytes_max = 0
        return self.take()

    def forget(self):
        """In a child of a fork: what waits is its parent's."""
        self.waiting.size = 0
        self.lines = self.dropped = 0
        self.has_rung = self.is_hurried = False

    cdef int note(self, Wire wire, int status, long long size, bint is_whole) except -1:
        try:
            self.write(<Connection>wire, status, size, is_whole)
            if self.waiting.size + self.line.size > self.bytes_max:
                self.dropped += 1
                return 0
            self.waiting.add(self.line.data, self.line.size)
        except Exception:                               # no memory
            self.dropped += 1
            return 0
        self.lines += 1
        if not self.has_rung:
            self.has_rung = True                        # ORDER: before the call, in which others may run, and take()
            self.call_ring()
        if not self.is_hurried and self.waiting.size >= self.hurry_bytes:
            self.is_hurried = True
            self.call_ring()
        return 0

    cdef int call_ring(self) except -1:
        # Where it fails, or Ctrl-C comes amid it, the next line rings again.
        cdef bint is_done = False
        try:
            self.ring()
            is_done = True
        except Exception:
            pass
        finally:
            if not is_done:
                self.has_rung = self.is_hurried = False
        return 0

    cdef int write(self, Connection connection, int status, long long size, bint is_whole) except -1:
        # ORDER: what may call Python comes first, since others may run then, and note() a line: address_pair() makes tuples, and
        # so may collect garbage (until 3.11). From look() on nothing does.
        cdef object peer = connection.address_pair()[1] if connection.request.origin is None else connection.request.origin[1]
        cdef object scheme = connection.scheme() if connection.request.origin is None else connection.request.origin[0]
        cdef double duration_ms = (clock_ns() - connection.began_ns) / 1e6
        cdef Shown shown
        cdef char *out
        shown.is_https = scheme == "https"
        self.look(connection, peer, &shown)
        self.line.size = 0
        self.line.reserve(FIXED_MAX + shown.method.size + ESCAPED_MAX * (
            room_of(&shown.client) + room_of(&shown.target) + room_of(&shown.host) + room_of(&shown.referer)
            + room_of(&shown.user_agent) + room_of(&shown.request_id)))
        if self.is_json:
            out = self.put_json(self.line.data, &shown, status, size, duration_ms, is_whole)
        else:
            out = self.put_text(self.line.data, &shown, status, size)
        self.line.size = out - self.line.data
        return 0

    cdef int look(self, Connection connection, object peer, Shown *shown) except -1:
        cdef RequestCore request = connection.request
        cdef const char *end
        shown.client = shown.method = shown.host = shown.referer = shown.user_agent = shown.request_id = piece_of(NULL, 0, FIELD_MAX)
        shown.target = piece_of(NULL, 0, TARGET_MAX)
        shown.is_1_0 = False
        if isinstance(peer, tuple):         # a Unix socket has no address
            shown.client.text = PyUnicode_AsUTF8AndSize((<tuple>peer)[0], &shown.client.size)
        if request.method is not None and request.target is not None and request.http_version is not None:
            shown.method.text = PyUnicode_AsUTF8AndSize(request.method, &shown.method.size)
            shown.target.text = PyBytes_AS_STRING(request.target)
            shown.target.size = PyBytes_GET_SIZE(request.target)
            shown.is_1_0 = request.http_version == "1.0"
        elif connection.head is not None:   # refused before it was read
            shown.target.text = PyBytes_AS_STRING(connection.head)
            shown.target.size = PyBytes_GET_SIZE(connection.head)
            end = <const char *>memchr(shown.target.text, c'\n', shown.target.size)
            if end is not NULL:
                shown.target.size = end - shown.target.text
            if shown.target.size and shown.target.text[shown.target.size - 1] == c'\r':
                shown.target.size -= 1
        if (self.is_combined or self.is_json) and request.raw_headers is not None:
            find_fields(request.raw_headers, shown)
        if self.is_json and request.id is not None:
            shown.request_id.text = PyUnicode_AsUTF8AndSize(request.id, &shown.request_id.size)
        return 0

    cdef char *put_text(self, char *out, Shown *shown, int status, long long size) noexcept:
        out = self.put_client(out, shown)
        out = put(out, b" - - [")
        out = self.put_time(out)
        out = put(out, b"] \"")
        out = self.put_request(out, shown)
        out = put(out, b"\" ")
        out = put_number(out, status)
        out = put(out, b" ")
        out = put_number(out, size)
        if self.is_combined:
            out = put(out, b" \"")
            out = self.put_piece(out, &shown.referer)
            out = put(out, b"\" \"")
            out = self.put_piece(out, &shown.user_agent)
            out = put(out, b"\"")
        return put(out, b"\n")

    cdef char *put_json(
        self, char *out, Shown *shown, int status, long long size, double duration_ms, bint is_whole
    ) noexcept:
        out = put(out, b"{\"time\": \"")
        out = self.put_time(out)
        out = put(out, b"\", \"client\": \"")
        out = self.put_client(out, shown)
        out = put(out, b"\", \"request\": \"")
        out = self.put_request(out, shown)
        out = put(out, b"\", \"status\": ")
        out = put_number(out, status)
        out = put(out, b", \"bytes\": ")
        out = put_number(out, size)
        out = put(out, b", \"duration_ms\": ")
        out = put_milliseconds(out, duration_ms)
        out = put(out, b", \"complete\": true") if is_whole else put(out, b", \"complete\": false")
        out = put(out, b", \"scheme\": \"https\"") if shown.is_https else put(out, b", \"scheme\": \"http\"")
        out = put(out, b", \"host\": \"")
        out = self.put_piece(out, &shown.host)
        out = put(out, b"\", \"referer\": \"")
        out = self.put_piece(out, &shown.referer)
        out = put(out, b"\", \"user_agent\": \"")
        out = self.put_piece(out, &shown.user_agent)
        if shown.request_id.text is not NULL:
            out = put(out, b"\", \"request_id\": \"")
            out = self.put_piece(out, &shown.request_id)
        return put(out, b"\"}\n")

    cdef char *put_client(self, char *out, Shown *shown) noexcept:
        return put(out, b"unix:") if shown.client.text is NULL else self.put_piece(out, &shown.client)     # nginx's word

    cdef char *put_request(self, char *out, Shown *shown) noexcept:
        # The request line; of a head that was refused before it was read, what came in its place.
        if shown.method.text is NULL:
            return self.put_piece(out, &shown.target)
        memcpy(out, shown.method.text, shown.method.size)       # known ones only: letters and -
        out = put(out + shown.method.size, b" ")
        out = self.put_piece(out, &shown.target)
        return put(out, b" HTTP/1.0") if shown.is_1_0 else put(out, b" HTTP/1.1")

    cdef char *put_time(self, char *out) noexcept:
        # Now: local time with its zone as Apache writes it, or, in JSON, ISO 8601 in UTC with milliseconds.
        cdef timespec now
        cdef tm calendar
        clock_gettime(CLOCK_REALTIME, &now)
        if now.tv_sec != self.stamp_s:
            if self.is_json:
                gmtime_r(&now.tv_sec, &calendar)
                self.stamp_size = <int>strftime(self.stamp, sizeof(self.stamp), b"%Y-%m-%dT%H:%M:%S.", &calendar)
            else:
                localtime_r(&now.tv_sec, &calendar)
                self.stamp_size = clf_time(self.stamp, sizeof(self.stamp), &calendar)
            self.stamp_s = now.tv_sec
        memcpy(out, self.stamp, self.stamp_size)
        out += self.stamp_size
        return put(put_digits(out, now.tv_nsec // 1_000_000, 3), b"Z") if self.is_json else out

    cdef char *put_piece(self, char *out, Piece *piece) noexcept:
        # JSON: \" \\ \u00XX; else \" \\ \xXX. Printable ASCII stays, and nothing else does.
        cdef const char *text = piece.text
        cdef Py_ssize_t size = min(piece.size, piece.size_max)
        cdef Py_ssize_t i = 0
        cdef uint64_t eight
        cdef unsigned char c
        if text is NULL:
            return put(out, b"-")
        while i < size:
            if size - i >= 8:               # PERF: bench/access_log.py
                memcpy(&eight, text + i, 8)
                if is_plain(eight):
                    memcpy(out, &eight, 8)
                    out += 8
                    i += 8
                    continue
            c = <unsigned char>text[i]
            i += 1
            if 32 <= c < 127 and c != c'"' and c != c'\\':
                out[0] = <char>c
                out += 1
                continue
            out[0] = c'\\'
            out += 1
            if c == c'"' or c == c'\\':
                out[0] = <char>c
                out += 1
                continue
            out = put(out, b"u00") if self.is_json else put(out, b"x")
            out[0] = b"0123456789abcdef"[c >> 4]
            out[1] = b"0123456789abcdef"[c & 15]
            out += 2
        return put(out, b"...") if piece.size > size else out


cdef Piece piece_of(const char *text, Py_ssize_t size, Py_ssize_t size_max) noexcept:
    cdef Piece piece
    piece.text = text
    piece.size = size
    piece.size_max = size_max
    return piece


cdef Py_ssize_t room_of(Piece *piece) noexcept:
    return min(piece.size, piece.size_max)


cdef int find_fields(list fields, Shown *shown) noexcept:
    # The first of each name. A handler may have changed the list: what is no pair of bytes is not looked at.
    cdef Py_ssize_t i, size
    cdef PyObject *pair
    cdef PyObject *name
    cdef PyObject *value
    cdef const char *text
    cdef Piece *slot
    for i in range(PyList_GET_SIZE(fields)):
        pair = PyList_GET_ITEM(fields, i)
        if not is_pair(pair) or pair_size(pair) != 2:
            continue
        name = half(pair, 0)
        value = half(pair, 1)
        if not is_bytes(name) or not is_bytes(value):
            continue
        size = size_of(name)
        text = text_of(name)
        if size == 4 and is_same(text, 4, b"host", 4):
            slot = &shown.host
        elif size == 7 and is_same(text, 7, b"referer", 7):
            slot = &shown.referer
        elif size == 10 and is_same(text, 10, b"user-agent", 10):
            slot = &shown.user_agent
        else:
            continue
        if slot.text is NULL:
            slot.text = text_of(value)
            slot.size = size_of(value)
    return 0


# ---- INVARIANT: each writes at `out`, where there is room, and answers where it has ended


cdef inline char *put(char *out, const char *text) noexcept nogil:
    # PERF: inlined, so that the compiler knows the size of a literal.
    cdef size_t size = strlen(text)
    memcpy(out, text, size)
    return out + size


cdef char *put_number(char *out, unsigned long long number) noexcept nogil:
    cdef char digits[20]
    cdef int first = sizeof(digits)
    while True:
        first -= 1
        digits[first] = <char>(c'0' + number % 10)
        number //= 10
        if number == 0:
            memcpy(out, digits + first, sizeof(digits) - first)
            return out + (sizeof(digits) - first)


cdef char *put_digits(char *out, unsigned int number, int count) noexcept nogil:
    # So many of them.
    cdef int i
    for i in range(count):
        out[count - 1 - i] = <char>(c'0' + number % 10)
        number //= 10
    return out + count


cdef char *put_milliseconds(char *out, double duration_ms) noexcept nogil:
    # With microseconds behind the point.
    cdef unsigned long long us = <unsigned long long>(duration_ms * 1000) if duration_ms > 0 else 0
    out = put(put_number(out, us // 1000), b".")
    return put_digits(out, us % 1000, 3)


cdef inline bint has_zero(uint64_t eight) noexcept nogil:
    return (eight - LOW_BITS) & ~eight & HIGH_BITS != 0


cdef inline bint is_plain(uint64_t eight) noexcept nogil:
    # All eight bytes are printable ASCII, and neither " nor \.
    return not (eight & HIGH_BITS or (eight - LOW_BITS * 32) & ~eight & HIGH_BITS or has_zero(eight ^ LOW_BITS * 127)
                or has_zero(eight ^ LOW_BITS * c'"') or has_zero(eight ^ LOW_BITS * c'\\'))


cdef int clf_time(char *out, size_t room, tm *calendar) noexcept nogil:
    # 10/Oct/2000:13:55:36 -0700; the month in English, whatever the locale.
    cdef const char *months = b"JanFebMarAprMayJunJulAugSepOctNovDec"
    cdef char zone[8]
    zone[0] = 0
    strftime(zone, sizeof(zone), b"%z", calendar)
    return snprintf(out, room, b"%02d/%.3s/%04d:%02d:%02d:%02d %s", calendar.tm_mday,
                    months + 3 * calendar.tm_mon, calendar.tm_year + 1900,
                    calendar.tm_hour, calendar.tm_min, calendar.tm_sec, zone)
