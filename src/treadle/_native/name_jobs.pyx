"""Names to addresses as the system does it, on the threads of a pool: getaddrinfo, without the GIL.

Such a job may hold a thread for as long as the system waits for a server that does not answer, and so jobs of this kind hold half of
the threads at most. Invariant: a job touches nothing of Python; its memory is its own. Not here: threads (pool_threads), requests
(pool), one job for those who ask the same, errors as users see them (treadle.dns).
Source: getaddrinfo(3); libuv, uv_getaddrinfo.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from libc.errno cimport errno
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from treadle._native.pool cimport Pool, Request, os_error
from treadle._native.pool_threads cimport DONE, Job, Outcome
from treadle._native.queues cimport COMPLETION, SOON

cdef enum:
    INET6_ADDRSTRLEN = 46   # POSIX, <netinet/in.h>

cdef extern from *:
    """
    #include <arpa/inet.h>
    #include <netdb.h>
    #include <netinet/in.h>
    #include <sys/socket.h>

    /* The address as text, and 4 or 6; 0 where it is neither. text: INET6_ADDRSTRLEN bytes. */
    static int treadle_address_text(const struct addrinfo *found, char *text) {
        const void *address;
        if (found->ai_family == AF_INET)
            address = &((const struct sockaddr_in *)found->ai_addr)->sin_addr;
        else if (found->ai_family == AF_INET6)
            address = &((const struct sockaddr_in6 *)found->ai_addr)->sin6_addr;
        else
            return 0;
        if (inet_ntop(found->ai_family, address, text, INET6_ADDRSTRLEN) == NULL)
            return 0;
        return found->ai_family == AF_INET ? 4 : 6;
    }
    """
    enum:
        AF_INET
        AF_INET6
        AF_UNSPEC
        EAI_SYSTEM
        SOCK_STREAM
    struct addrinfo:
        int ai_flags
        int ai_family
        int ai_socktype
        addrinfo *ai_next
    int getaddrinfo(const char *node, const char *service, const addrinfo *hints, addrinfo **found) nogil
    void freeaddrinfo(addrinfo *found) nogil
    int address_text "treadle_address_text"(const addrinfo *found, char *text)


class NoAnswer(Exception):
    """The system has no address: `args[0]` is what getaddrinfo returned, an EAI_... of the socket module."""


# ---- on a thread


cdef struct NameJob:
    Job job
    addrinfo hints
    addrinfo *found     # OWNER: it
    int failure         # what getaddrinfo returned
    int error           # errno, where that is EAI_SYSTEM
    char name[1]        # and what follows it


cdef Outcome run_name_job(Job *base) noexcept nogil:
    cdef NameJob *job = <NameJob *>base
    job.failure = getaddrinfo(job.name, NULL, &job.hints, &job.found)
    job.error = errno if job.failure == EAI_SYSTEM else 0
    return DONE


cdef void abandon_name_job(Job *base) noexcept nogil:
    pass    # it runs to its end, and nobody looks at it


cdef void discard_name_job(Job *base) noexcept nogil:
    cdef NameJob *job = <NameJob *>base
    if job.found is not NULL:
        freeaddrinfo(job.found)
    free(job)


# ---- on the loop's thread


def look_up(Pool pool not None, bytes name not None, int family, int hints, callback, *, bint is_awaited=False):
    """Look up a name; callback(error, addresses) in the poll phase: NoAnswer, OSError or None, and a list of (address, 4 or 6).
    Returns a NameLookup, under way already.

    family: 4, 6, or 0 for both. hints: AI_... of the socket module. is_awaited: the callback is a future's, which the program's end
    leaves alone. Raises ValueError (a NUL in the name), PoolSaturated, RuntimeError (the loop is closed), OSError (not even one
    thread can be started).
    """
    cdef NameLookup request
    cdef NameJob *job
    if b"\0" in name:
        raise ValueError("embedded null byte")
    request = NameLookup.__new__(NameLookup)
    request.set_callback(SOON if is_awaited else COMPLETION, callback)
    job = <NameJob *>calloc(1, sizeof(NameJob) + len(name))
    if job is NULL:
        raise MemoryError()
    memcpy(job.name, PyBytes_AS_STRING(name), len(name))
    job.hints.ai_flags = hints
    job.hints.ai_family = AF_INET if family == 4 else AF_INET6 if family == 6 else AF_UNSPEC
    job.hints.ai_socktype = SOCK_STREAM     # else each address comes once for each kind of socket
    job.job.run = run_name_job
    job.job.abandon = abandon_name_job
    job.job.discard = discard_name_job
    job.job.kind = pool.kind("dns.lookup", is_slow=True)
    pool.submit(request, &job.job)
    return request


@cython.no_gc_clear     # see Request
cdef class NameLookup(Request):
    """One look_up under way."""

    cdef bint settle(self, Job *base) except -1:
        cdef NameJob *job = <NameJob *>base
        if job.failure == 0:
            self.args = (None, addresses_of(job.found))
        elif job.error:
            self.args = (os_error(job.error, None), None)
        else:
            self.args = (NoAnswer(job.failure), None)
        return True


cdef list addresses_of(addrinfo *found):
    cdef char text[INET6_ADDRSTRLEN]
    cdef int version
    cdef list addresses = []
    while found is not NULL:
        version = address_text(found, text)
        if version:
            addresses.append(((<bytes>text).decode("ascii"), version))
        found = found.ai_next
    return addresses
