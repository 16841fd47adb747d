"""CPU time of a server's process tree and of the machine, from /proc.

The headline is utime + stime, which the kernel scales so that their sum is exact up to a clock tick (10 ms); how it
divides into user and system is sampled at each timer interrupt. The scheduler's own count in nanoseconds (schedstat)
is read beside it as a cross-check. Soft interrupts that run on the back of a system call are charged to it.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")

# Fields of /proc/PID/stat counted after the ')' that ends the name.
PARENT, UTIME, STIME = 1, 11, 12


@dataclass(frozen=True)
class TreeTime:
    """CPU seconds that a tree of processes has used so far."""

    pids: frozenset[int]
    user_s: float
    system_s: float
    scheduled_s: float  # schedstat; nan where the kernel has none

    @property
    def total_s(self) -> float:
        """User and system time."""
        return self.user_s + self.system_s

    def since(self, earlier: TreeTime) -> TreeTime:
        """What was used between the two readings."""
        return TreeTime(
            self.pids,
            self.user_s - earlier.user_s,
            self.system_s - earlier.system_s,
            self.scheduled_s - earlier.scheduled_s,
        )


def tree(root: int) -> frozenset[int]:
    """The process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields:
                parents[int(entry)] = int(fields[PARENT])
    found = {root}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found and pid not in found}
        found |= more
        grown = bool(more)
    return frozenset(found & parents.keys())


def tree_time(root: int) -> TreeTime:
    """CPU seconds of the tree now."""
    pids = tree(root)
    user = system = scheduled = 0.0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            user += int(fields[UTIME]) / TICKS_PER_S
            system += int(fields[STIME]) / TICKS_PER_S
            scheduled += _scheduled_s(pid)
    return TreeTime(pids, user, system, scheduled)


def machine_busy_s(cpu: int) -> float:
    """Seconds that this CPU has spent on anything at all (stolen time not counted)."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{cpu} "):
            user, nice, system, _idle, _iowait, irq, softirq = (int(x) for x in line.split()[1:8])
            return (user + nice + system + irq + softirq) / TICKS_PER_S
    raise ValueError(f"no CPU {cpu} in /proc/stat")


def are_siblings(first: int, second: int) -> bool:
    """Whether the two CPUs are threads of one core, and so slow each other down."""
    try:
        text = Path(f"/sys/devices/system/cpu/cpu{first}/topology/thread_siblings_list").read_text()
    except OSError:
        return False
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        if int(low) <= second <= int(high or low):
            return True
    return False


def _stat(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _scheduled_s(pid: int) -> float:
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    except OSError:
        return math.nan
    return total / 1e9
