"""What the process says of itself, against what else says it."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from treadle import TreadleError, __version__, process


def test_memory_is_that_of_proc() -> None:
    before = process.memory_usage()
    block = bytearray(b"x") * (128 << 20)
    after = process.memory_usage()
    status = Path("/proc/self/status").read_text()
    kib = int(status.partition("VmRSS:")[2].split()[0])
    assert after.rss - before.rss >= 64 << 20  # other memory may go meanwhile, a sanitizer's say
    assert abs(after.rss - kib * 1024) < 4 << 20
    assert 0 < after.shared < after.rss < after.virtual
    assert len(block) == 128 << 20


def test_cpu_time_grows_by_what_is_computed() -> None:
    start = process.cpu_usage()
    end_s = time.thread_time() + 0.03
    while time.thread_time() < end_s:
        pass
    used = process.cpu_usage(start)
    assert used.user + used.system >= 29_000
    with pytest.raises(TypeError, match="previous"):
        process.cpu_usage((0, 0))  # type: ignore[arg-type]


def test_resource_usage_is_getrusage() -> None:
    ours, theirs = process.resource_usage(), resource.getrusage(resource.RUSAGE_SELF)
    assert ours.user_cpu_time <= theirs.ru_utime * 1e6
    assert ours.max_rss <= theirs.ru_maxrss
    assert 0 < ours.minor_page_fault <= theirs.ru_minflt


def test_hrtime_is_the_monotonic_clock() -> None:
    before = time.monotonic_ns()
    seconds, ns = process.hrtime()
    after = process.hrtime.bigint()
    assert before <= seconds * 10**9 + ns <= after
    later = process.hrtime((seconds, ns))
    assert later[0] * 10**9 + later[1] <= time.monotonic_ns() - before


def test_hrtime_borrows_a_second() -> None:
    seconds, ns = process.hrtime((0, 999_999_999))
    assert seconds >= 0
    assert 0 <= ns < 10**9


@pytest.mark.parametrize(("previous", "code"), [(5, "ERR_INVALID_ARG_TYPE"), ((1,), "ERR_OUT_OF_RANGE")])
def test_hrtime_wants_a_time(previous: object, code: str) -> None:
    with pytest.raises(TreadleError) as caught:
        process.hrtime(previous)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_uptime_is_that_of_the_process_not_of_the_import() -> None:
    program = "import time; start = time.monotonic(); time.sleep(0.1)\nfrom treadle import process\n"
    program += "print(process.uptime() >= 0.09, process.uptime() < 60)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_where_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert process.cwd() == str(tmp_path)
    process.chdir("/")
    assert os.getcwd() == "/"
    assert process.env is os.environ
    assert (process.platform, process.ppid) == ("linux", os.getppid())
    assert process.arch == {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    assert process.version == process.versions["treadle"] == __version__
    assert process.versions["python"] == platform.python_version().rstrip("+")
