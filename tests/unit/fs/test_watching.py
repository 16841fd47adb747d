"""watch(): what is told, and to whom; its bounds; what is left when it ends."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fs.support import DEADLINE_S, Door, error_of, narrow_pool, run, turns_until, works_on
from treadle import fs
from treadle._base.errors import TreadleError
from treadle.events import AbortController
from treadle.fs import _notifier, _watching
from treadle.loop.current import get_loop


def notifier() -> Any:
    return _notifier.notifier_of(get_loop())


async def told(seen: list[Any], count: int) -> list[Any]:
    """The changes so far, once they are so many."""
    await turns_until(lambda: len(seen) >= count)
    for _ in range(10):  # and no more of them
        await asyncio.sleep(0)
    found = seen.copy()
    seen.clear()
    return found


def test_what_node_tells(tmp_path: Path) -> None:
    # Recorded with Node 24: fs.watch of a directory and of a file in it, step by step.
    steps: list[tuple[Callable[[Path], object], list[tuple[str, str, str]]]] = [
        (lambda at: (at / "a").write_bytes(b"yy"), [("dir", "change", "a"), ("file", "change", "a")] * 2),
        (lambda at: (at / "b").write_bytes(b"yy"), [("dir", "rename", "b"), ("dir", "change", "b")]),
        (lambda at: (at / "b").rename(at / "c"), [("dir", "rename", "b"), ("dir", "rename", "c")]),
        (lambda at: (at / "c").chmod(0o600), [("dir", "change", "c")]),
        (lambda at: (at / "s").mkdir(), [("dir", "rename", "s")]),
        (
            lambda at: (at / "a").unlink(),
            [("file", "change", "a"), ("file", "rename", "a"), ("file", "rename", "a"), ("dir", "rename", "a")],
        ),
    ]
    at = tmp_path / "watched"
    at.mkdir()
    (at / "a").write_bytes(b"x")

    async def main() -> None:
        seen: list[Any] = []
        directory = fs.watch(at, lambda *change: seen.append(("dir", *change)))
        file = fs.watch(at / "a", lambda *change: seen.append(("file", *change)))
        for step, expected in steps:
            step(at)
            assert await told(seen, len(expected)) == expected
        shutil.rmtree(at)
        found = await told(seen, 4)
        assert sorted(found[:2]) == [("dir", "rename", "c"), ("dir", "rename", "s")]
        assert found[2:] == [("dir", "rename", "watched")] * 2
        directory.on("close", lambda: seen.append("close"))
        directory.close()
        directory.close()
        assert seen == []
        assert await told(seen, 1) == ["close"]
        file.close()

    run(main)


def test_iterating(tmp_path: Path) -> None:
    async def main() -> None:
        async with fs.watch(os.fsencode(tmp_path)) as changes:
            (tmp_path / "before").mkdir()
            iteration = aiter(changes)
            (tmp_path / "new").mkdir()
            # Both wait in the kernel; the queue was there before they were read.
            assert await anext(iteration) == ("rename", b"before")
            assert (await anext(iteration)).filename == b"new"
            waiting = asyncio.ensure_future(anext(iteration))
            await asyncio.sleep(0)
            with pytest.raises(TreadleError) as caught:
                await anext(iteration)
            assert caught.value.code == "ERR_INVALID_STATE"
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            (tmp_path / "newer").mkdir()
            assert await anext(iteration) == ("rename", b"newer")
        assert [change async for change in changes] == []

    run(main)


def test_all_below_is_watched_also_what_comes(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    root = tmp_path / "a"

    async def main() -> None:
        seen: list[Any] = []
        ready: list[bool] = []
        watcher = fs.watch(root, lambda *change: seen.append(change), recursive=True)
        watcher.on("ready", lambda: ready.append(True))
        await turns_until(lambda: bool(ready))
        (root / "b" / "file").touch()
        assert await told(seen, 1) == [("rename", "b/file")]
        (tmp_path / "elsewhere").rename(root / "b" / "come")
        assert ("rename", "b/come/deep") in await told(seen, 2)  # it was looked into
        await turns_until(lambda: b"b/come/deep" in watcher._watches)
        (root / "b" / "come" / "deep" / "x").mkdir()
        assert ("rename", "b/come/deep/x") in await told(seen, 1)
        (root / "b" / "come").rename(tmp_path / "gone")
        await told(seen, 1)
        (tmp_path / "gone" / "deep" / "unseen").mkdir()
        (root / "last").mkdir()
        assert await told(seen, 1) == [("rename", "last")]
        shutil.rmtree(root / "b")
        await turns_until(lambda: set(watcher._watches) == {b"", b"last"})  # nothing is kept of what is gone
        watcher.close()
        assert notifier()._fd == -1

    run(main)


def test_a_directory_that_comes_is_watched_without_a_look_at_all_others(tmp_path: Path) -> None:
    class Counted(dict[bytes, int]):
        walks = 0

        def __iter__(self) -> Any:
            self.walks += 1
            return super().__iter__()

    for number in range(10):
        (tmp_path / "there" / str(number)).mkdir(parents=True)

    async def main() -> None:
        seen: list[str] = []
        async with fs.watch(tmp_path, recursive=True) as watcher:
            watches = watcher._watches = Counted(watcher._watches)
            watcher.on("ready", lambda: seen.append("ready"))
            await turns_until(lambda: bool(seen))
            assert (len(watches), watches.walks) == (12, 0)
            (tmp_path / "new").mkdir()
            await turns_until(lambda: b"new" in watches)
            assert watches.walks == 0
            (tmp_path / "there").rename(tmp_path / "here")
            await turns_until(lambda: b"here/9" in watches)
            assert (len(watches), watches.walks) == (13, 1)

    run(main)


def test_a_directory_that_is_found_before_it_is_told_of_has_two_places(tmp_path: Path) -> None:
    class Owner:
        def __init__(self) -> None:
            self.seen: list[bytes] = []

        def _changed(self, place: bytes, number: int, mask: int, name: bytes) -> None:
            self.seen.append(place)

        def _has_overflown(self) -> None:
            raise AssertionError

        def _abandon(self) -> None:
            raise AssertionError

    async def main() -> None:
        owner = Owner()
        numbers = [notifier().add(owner, os.fsencode(tmp_path), place, is_below=False) for place in (b"old", b"new")]
        notifier().remove(owner, numbers[0], b"old")
        (tmp_path / "x").mkdir()
        assert await told(owner.seen, 1) == [b"new"]
        notifier().remove(owner, numbers[1], b"new")
        assert notifier()._fd == -1

    run(main)


def test_a_directory_that_was_moved_while_it_was_read_is_not_looked_into(tmp_path: Path) -> None:
    place, outside = tmp_path / "watched", tmp_path / "outside"
    (place / "p" / "x").mkdir(parents=True)
    first, second = Door(tmp_path / "first"), Door(tmp_path / "second")

    async def main() -> None:
        narrow_pool()
        opened = [fs.open(first.path)]
        async with fs.watch(place, recursive=True) as watcher:
            opened.append(fs.open(second.path))
            await first.let_through()
            await turns_until(lambda: b"p" in watcher._watches and works_on("fs.open"))
            (place / "p").rename(outside)
            (place / "p").symlink_to(outside)
            await turns_until(lambda: b"p" not in watcher._watches)
            await second.let_through()
            await turns_until(lambda: watcher._is_ready)
            assert set(watcher._watches) == {b""}
        for opening in opened:
            await (await opening).close()

    run(main)


def test_a_link_below_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "a" / "link").symlink_to("../other")

    async def main() -> None:
        ready: list[bool] = []
        watcher = fs.watch(tmp_path / "a", recursive=True)
        watcher.on("ready", lambda: ready.append(True))
        await turns_until(lambda: bool(ready))
        (tmp_path / "a" / "late").symlink_to("../other")
        seen: list[Any] = []
        watcher.on("change", lambda *change: seen.append(change))
        assert await told(seen, 1) == [("rename", "late")]
        assert set(watcher._watches) == {b""}
        watcher.close()

    run(main)


def test_who_does_not_keep_up_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with fs.watch(tmp_path, max_queue=3) as changes:
            iteration = aiter(changes)
            for number in range(5):
                (tmp_path / str(number)).mkdir()
            await turns_until(lambda: changes._is_closed)
            assert [(await anext(iteration)).filename for _ in range(3)] == ["0", "1", "2"]
            with pytest.raises(TreadleError) as caught:
                await anext(iteration)
            assert (caught.value.code, caught.value.data["limit"]) == ("ERR_FS_WATCH_QUEUE_OVERFLOW", 3)

    run(main)


@pytest.mark.parametrize("has_proc", [True, False])
def test_what_the_kernel_drops_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_proc: bool) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    names = [tmp_path / "a", tmp_path / "b"]
    names[0].touch()

    async def main() -> None:
        errors: list[Any] = []
        watcher = fs.watch(tmp_path)
        watcher.on("error", errors.append)
        for number in range(limit // 2 + 10):  # two records each, of different names: equal ones would be one
            os.rename(names[number % 2], names[1 - number % 2])
        await turns_until(lambda: bool(errors))
        told = limit if has_proc else _watching.KERNEL_QUEUE_MAX
        assert (errors[0].code, errors[0].data["limit"]) == ("ERR_FS_WATCH_QUEUE_OVERFLOW", told)
        assert not watcher.has_ref()

    if not has_proc:
        monkeypatch.setattr(_watching, "KERNEL_QUEUE", str(tmp_path / "none"))
    if limit > 100_000:
        pytest.skip("the kernel keeps too many here")
    run(main)


def test_one_descriptor_for_all_and_one_watch_an_inode(tmp_path: Path) -> None:
    async def main() -> None:
        seen: list[Any] = []
        first, second = (fs.watch(tmp_path, lambda *_, of=of: seen.append(of)) for of in "ab")
        assert len(notifier()._watches) == 1
        (tmp_path / "x").mkdir()
        assert await told(seen, 2) == ["a", "b"]
        first.close()
        (tmp_path / "y").mkdir()
        assert await told(seen, 1) == ["b"]
        second.close()
        assert notifier()._fd == -1

    run(main)


def test_a_listener_that_closes_others_amid_it(tmp_path: Path) -> None:
    async def main() -> None:
        seen: list[Any] = []
        first = fs.watch(tmp_path)
        second = fs.watch(tmp_path, lambda *change: seen.append(change))
        first.on("change", lambda *_: (first.close(), second.close()))
        (tmp_path / "x").mkdir()
        (tmp_path / "y").mkdir()
        await turns_until(lambda: notifier()._fd == -1)
        assert seen == []

    run(main)


def test_it_holds_the_program_or_not(tmp_path: Path) -> None:
    kept: list[Any] = []

    async def main() -> None:
        kept.append(fs.watch(tmp_path, persistent=False))
        assert not kept[0].has_ref()
        assert kept[0].ref().has_ref()
        assert not kept[0].unref().has_ref()
        holding = fs.watch(tmp_path)
        get_loop().call_later(0.001, holding.close)
        holding.on("close", lambda: kept.append("held"))

    run(main)
    assert kept[1:] == ["held"]
    kept[0].close()  # its loop has closed it


def test_a_signal_forgets_a_watcher_however_it_ends(tmp_path: Path) -> None:
    controller = AbortController()
    left: list[fs.FSWatcher] = []

    def listeners() -> int:
        return len(controller.signal._listeners)

    async def main() -> None:
        watcher = fs.watch(tmp_path, signal=controller.signal)
        assert listeners() == 1
        watcher.close()
        assert listeners() == 0
        with pytest.raises(FileNotFoundError):
            fs.watch(tmp_path / "none", signal=controller.signal)
        assert listeners() == 0
        watcher = fs.watch(tmp_path, signal=controller.signal, max_queue=1)
        changes = aiter(watcher)
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
        await turns_until(lambda: listeners() == 0)  # too many wait
        assert await anext(changes) == ("rename", "a")
        left.append(fs.watch(tmp_path, signal=controller.signal))
        left.append(fs.watch(tmp_path / "a", signal=controller.signal).unref())
        (tmp_path / "a").rmdir()  # nothing is left to watch, and it is none that holds the program
        await turns_until(lambda: not left[1]._watches)
        assert listeners() == 2
        raise ValueError("the end")

    with pytest.raises(ValueError, match="the end"):
        run(main)
    assert listeners() == 0


def test_an_abort_is_told_with_its_reason_behind_what_was_told_before(tmp_path: Path) -> None:
    async def main() -> None:
        controller = AbortController()
        reason = ValueError("why")
        events: list[str] = []
        watcher = fs.watch(tmp_path, signal=controller.signal)
        watcher.on("close", lambda: events.append("close"))
        changes = aiter(watcher)
        (tmp_path / "a").mkdir()
        await turns_until(lambda: bool(watcher._queue))
        controller.abort(reason)
        assert await anext(changes) == ("rename", "a")
        with pytest.raises(TreadleError) as caught:
            await anext(changes)
        assert (caught.value.code, caught.value.__cause__) == ("ABORT_ERR", reason)
        await asyncio.sleep(0)
        assert events == ["close"]
        with pytest.raises(StopAsyncIteration):
            await anext(changes)
        watcher = fs.watch(tmp_path, signal=controller.signal)
        watcher.on("close", lambda: events.append("close"))
        assert events == ["close"]
        await asyncio.sleep(0)
        assert events == ["close", "close"]

    run(main)


def test_aborted(tmp_path: Path) -> None:
    async def main() -> None:
        controller = AbortController()
        async with fs.watch(tmp_path, signal=controller.signal) as changes:
            waiting = asyncio.ensure_future(anext(aiter(changes)))
            await asyncio.sleep(0)
            controller.abort()
            with pytest.raises(TreadleError) as caught:
                async with asyncio.timeout(DEADLINE_S):
                    await waiting
            assert caught.value.code == "ABORT_ERR"
        watcher = fs.watch(tmp_path, signal=controller.signal)
        closed: list[str] = []
        watcher.on("close", lambda: closed.append("close"))
        with pytest.raises(TreadleError):
            await anext(aiter(watcher))
        await turns_until(lambda: bool(closed))
        assert notifier()._fd == -1

    run(main)


FEW_WATCHES = """
import asyncio, errno, os, sys, treadle
from treadle import fs

