"""write_file_atomic: what is replaced, what stays, what an error leaves. Not here: being killed amid it
(tests/integration/fs)."""

import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fs.support import Door, after_one_turn, error_of, is_idle, run, turns_until
from treadle import fs
from treadle._base.errors import TreadleError

MIB = 1024 * 1024
SIZES = [0, 1, 512 * 1024, 512 * 1024 + 1, 9 * MIB + 7]


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.fixture
def umask() -> Any:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.parametrize("size", SIZES)
def test_any_size_is_written_whether_something_is_there_or_not(memory: Path, size: int) -> None:
    first, second = os.urandom(size), os.urandom(size // 2)

    async def main() -> None:
        await fs.write_file_atomic(memory / "new", first)
        assert (memory / "new").read_bytes() == first
        with open(memory / "new", "rb") as old:
            await fs.write_file_atomic(os.fsencode(memory / "new"), memoryview(second))
            assert old.read() == first  # who has it open keeps it
        assert (memory / "new").read_bytes() == second
        assert os.listdir(memory) == ["new"]

    run(main)


def test_text_callbacks_and_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        told = asyncio.get_running_loop().create_future()
        outcome: Any = fs.write_file_atomic("new", "ä", lambda *result: told.set_result(result), encoding="latin1")
        assert outcome is None
        assert await told == (None, None)
        assert Path("new").read_bytes() == b"\xe4"

    run(main)


def test_a_target_keeps_its_mode_and_a_new_one_heeds_the_umask(tmp_path: Path, umask: None) -> None:
    (tmp_path / "old").write_bytes(b"")

    async def main() -> None:
        for kept in (0o400, 0o666, 0o751):
            os.chmod(tmp_path / "old", kept)
            await fs.write_file_atomic(tmp_path / "old", b"x")
            assert mode_of(tmp_path / "old") == kept
        await fs.write_file_atomic(tmp_path / "old", b"x", mode="777")
        assert mode_of(tmp_path / "old") == 0o750
        await fs.write_file_atomic(tmp_path / "new", b"x")
        assert mode_of(tmp_path / "new") == 0o640
        await fs.write_file_atomic(tmp_path / "secret", b"x", mode=0o600)
        assert mode_of(tmp_path / "secret") == 0o600

    run(main)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_target_keeps_its_owner(file: Path) -> None:
    os.chown(file, 1234, 2345)
    os.chmod(file, 0o6755)

    async def main() -> None:
        await fs.write_file_atomic(file, b"x")
        assert (file.stat().st_uid, file.stat().st_gid, mode_of(file)) == (1234, 2345, 0o6755)

    run(main)


IN_A_NAMESPACE = """
import os, sys, treadle
from treadle import fs
treadle.run(lambda: fs.write_file_atomic(sys.argv[1], b"new"))
print(os.stat(sys.argv[1]).st_uid)
"""


def test_an_owner_that_has_no_name_in_this_user_namespace(file: Path, tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-root-user"]
    if os.geteuid() != 0 or subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root, and user namespaces")
    os.chown(file, 12345, 12345)
    done = subprocess.run(
        [*command, sys.executable, "-c", IN_A_NAMESPACE, file], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert (file.read_bytes(), file.stat().st_uid) == (b"new", 0)
    assert os.listdir(tmp_path) == ["file"]


AS_SOMEBODY_ELSE = """
import os, sys, treadle
from treadle import fs

async def main():
    path, *groups = sys.argv[1:]
    await fs.write_file_atomic(path, b"mine")   # all is imported that is imported late
    os.chown(path, 12345, 12346)
    os.chmod(path, 0o2664)
    os.setgroups(list(map(int, groups)))
    os.setgid(65534)
    os.setuid(65534)
    await fs.write_file_atomic(path, b"new")

treadle.run(main)
"""


@pytest.mark.parametrize(("groups", "gid", "mode"), [(["12346"], 12346, 0o664), ([], 65534, 0o644)])
def test_by_somebody_else_the_group_is_kept_or_gets_no_more_than_all(
    memory: Path, groups: list[str], gid: int, mode: int
) -> None:
    if os.geteuid() != 0 or memory.parent != Path("/dev/shm"):
        pytest.skip("needs root, and a place where others may write")
    memory.chmod(0o777)
    command = [sys.executable, "-c", AS_SOMEBODY_ELSE, str(memory / "file"), *groups]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    found = (memory / "file").stat()
    assert (found.st_uid, found.st_gid, mode_of(memory / "file")) == (65534, gid, mode)
    assert (memory / "file").read_bytes() == b"new"


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path, file: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link, lost = tmp_path / "elsewhere" / "link", tmp_path / "elsewhere" / "lost"
    link.symlink_to("../file")
    lost.symlink_to("../none")

    async def main() -> None:
        await fs.write_file_atomic(link, b"new")
        assert link.is_symlink()
        assert file.read_bytes() == b"new"
        error = await error_of(fs.write_file_atomic(lost, b"new"))
        assert (error.errno, error.filename) == (errno.ENOENT, str(lost))
        assert lost.is_symlink()
        assert sorted(os.listdir(tmp_path / "elsewhere")) == ["link", "lost"]

    run(main)


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    async def main() -> None:
        await fs.write_file_atomic(tmp_path / ("n" * 255), b"x")
        assert os.listdir(tmp_path) == ["n" * 255]
        error = await error_of(fs.write_file_atomic(tmp_path / ("n" * 256), b"x"))
        assert error.errno == errno.ENAMETOOLONG
        assert os.listdir(tmp_path) == ["n" * 255]

    run(main)


def test_what_is_no_regular_file_is_refused_and_stays(tmp_path: Path, door: Door) -> None:
    (tmp_path / "directory").mkdir()
    before = sorted(os.listdir(tmp_path))

    async def main() -> None:
        for path, expected in (
            (tmp_path / "directory", errno.EISDIR),
            ("/", errno.EISDIR),
            (f"{tmp_path}/none/", errno.EISDIR),
            (door.path, errno.EINVAL),
            (tmp_path / "none" / "new", errno.ENOENT),
            (tmp_path / "door" / "new", errno.ENOTDIR),
            ("", errno.ENOENT),
        ):
            error = await error_of(fs.write_file_atomic(path, b"x"))
            assert (error.errno, error.filename) == (expected, os.fspath(path))
        assert sorted(os.listdir(tmp_path)) == before

    run(main)


IN_A_CLOSED_DIRECTORY = """
import json, os, sys, treadle
from treadle import fs

async def refused(path):
    try:
        await fs.write_file_atomic(path, b"new")
    except OSError as error:
        return [error.errno, error.filename, error.filename2]

async def main():
    closed = sys.argv[1]
    await refused(f"{closed}/none/file")   # all is imported that is imported late
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    found = [await refused(f"{closed}/{name}") for name in ("file", "new", "../link")]
    in_bytes = await refused(os.fsencode(f"{closed}/file"))
    os.chdir(closed)
    found += [await refused("new"), [in_bytes[0], os.fsdecode(in_bytes[1]), isinstance(in_bytes[1], bytes)]]
    await fs.write_file(f"{closed}/file", b"in place")
    print(json.dumps(found))

treadle.run(main)
"""


def test_a_directory_that_may_not_be_written_is_what_the_error_names(memory: Path) -> None:
    if os.geteuid() == 0 and memory.parent != Path("/dev/shm"):
        pytest.skip("what is above is root's alone")
    closed = memory / "closed"
    closed.mkdir()
    (closed / "file").touch()
    (closed / "file").chmod(0o666)
    (memory / "link").symlink_to("closed/file")
    memory.chmod(0o755)
    closed.chmod(0o555)
    command = [sys.executable, "-c", IN_A_CLOSED_DIRECTORY, str(closed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    closed.chmod(0o755)
    assert done.stderr == ""
    named = [errno.EACCES, str(closed), None]
    assert json.loads(done.stdout) == [named, named, named, [errno.EACCES, ".", None], [errno.EACCES, str(closed), True]]


def test_wrong_arguments_are_raised_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        for arguments in ({"data": 7}, {"data": b"", "mode": "9"}, {"data": "x", "encoding": "none"}, {"data": b"", "mode": -1}):
            with pytest.raises(TreadleError):
                fs.write_file_atomic(tmp_path / "new", **arguments)
        with pytest.raises(ValueError, match="null byte"):
            fs.write_file_atomic("a\0b", b"")
        assert os.listdir(tmp_path) == []

    run(main)


def test_cancelled_before_a_thread_has_it_nothing_happens(file: Path) -> None:
    async def main() -> None:
        writing = fs.write_file_atomic(file, b"new")
        writing.cancel()
        await turns_until(is_idle)
        # A thread may have had it by then: the old content, or all of the new one.
        assert file.read_bytes() in (b"content", b"new")
        assert os.listdir(file.parent) == ["file"]

    run(main)


def test_cancelled_amid_it_the_target_is_as_it_was(file: Path) -> None:
    async def main() -> None:
        async with after_one_turn(lambda: fs.write_file_atomic(file, bytes(9 * MIB)), file.parent) as writing:
            (temporary,) = (name for name in os.listdir(file.parent) if name.endswith(".tmp"))
            assert temporary.startswith(".treadle-")
            assert (file.parent / temporary).stat().st_mode & 0o777 == 0o600
            assert file.read_bytes() == b"content"
            writing.cancel()
            assert (file.parent / temporary).exists()  # a thread removes it: that may wait for a disk
        await turns_until(is_idle)
        assert file.read_bytes() == b"content"
        assert not [name for name in os.listdir(file.parent) if name.endswith(".tmp")]

    run(main)


def test_a_directory_that_is_moved_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "file").write_bytes(b"old")

    async def main() -> None:
        data = os.urandom(9 * MIB)
        async with after_one_turn(lambda: fs.write_file_atomic(tmp_path / "before" / "file", data), tmp_path) as writing:
            (tmp_path / "before").rename(tmp_path / "behind")
        await writing
        assert (tmp_path / "behind" / "file").read_bytes() == data
        assert os.listdir(tmp_path / "behind") == ["file"]

    run(main)
