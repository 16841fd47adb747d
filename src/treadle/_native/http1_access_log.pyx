"""Lines of an access log: written in memory as exchanges end, to be taken by another thread.

    AccessLines ── note() in the loop ──► waiting, bytes_max at most ── take() in the thread that writes ──► file

Invariants: what a client sent is escaped, so that a line is one line, and no field reaches into the next; a line for which there is
no room is counted and dropped, and nobody waits. Not here: files and threads (treadle.http.access_log). Source: Apache's
mod_log_config for "common" and "combined".
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdio cimport snprintf
from libc.string cimport memchr, strlen
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


cdef struct Shown:
    # Values of fields, borrowed from their list, or None.
    PyObject *host
    PyObject *referer
    PyObject *user_agent


cdef int find_shown(list fields, Shown *shown) except -1:
    # The first of each name. fields: None for a head that was not read.
    cdef tuple pair
    cdef bytes name
    cdef Py_ssize_t size
    cdef PyObject **slot
    shown.host = shown.referer = shown.user_agent = <PyObject *>None
    if fields is None:
        return 0
    for pair in fields:
        name = <bytes>pair[0]
        size = PyBytes_GET_SIZE(name)
        if size == 4 and is_same(PyBytes_AS_STRING(name), 4, b"host", 4):
            slot = &shown.host
        elif size == 7 and is_same(PyBytes_AS_STRING(name), 7, b"referer", 7):
            slot = &shown.referer
        elif size == 10 and is_same(PyBytes_AS_STRING(name), 10, b"user-agent", 10):
            slot = &shown.user_agent
        else:
            continue
        if slot[0] is <PyObject *>None:
            slot[0] = <PyObject *>pair[1]
    return 0


cdef class AccessLines(ExchangeLog):
    def __init__(self, format, bytes_max, wake, hurry):
        self.line = HeadWriter()
        self.waiting = HeadWriter()
        self.bytes_max = bytes_max
        self.wake = wake
        self.hurry = hurry
        self.hurry_bytes = bytes_max // 4
        self.is_json = format == "json"
        self.is_combined = format == "combined"
        self.stamp_s = -1

    @property
    def waiting_bytes(self):
        """Bytes of lines that nobody has taken yet."""
        return self.waiting.size

    def take(self):
        """All lines that wait, as bytes; from any thread."""
        return self.waiting.take(NULL, 0, NULL, 0)      # ORDER: the GIL is held throughout, and nothing of it calls Python

    cdef int note(self, Wire wire, int status, long long size, bint is_whole) except -1:
        cdef Connection connection = <Connection>wire
        cdef double duration_ms = (clock_ns() - wire.began_ns) / 1e6
        cdef Py_ssize_t before = self.waiting.size
        self.line.size = 0
        if self.is_json:
            self.write_json(connection, status, size, duration_ms, is_whole)
        else:
            self.write_text(connection, status, size, duration_ms)
        if self.waiting.size + self.line.size > self.bytes_max:
            self.dropped += 1
            return 0
        self.waiting.add(self.line.data, self.line.size)
        self.lines += 1
        if before == 0:
            self.wake()
        if before < self.hurry_bytes <= self.waiting.size:
            self.hurry()
        return 0

    cdef int write_text(self, Connection connection, int status, long long size, double duration_ms) except -1:
        cdef Shown shown
        self.add_client(connection)
        self.add_word(b" - - [")
        self.add_time()
        self.add_word(b"] \"")
        self.add_request(connection)
        self.add_word(b"\" ")
        self.line.add_number(status, 10)
        self.add_word(b" ")
        self.line.add_number(size, 10)
        if self.is_combined:
            find_shown(connection.request.raw_headers, &shown)
            self.add_word(b" \"")
            self.add_value(<bytes>shown.referer)
            self.add_word(b"\" \"")
            self.add_value(<bytes>shown.user_agent)
            self.add_word(b"\"")
        return self.add_word(b"\n")

    cdef int write_json(self, Connection connection, int status, long long size, double duration_ms, bint is_whole) except -1:
        cdef RequestCore request = connection.request
        cdef const char *text
        cdef Py_ssize_t text_size
        cdef Shown shown
        find_shown(request.raw_headers, &shown)
        self.add_word(b"{\"time\": \"")
        self.add_time()
        self.add_word(b"\", \"client\": \"")
        self.add_client(connection)
        self.add_word(b"\", \"request\": \"")
        self.add_request(connection)
        self.add_word(b"\", \"status\": ")
        self.line.add_number(status, 10)
        self.add_word(b", \"bytes\": ")
        self.line.add_number(size, 10)
        self.add_word(b", \"duration_ms\": ")
        self.add_milliseconds(duration_ms)
        self.add_word(b", \"complete\": true" if is_whole else b", \"complete\": false")
        self.add_word(b", \"scheme\": \"https\"" if request.scheme == "https" else b", \"scheme\": \"http\"")
        self.add_word(b", \"host\": \"")
        self.add_value(<bytes>shown.host)
        self.add_word(b"\", \"referer\": \"")
        self.add_value(<bytes>shown.referer)
        self.add_word(b"\", \"user_agent\": \"")
        self.add_value(<bytes>shown.user_agent)
        if request.id is not None:
            self.add_word(b"\", \"request_id\": \"")
            text = PyUnicode_AsUTF8AndSize(request.id, &text_size)
            self.add_escaped(text, text_size, FIELD_MAX)
        return self.add_word(b"\"}\n")

    cdef int add_client(self, Connection connection) except -1:
        cdef RequestCore request = connection.request
        cdef object peer = connection.address_pair()[1] if request.origin is None else request.origin[1]
        cdef const char *text
        cdef Py_ssize_t size
        if not peer:                        # a Unix socket has no address: nginx's word
            return self.add_word(b"unix:")
        text = PyUnicode_AsUTF8AndSize(peer[0], &size)
        return self.add_escaped(text, size, FIELD_MAX)

    cdef int add_request(self, Connection connection) except -1:
        # The request line; of a head that was refused before it was read, what came in its place.
        cdef RequestCore request = connection.request
        cdef const char *text
        cdef const char *end
        cdef Py_ssize_t size
        if request.method is not None and request.target is not None and request.http_version is not None:
            text = PyUnicode_AsUTF8AndSize(request.method, &size)
            self.line.add(text, size)
            self.line.add(b" ", 1)
            self.add_escaped(PyBytes_AS_STRING(request.target), PyBytes_GET_SIZE(request.target), TARGET_MAX)
            return self.add_word(b" HTTP/1.0" if request.http_version == "1.0" else b" HTTP/1.1")
        if connection.head is None:
            return self.add_word(b"-")
        text = PyBytes_AS_STRING(connection.head)
        size = PyBytes_GET_SIZE(connection.head)
        end = <const char *>memchr(text, c'\n', size)
        if end is not NULL:
            size = end - text
        if size and text[size - 1] == c'\r':
            size -= 1
        return self.add_escaped(text, size, TARGET_MAX)

    cdef int add_value(self, bytes value) except -1:
        return self.add_word(b"-") if value is None else self.add_escaped(
            PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), FIELD_MAX)

    cdef int add_time(self) except -1:
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
        self.line.add(self.stamp, self.stamp_size)
        if self.is_json:
            now.tv_nsec //= 1_000_000
            self.line.add_number(now.tv_nsec // 100, 10)
            self.line.add_number(now.tv_nsec // 10 % 10, 10)
            self.line.add_number(now.tv_nsec % 10, 10)
            self.line.add(b"Z", 1)
        return 0

    cdef int add_escaped(self, const char *text, Py_ssize_t size, Py_ssize_t size_max) except -1:
        # JSON: \" \\ \u00XX; else \" \\ \xXX. Printable ASCII stays, and nothing else does.
        cdef HeadWriter line = self.line
        cdef bint is_cut = size > size_max
        cdef Py_ssize_t i
        cdef unsigned char c
        cdef char *out
        if is_cut:
            size = size_max
        line.reserve(6 * size + 3)
        out = line.data + line.size
        for i in range(size):
            c = <unsigned char>text[i]
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
            if self.is_json:
                out[0] = c'u'
                out[1] = out[2] = c'0'
                out += 3
            else:
                out[0] = c'x'
                out += 1
            out[0] = b"0123456789abcdef"[c >> 4]
            out[1] = b"0123456789abcdef"[c & 15]
            out += 2
        line.size = out - line.data
        return line.add(b"...", 3) if is_cut else 0

    cdef int add_word(self, const char *text) except -1:
        return self.line.add(text, strlen(text))

    cdef int add_milliseconds(self, double duration_ms) except -1:
        # With microseconds behind the point.
        cdef unsigned long long us = <unsigned long long>(duration_ms * 1000) if duration_ms > 0 else 0
        self.line.add_number(us // 1000, 10)
        self.line.add(b".", 1)
        self.line.add_number(us // 100 % 10, 10)
        self.line.add_number(us // 10 % 10, 10)
        return self.line.add_number(us % 10, 10)


cdef int clf_time(char *out, size_t room, tm *calendar) noexcept nogil:
    # 10/Oct/2000:13:55:36 -0700; the month in English, whatever the locale.
    cdef const char *months = b"JanFebMarAprMayJunJulAugSepOctNovDec"
    cdef char zone[8]
    zone[0] = 0
    strftime(zone, sizeof(zone), b"%z", calendar)
    return snprintf(out, room, b"%02d/%.3s/%04d:%02d:%02d:%02d %s", calendar.tm_mday,
                    months + 3 * calendar.tm_mon, calendar.tm_year + 1900,
                    calendar.tm_hour, calendar.tm_min, calendar.tm_sec, zone)
