"""Children that are to have another user or group: what they are, and that neither they nor their user get at our memory."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.support import DEADLINE_S, ROOT
from tests.unit.net.support import run
from treadle._native import spawn as native
from treadle.child_process import spawn

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")]

NOBODY, NO_GROUP = 65534, 65533
PR_GET_DUMPABLE = 3  # prctl(2)
ITS_OWN = 1  # who has the same rights may look
SYSTEM = Path("/proc/sys/fs/suid_dumpable")
LONG = 100_000  # programs that are not there: the child is some 0.1 s between its new rights and the program


lends = pytest.mark.skipif(
    not SYSTEM.exists() or SYSTEM.read_text().strip() == "1", reason="the system leaves the mark on, and such children are forked"
)


def mark() -> int:
    libc = ctypes.CDLL(None)
    return int(libc.prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))


def start(programs: int = 0, **ids: int) -> int:
    """The pid of a child that does nothing."""
    given = [b"/nowhere/at/all"] * programs + [b"/bin/true"]
    options = {"has_own_session": False, "has_own_group": False}
    wanted = {"uid": NOBODY, "gid": NO_GROUP} | ids
    pid, error, _ = native.spawn(given, [b"true"], [], None, [0, 1, 2], **options, **wanted)  # type: ignore[arg-type]
    assert error == 0
    return pid


@contextmanager
def lent() -> Iterator[None]:
    """A child with other rights has our memory; the block must be done before it executes its program."""
    child: list[int] = []
    thread = threading.Thread(target=lambda: child.append(start(LONG)))
    thread.start()
    try:
        while mark() == ITS_OWN:
            assert thread.is_alive(), "its memory was never out of reach"
        yield
        assert not child, "too slow, or it was over at once"
    finally:
        thread.join()
        os.waitpid(child[0], 0)


def children_of_ours() -> set[int]:
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


@contextmanager
def process_of_that_user() -> Iterator[Callable[[int], str]]:
    """Asked for a pid, it says what it is told when it wants that process's memory."""
    questions, ask = os.pipe()
    answers, answer = os.pipe()
    other = os.fork()
    if other == 0:
        os.close(ask)
        os.setgroups([])
        os.setgid(NO_GROUP)
        os.setuid(NOBODY)
        try:
            os.open(f"/proc/{os.read(questions, 20).decode()}/mem", os.O_RDWR)
            told = "open"
        except OSError as error:
            told = type(error).__name__
        os.write(answer, told.encode())
        os._exit(0)
    os.close(questions)
    os.close(answer)

    def look(pid: int) -> str:
        os.write(ask, str(pid).encode())
        return os.read(answers, 100).decode()

    try:
        yield look
    finally:
        os.close(ask)
        os.close(answers)
        os.waitpid(other, 0)


def test_its_rights_and_ours() -> None:
    def ids_of_threads() -> set[str]:
        told = [(task / "status").read_text() for task in Path("/proc/self/task").iterdir()]
        return {line for text in told for line in text.splitlines() if line.startswith(("Uid:", "Gid:"))}

    ours = ids_of_threads()
    over = threading.Event()
    threads = [threading.Thread(target=over.wait) for _ in range(3)]
    for thread in threads:
        thread.start()

    async def main() -> list[bytes]:
        found = []
        for ids in ({"uid": NOBODY, "gid": NO_GROUP}, {"uid": NOBODY}, {"gid": NO_GROUP}):
            child = spawn("sh", ["-c", "id -u; id -g; id -G"], **ids)  # type: ignore[arg-type]
            assert child.stdout is not None
            found.append(b"".join([chunk async for chunk in child.stdout]))
            assert await child.wait_closed() == (0, None)
        return found

    try:
        assert run(main) == [b"65534\n65533\n65533\n", b"65534\n0\n0\n", b"0\n65533\n65533\n"]
        assert ids_of_threads() == ours, "of every thread"
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert mark() == ITS_OWN, "and who has our rights may look at our memory again"


def test_what_fails_is_told() -> None:
    """The program, which that user may not execute; the ids, which another than root may not have."""

    async def main() -> None:
        with pytest.raises(FileNotFoundError) as caught:
            await spawn("/treadle/has/none", uid=NOBODY, gid=NO_GROUP).wait_exit()
        assert caught.value.filename == "/treadle/has/none"

    run(main)
    assert mark() == ITS_OWN
    other = os.fork()
    if other == 0:
        os.setgroups([])
        os.setgid(NO_GROUP)
        os.setuid(NOBODY)
        pid, error, _ = native.spawn(
            [b"/bin/true"], [b"true"], [], None, [], has_own_session=False, has_own_group=False, uid=0, gid=None
        )
        os._exit(error if pid == 0 else 99)
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == errno.EPERM


@lends
def test_its_user_gets_nothing_of_our_memory() -> None:
    with process_of_that_user() as look:
        before = children_of_ours()
        with lent():
            (child,) = children_of_ours() - before
            assert f"Uid:\t{NOBODY}\t{NOBODY}" in Path(f"/proc/{child}/status").read_text()
            assert look(child) == "PermissionError"
    assert mark() == ITS_OWN


@lends
def test_one_that_starts_meanwhile_leaves_the_memory_out_of_reach() -> None:
    """It does not put the mark back that the other one's safety hangs by."""
    with lent():
        os.waitpid(start(), 0)
        assert mark() != ITS_OWN
        assert os.waitpid(start(uid=0, gid=0), 0)[1] == 0
        assert mark() != ITS_OWN
    assert mark() == ITS_OWN


def test_many_at_once() -> None:
    failures: list[BaseException] = []

    def start_some() -> None:
        try:
            for _ in range(50):
                assert os.waitpid(start(), 0)[1] == 0
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert not failures
    assert mark() == ITS_OWN
    assert os.getresuid() == (0, 0, 0)


@lends
def test_it_is_not_forked() -> None:
    """What fork(2) costs grows with this process."""
    code = """
import ctypes, os
from tests.integration.child_process.test_other_users import start

forks = []
told = ctypes.CFUNCTYPE(None)(lambda: forks.append("fork"))
ctypes.CDLL(None).__register_atfork(told, None, None, None)
os.waitpid(start(), 0)
print(forks)
if os.fork() == 0:
    os._exit(0)
os.wait()
print(forks)
"""
    program = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S)
    assert program.stdout == "[]\n['fork']\n", program.stderr
