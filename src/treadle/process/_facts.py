"""What the process says of itself: time, memory, CPU, where it runs. Invariant: nothing is remembered, so that a forked child
says the truth. Not here: its events and its end (_process.py). Source: https://nodejs.org/api/process.html."""

import os
import resource
import sys
import time
from typing import Final, NamedTuple

from treadle._base.errors import TreadleError
from treadle._base.version import VERSION

__all__ = [
    "ARCH",
    "VERSIONS",
    "CpuUsage",
    "MemoryUsage",
    "ResourceUsage",
    "cpu_usage",
    "hrtime",
    "memory_usage",
    "resource_usage",
    "uptime",
]

NS_PER_S: Final = 1_000_000_000
US_PER_S: Final = 1_000_000

_NODE_ARCH: Final = {"x86_64": "x64", "aarch64": "arm64", "i686": "ia32", "armv7l": "arm", "ppc64le": "ppc64"}

ARCH: Final = _NODE_ARCH.get(os.uname().machine, os.uname().machine)
VERSIONS: Final = {"treadle": VERSION, "python": ".".join(map(str, sys.version_info[:3]))}


class MemoryUsage(NamedTuple):
    """In bytes. COMPAT(node): of its names only rss; Python does not divide its heap as V8 does."""

    rss: int  # in RAM now, what is shared with others included
    shared: int  # of rss, what other processes may have as well: files, shared memory
    virtual: int  # address space


class CpuUsage(NamedTuple):
    """In us."""

    user: int
    system: int


class ResourceUsage(NamedTuple):
    """Those of Node's that Linux counts."""

    user_cpu_time: int  # us
    system_cpu_time: int  # us
    max_rss: int  # KiB, the most so far; of a fresh child process, its parent's
    minor_page_fault: int
    major_page_fault: int
    fs_read: int  # blocks of 512 bytes
    fs_write: int
    voluntary_context_switches: int
    involuntary_context_switches: int


class _Hrtime:
    """`hrtime()` and `hrtime.bigint()`."""

    def __call__(self, previous: tuple[int, int] | None = None, /) -> tuple[int, int]:
        """The monotonic clock, as (s, ns); with what an earlier call returned, the time since. Raises TreadleError:
        ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE."""
        now_ns = time.monotonic_ns()
        if previous is not None:
            now_ns -= _to_ns(previous)
        return divmod(now_ns, NS_PER_S)

    def bigint(self) -> int:
        """The same clock, in ns."""
        return time.monotonic_ns()

    def __repr__(self) -> str:
        return "<function hrtime>"


hrtime: Final = _Hrtime()


def _to_ns(previous: object) -> int:
    if not isinstance(previous, tuple | list):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="previous", expected="a tuple (s, ns)", received=type(previous).__name__)
    if len(previous) != 2:
        raise TreadleError("ERR_OUT_OF_RANGE", name="previous", expected="a tuple (s, ns)", received=previous)
    seconds, nanoseconds = previous
    return int(seconds) * NS_PER_S + int(nanoseconds)


def uptime() -> float:
    """Seconds since the process was started, to a hundredth: the kernel's figure, not that of the first import."""
    with open("/proc/self/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()  # the name before it may hold anything
    started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # starttime, field 22 of proc(5)
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started_s)


def memory_usage() -> MemoryUsage:
    """How much memory the process has. It reads one small file of /proc: some 10 us."""
    with open("/proc/self/statm", "rb") as statm:
        virtual, rss, shared = (int(pages) * resource.getpagesize() for pages in statm.read().split()[:3])
    return MemoryUsage(rss, shared, virtual)


def cpu_usage(previous: CpuUsage | None = None, /) -> CpuUsage:
    """CPU time of all threads so far, in us; with what an earlier call returned, the time since. Raises TreadleError:
    ERR_INVALID_ARG_TYPE."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    user, system = int(used.ru_utime * US_PER_S), int(used.ru_stime * US_PER_S)
    if previous is None:
        return CpuUsage(user, system)
    if not isinstance(previous, CpuUsage):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="previous", expected="a CpuUsage", received=type(previous).__name__)
    return CpuUsage(user - previous.user, system - previous.system)


def resource_usage() -> ResourceUsage:
    """What getrusage(2) says of the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return ResourceUsage(
        user_cpu_time=int(used.ru_utime * US_PER_S),
        system_cpu_time=int(used.ru_stime * US_PER_S),
        max_rss=used.ru_maxrss,
        minor_page_fault=used.ru_minflt,
        major_page_fault=used.ru_majflt,
        fs_read=used.ru_inblock,
        fs_write=used.ru_oublock,
        voluntary_context_switches=used.ru_nvcsw,
        involuntary_context_switches=used.ru_nivcsw,
    )
