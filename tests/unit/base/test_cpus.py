"""How many CPUs a process may use: its affinity and its quota, whichever is less."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from treadle._base import cpus
from treadle._base.cpus import available_cpus, cpu_quota

V1 = "4:memory:/box\n1:cpu,cpuacct:{path}\n0::/\n"


def quota_of(tmp_path: Path, groups: str, files: dict[str, str]) -> float | None:
    (tmp_path / "cgroup").write_bytes(os.fsencode(groups))
    for name, text in files.items():
        path = tmp_path / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return cpu_quota(tmp_path / "cgroup", tmp_path / "mount")


@pytest.mark.parametrize(
    ("path", "files", "expected"),
    [
        ("/", {}, None),
        ("/", {"cpu.max": "max 100000\n"}, None),
        ("/", {"cpu.max": "150000 100000\n"}, 1.5),
        ("/pod/box", {"pod/box/cpu.max": "max 100000\n", "pod/cpu.max": "200000 100000\n"}, 2.0),
        ("/pod/box", {"pod/box/cpu.max": "30000 100000\n", "pod/cpu.max": "200000 100000\n"}, 0.3),
        ("/of/the/host", {"cpu.max": "400000 100000\n"}, 4.0),
        ("/../../elsewhere", {"cpu.max": "400000 100000\n"}, 4.0),
        ("/", {"cpu.max": "100000 0\n"}, None),
        ("/", {"cpu.max": "nonsense\n"}, None),
        ("/a:b", {"a:b/cpu.max": "50000 100000\n"}, 0.5),
        ("/caf\udce9", {"caf\udce9/cpu.max": "50000 100000\n"}, 0.5),
        ("/a\u2028b\x85c\fd", {"a\u2028b\x85c\fd/cpu.max": "50000 100000\n"}, 0.5),
        ("/a\0b", {"cpu.max": "50000 100000\n"}, 0.5),
        ("/box", {"unified/box/cpu.max": "50000 100000\n"}, 0.5),
    ],
)
def test_version_2(tmp_path: Path, path: str, files: dict[str, str], expected: float | None) -> None:
    assert quota_of(tmp_path, f"0::{path}\n", files) == expected


@pytest.mark.parametrize(
    ("path", "folder", "quota", "expected"),
    [
        ("/", "", "-1", None),
        ("/box", "box", "250000", 2.5),
        ("/docker/of-the-host", "", "50000", 0.5),
    ],
)
def test_version_1(tmp_path: Path, path: str, folder: str, quota: str, expected: float | None) -> None:
    place = f"cpu,cpuacct/{folder}"
    files = {f"{place}/cpu.cfs_quota_us": f"{quota}\n", f"{place}/cpu.cfs_period_us": "100000\n"}
    assert quota_of(tmp_path, V1.format(path=path), files) == expected


def test_version_1_under_another_name(tmp_path: Path) -> None:
    files = {"cpu/box/cpu.cfs_quota_us": "250000\n", "cpu/box/cpu.cfs_period_us": "100000\n"}
    assert quota_of(tmp_path, "4:cpuacct,cpu:/box\n", files) == 2.5


@pytest.mark.parametrize("groups", ["0", "0:", ":", "nonsense\n0:/\n", "\n\n"])
def test_lines_that_are_none(tmp_path: Path, groups: str) -> None:
    assert quota_of(tmp_path, groups, {"cpu.max": "50000 100000\n"}) is None


def test_a_system_without_groups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "none", tmp_path) is None
    assert quota_of(tmp_path, "", {}) is None


@pytest.mark.parametrize(
    ("affinity", "quota", "expected"), [(4, None, 4), (4, 2.0, 2), (4, 2.1, 3), (4, 64.0, 4), (4, 0.3, 1), (1, None, 1)]
)
def test_what_is_less_counts(monkeypatch: pytest.MonkeyPatch, affinity: int, quota: float | None, expected: int) -> None:
    monkeypatch.setattr(cpus, "_QUOTA", quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)))
    assert available_cpus() == expected
