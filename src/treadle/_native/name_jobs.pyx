"""Names to addresses and back as the system does it, on the threads of a pool: getaddrinfo and getnameinfo, without the GIL.

Such a job may hold a thread for as long as the system waits for a server that does not answer, and so jobs of this kind hold half of
the threads at most. Invariant: a job touches nothing of Python; its memory is its own. Not here: threads (pool_threads), requests
(pool), one job for those who ask the same, errors as users see them (treadle.dns).
Source: getaddrinfo(3), getnameinfo(3); libuv, uv_getaddrinfo, uv_getnameinfo.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING
from libc.errno cimport errno
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from treadle._native.pool cimport Pool, Request, os_error
from treadle._native.pool_threads cimport DONE, NAMES, Job, Outcome
from treadle._native.queues cimport COMPLETION, SOON

cdef enum:
    INET6_ADDRSTRLEN = 46   # POSIX, <netinet/in.h>
    HOST_BYTES = 1025       # getnameinfo(3), NI_MAXHOST and NI_MAXSERV
    SERVICE_BYTES = 32

cdef extern from *:
    """
    #include <arpa/inet.h>
    #include <netdb.h>
    #include <netinet/in.h>
    #include <errno.h>
    #include <stdio.h>
    #include <string.h>
    #include <sys/eventfd.h>
    #include <sys/socket.h>
    #include <unistd.h>

    /* The address as text, and 4 or 6; 0 where it is neither. text: INET6_ADDRSTRLEN and 12 bytes, for the zone, without which
       nobody can connect to an address of one link. */
    static int treadle_address_text(const struct addrinfo *found, char *text) {
        const void *address;
        unsigned zone = 0;
        if (found->ai_family == AF_INET) {
            address = &((const struct sockaddr_in *)found->ai_addr)->sin_addr;
        } else if (found->ai_family == AF_INET6) {
            address = &((const struct sockaddr_in6 *)found->ai_addr)->sin6_addr;
            zone = ((const struct sockaddr_in6 *)found->ai_addr)->sin6_scope_id;
        } else {
            return 0;
        }
        if (inet_ntop(found->ai_family, address, text, INET6_ADDRSTRLEN) == NULL)
            return 0;
        if (zone != 0)
            snprintf(text + strlen(text), 12, "%%%u", zone);
        return found->ai_family == AF_INET ? 4 : 6;
    }

    /* Whether there is no descriptor to be had: EMFILE or ENFILE, else 0. */
    static int treadle_lack_of_descriptors(void) {
        int fd = eventfd(0, EFD_CLOEXEC);
        if (fd >= 0)
            close(fd);
        return fd < 0 && (errno == EMFILE || errno == ENFILE) ? errno : 0;
    }
    """
    enum:
        AI_NUMERICHOST
        AI_NUMERICSERV
        NI_NAMEREQD
        AF_INET
        AF_INET6
        AF_UNSPEC
        EAI_SYSTEM
        SOCK_STREAM
    struct sockaddr:
        pass
    ctypedef unsigned int socklen_t
    struct addrinfo:
        int ai_flags
        int ai_family
        int ai_socktype
        socklen_t ai_addrlen
        sockaddr *ai_addr
        addrinfo *ai_next
    int getaddrinfo(const char *node, const char *service, const addrinfo *hints, addrinfo **found) nogil
    void freeaddrinfo(addrinfo *found) nogil
    int getnameinfo(
        const sockaddr *address, socklen_t size, char *host, socklen_t host_bytes, char *service, socklen_t service_bytes, int flags
    ) nogil
    int lack_of_descriptors "treadle_lack_of_descriptors"() nogil
    int address_text "treadle_address_text"(const addrinfo *found, char *text)


class NoAnswer(Exception):
    """The system has no answer: `args[0]` is what getaddrinfo or getnameinfo returned, an EAI_... of the socket module."""


# ---- on a thread


cdef struct NameJob:
    Job job
    addrinfo hints
    addrinfo *found     # OWNER: it
    int failure         # what the system's function returned
    int error           # errno, where that is EAI_SYSTEM
    char *name          # behind the job itself, in the same piece of memory


cdef void note_failure(NameJob *job) noexcept nogil:
    # Without a descriptor glibc reads no file and asks no server, and says that there is no such name.
    cdef int lack
    job.error = errno if job.failure == EAI_SYSTEM else 0
    if job.failure and not job.error:
        lack = lack_of_descriptors()
        if lack:
            job.failure, job.error = EAI_SYSTEM, lack


cdef Outcome run_name_job(Job *base) noexcept nogil:
    cdef NameJob *job = <NameJob *>base
    job.failure = getaddrinfo(job.name, NULL, &job.hints, &job.found)
    note_failure(job)
    return DONE


cdef struct ServiceJob:
    NameJob base                # asks what sockaddr the address and the port are, which is known at once
    char port[8]                # as text
    char host[HOST_BYTES]       # what was found
    char service[SERVICE_BYTES]


cdef Outcome run_service_job(Job *base) noexcept nogil:
    cdef ServiceJob *job = <ServiceJob *>base
    cdef addrinfo *found
    job.base.failure = getaddrinfo(job.base.name, job.port, &job.base.hints, &job.base.found)
    if job.base.failure == 0:
        found = job.base.found
        job.base.failure = getnameinfo(
            found.ai_addr, found.ai_addrlen, job.host, HOST_BYTES, job.service, SERVICE_BYTES, NI_NAMEREQD)
    note_failure(&job.base)
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
    """Look up a name; callback(error, addresses) in the poll phase: NoAnswer, OSError or None, and a list of (address, 4 or 6); an
    address of one link has its zone, fe80::1%2.
    Returns a NameLookup, under way already.

    family: 4, 6, or 0 for both. hints: AI_... of the socket module. is_awaited: the callback is a future's, which the program's end
    leaves alone. Raises ValueError (a NUL in the name), PoolSaturated, RuntimeError (the loop is closed), OSError (not even one
    thread can be started).
    """
    cdef NameLookup request = NameLookup.__new__(NameLookup)
    cdef NameJob *job
    request.set_callback(SOON if is_awaited else COMPLETION, callback)
    job = new_name_job(sizeof(NameJob), name)
    job.hints.ai_flags = hints
    job.hints.ai_family = AF_INET if family == 4 else AF_INET6 if family == 6 else AF_UNSPEC
    job.job.run = run_name_job
    job.job.kind = pool.kind("dns.lookup")
    job.job.group = NAMES
    pool.submit(request, &job.job)
    return request


def look_up_service(Pool pool not None, bytes address not None, int port, callback, *, bint is_awaited=False):
    """Look up the names of an IP address and of a port; callback(error, names) in the poll phase: as of look_up(), and a tuple of
    both. Returns a ServiceLookup, under way already. Raises as look_up()."""
    cdef ServiceLookup request = ServiceLookup.__new__(ServiceLookup)
    cdef ServiceJob *job
    cdef bytes text = str(port).encode("ascii")
    if not 0 <= port <= 65535:
        raise ValueError(f"no port: {port}")
    request.set_callback(SOON if is_awaited else COMPLETION, callback)
    job = <ServiceJob *>new_name_job(sizeof(ServiceJob), address)
    memcpy(job.port, PyBytes_AS_STRING(text), len(text))
    job.base.hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    job.base.job.run = run_service_job
    job.base.job.kind = pool.kind("dns.lookup_service")
    job.base.job.group = NAMES
    pool.submit(request, &job.base.job)
    return request


cdef NameJob *new_name_job(size_t size, bytes name) except NULL:
    cdef NameJob *job
    if b"\0" in name:
        raise ValueError("embedded null byte")
    job = <NameJob *>calloc(1, size + len(name) + 1)
    if job is NULL:
        raise MemoryError()
    job.name = <char *>job + size
    memcpy(job.name, PyBytes_AS_STRING(name), len(name))
    job.hints.ai_socktype = SOCK_STREAM     # else each address comes once for each kind of socket
    job.job.abandon = abandon_name_job
    job.job.discard = discard_name_job
    return job


cdef object failure_of(NameJob *job):
    return os_error(job.error, (<bytes>job.name).decode("ascii")) if job.error else NoAnswer(job.failure)


@cython.no_gc_clear     # see Request
cdef class NameLookup(Request):
    """One look_up under way."""

    cdef bint settle(self, Job *base) except -1:
        cdef NameJob *job = <NameJob *>base
        self.args = (failure_of(job), None) if job.failure else (None, addresses_of(job.found))
        return True


@cython.no_gc_clear     # see Request
cdef class ServiceLookup(Request):
    """One look_up_service under way."""

    cdef bint settle(self, Job *base) except -1:
        cdef ServiceJob *job = <ServiceJob *>base
        if job.base.failure:
            self.args = (failure_of(&job.base), None)
        else:
            self.args = (None, (text_of(job.host), text_of(job.service)))
        return True


cdef object text_of(const char *name):
    return (<bytes>name).decode("utf-8", "surrogateescape")


cdef list addresses_of(addrinfo *found):
    cdef char text[INET6_ADDRSTRLEN + 12]
    cdef int version
    cdef list addresses = []
    while found is not NULL:
        version = address_text(found, text)
        if version:
            addresses.append(((<bytes>text).decode("ascii"), version))
        found = found.ai_next
    return addresses
