"""How many CPUs this thread may use: those of its affinity, and no more than the quota of its control group, rounded up.

os.process_cpu_count() knows nothing of quotas: in a container with two CPUs of a machine of 64 it says 64, and whoever keeps 64
threads busy has the kernel stop the whole process for most of each period. Source: Linux, cgroup-v2.rst, "cpu.max", and
sched-bwc.rst, "cpu.cfs_quota_us", of version 1; cgroups(7), /proc/self/cgroup.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["available_cpus", "cpu_quota"]


def available_cpus() -> int:
    """At least 1. The affinity is that of now, the quota that of when this module was imported: it is read from files."""
    cpus = len(os.sched_getaffinity(0))
    return cpus if _QUOTA is None else max(1, min(cpus, math.ceil(_QUOTA)))


def cpu_quota(proc: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> float | None:
    """CPUs that the groups of this process may use at most, or None: as many as there are."""
    try:
        groups = os.fsdecode(proc.read_bytes())
    except OSError:
        return None
    quotas = [_quota_of_v2(folder) if is_v2 else _quota_of_v1(folder) for is_v2, folder in _folders(groups, mount)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _folders(groups: str, mount: Path) -> Iterator[tuple[bool, Path]]:
    # (version 2?, folder). A group is bound by those above it, too. In a container the path may be the host's: then the mount's
    # root is the group. Where both versions are there, the second has a folder of its own, and may have the CPUs or not.
    for line in groups.split("\n"):
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if not colon or (controllers and "cpu" not in controllers.split(",")):
            continue
        roots = (mount / controllers, mount / "cpu") if controllers else (mount, mount / "unified")
        place = PurePosixPath(path.lstrip("/"))
        for folder in (place, *place.parents):
            if ".." not in folder.parts:  # of a group that lies outside of what this process sees
                for root in roots:
                    yield not controllers, root / folder


def _quota_of_v2(folder: Path) -> float | None:
    return _ratio(_read(folder / "cpu.max"))


def _quota_of_v1(folder: Path) -> float | None:
    return _ratio(_read(folder / "cpu.cfs_quota_us") + _read(folder / "cpu.cfs_period_us"))


def _read(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except (OSError, ValueError):  # there is no such group here, or it is the root, which has no quota
        return []


def _ratio(words: list[str]) -> float | None:
    # "max" or -1: no quota.
    try:
        quota, period = map(int, words)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


_QUOTA = cpu_quota()