async def main():
    with open("/proc/sys/user/max_inotify_watches", "w") as limit:
        limit.write("5")
    told = []
    closed = asyncio.get_running_loop().create_future()
    watcher = fs.watch(sys.argv[1], recursive=True)
    watcher.on("error", told.append)
    watcher.on("close", lambda: closed.set_result(None))
    await closed
    assert [error.errno for error in told] == [errno.ENOSPC], told
    assert os.path.dirname(told[0].filename) == sys.argv[1], told[0].filename
    async with fs.watch(sys.argv[1], recursive=True) as changes:    # what the other had is free again
        try:
            await anext(aiter(changes))
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
        else:
            raise AssertionError("there were watches enough")
    print("well")

treadle.run(main)
"""


def test_watches_that_are_used_up(tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-root-user"]
    if os.geteuid() != 0 or subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root, and user namespaces")
    for number in range(10):
        (tmp_path / str(number)).mkdir()
    done = subprocess.run(
        [*command, sys.executable, "-c", FEW_WATCHES, tmp_path], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("well\n", "")


def test_what_cannot_be_watched_is_raised_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async def begin(path: Any) -> None:
            fs.watch(path)

        error = await error_of(begin(tmp_path / "none"))
        assert (error.errno, error.filename) == (errno.ENOENT, str(tmp_path / "none"))
        with pytest.raises(ValueError, match="null byte"):
            fs.watch("a\0")
        with pytest.raises(TreadleError):
            fs.watch(tmp_path, max_queue=0)
        with pytest.raises(TreadleError):
            fs.watch(tmp_path, signal=1)  # type: ignore[arg-type]
        with pytest.raises(TreadleError):
            fs.watch(tmp_path, 1)  # type: ignore[arg-type]
        assert notifier()._fd == -1

    run(main)
