"""watch(): what is told, and to whom; its bounds; what is left when it ends."""

import asyncio
import contextlib
import errno
import gc
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fs.support import DEADLINE_S, Door, error_of, narrow_pool, run, turns_until, works_on
from treadle import fs, process
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
        assert (directory.has_ref(), file.has_ref()) == (False, False)  # but here what is gone is watched no more

    run(main)


def test_close_is_told_in_a_tick_and_once(tmp_path: Path) -> None:
    async def main() -> None:
        seen: list[Any] = []
        watcher = fs.watch(tmp_path)
        watcher.on("close", lambda: seen.append("close"))
        watcher.close()
        watcher.close()
        assert seen == []
        assert await told(seen, 1) == ["close"]

    run(main)


def test_what_is_replaced_is_watched_anew(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0")

    async def main() -> None:
        async with fs.watch(path) as changes:
            iteration = aiter(changes)
            for number in range(1, 4):
                await fs.write_file_atomic(path, str(number))
                # As Node for the first of them, of which it hears nothing more.
                expected = [("change", "file"), ("rename", "file"), ("rename", "file")]
                assert [await anext(iteration) for _ in expected] == expected
                with path.open("ab") as file:
                    file.write(b", and what was added in place")
                assert await anext(iteration) == ("change", "file")

    run(main)


def test_a_tree_that_is_replaced_is_watched_anew(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "old").mkdir(parents=True)

    async def main() -> None:
        seen: list[Any] = []
        with fs_watch(root, recursive=True) as watcher:
            watcher.on("change", lambda *change: seen.append(change))
            await ready(watcher)
            shutil.rmtree(root)
            (root / "new" / "deep").mkdir(parents=True)
            await turns_until(lambda: ("rename", "new/deep") in seen)
            await turns_until(lambda: set(watcher._watches) == {b"", b"new", b"new/deep"})
            (root / "new" / "deep" / "last").touch()
            await turns_until(lambda: ("rename", "new/deep/last") in seen)

    run(main)


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount needs root")
def test_what_comes_to_light_as_something_is_unmounted_is_watched(memory: Path) -> None:
    (memory / "sub" / "below").mkdir(parents=True)
    if os.system(f"mount -t tmpfs -o size=64k tmpfs {memory} 2>/dev/null") != 0:
        pytest.skip("nothing can be mounted here")

    async def main() -> None:
        seen: list[Any] = []
        (memory / "sub" / "above").mkdir(parents=True)
        with fs_watch(memory, recursive=True) as watcher:
            watcher.on("change", lambda *change: seen.append(change))
            await ready(watcher)
            os.system(f"umount -l {memory}")
            await turns_until(lambda: set(watcher._watches) == {b"", b"sub", b"sub/below"})
            (memory / "sub" / "below" / "last").touch()
            await turns_until(lambda: ("rename", "sub/below/last") in seen)

    try:
        run(main)
    finally:
        os.system(f"umount {memory} 2>/dev/null")


def test_what_is_gone_ends_the_watch(tmp_path: Path) -> None:
    # In Node it says nothing for ever, and holds the program.
    trace: list[Any] = []

    async def main() -> None:
        path = tmp_path / "file"
        path.touch()
        for _ in range(3):
            fs.watch(path).unref().on("close", lambda: trace.append("closed"))
        changes = fs.watch(path)
        iteration = aiter(changes)
        path.unlink()
        trace.append([change.event_type async for change in iteration])
        with pytest.raises(FileNotFoundError):
            fs.watch(path)

    run(main)
    assert trace == ["closed"] * 3 + [["change", "rename", "rename"]]


def test_what_has_the_path_now_and_cannot_be_watched_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, path: bytes, mask: int) -> int:
        raise OSError(errno.ENOSPC, "no more watches")

    async def main() -> None:
        path = tmp_path / "file"
        path.touch()
        iteration = aiter(fs.watch(path))
        monkeypatch.setattr(_notifier, "add_watch", refuse)
        path.unlink()
        seen: list[Any] = []
        error = await error_of(collect(iteration, seen))
        assert (error.errno, error.filename) == (errno.ENOSPC, str(path))
        assert seen == [("change", "file"), ("rename", "file"), ("rename", "file")]

    async def collect(iteration: fs.FSWatcher, seen: list[Any]) -> None:
        async for change in iteration:
            seen.append(change)

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


def test_what_a_listener_raises_is_uncaught_and_others_hear_all(tmp_path: Path) -> None:
    trace: list[Any] = []

    def fail(event_type: str, filename: str) -> None:
        trace.append(("first", filename))
        if filename != "b":
            raise ValueError(filename)

    async def main() -> None:
        watchers = [fs.watch(tmp_path, fail), fs.watch(tmp_path, lambda _, filename: trace.append(("second", filename)))]
        for name in ("a", "b", "c"):
            (tmp_path / name).mkdir()
        await turns_until(lambda: len(trace) == 8)
        for watcher in watchers:
            watcher.close()

    def take(error: BaseException) -> None:
        trace.append(("uncaught", str(error)))

    process.on("uncaught_exception", take)
    try:
        run(main)
    finally:
        process.off("uncaught_exception", take)
    assert trace == [
        *(("first", "a"), ("uncaught", "a"), ("second", "a")),
        *(("first", "b"), ("second", "b")),
        *(("first", "c"), ("uncaught", "c"), ("second", "c")),
    ]


def test_what_a_listener_raises_ends_the_program_if_nobody_takes_it(tmp_path: Path) -> None:
    trace: list[str] = []

    def fail(*_: object) -> None:
        raise ValueError("of a listener")

    async def main() -> None:
        fs.watch(tmp_path, fail)
        fs.watch(tmp_path, lambda *_: trace.append("heard"))
        (tmp_path / "a").mkdir()
        await asyncio.Event().wait()

    with pytest.raises(ValueError, match="of a listener"):
        run(main)
    assert trace == []


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


def test_one_that_nobody_has_is_closed_with_a_warning(tmp_path: Path) -> None:
    controller = AbortController()

    async def leave() -> None:
        async for change in fs.watch(tmp_path, signal=controller.signal):
            assert change == ("rename", "a")
            break

    async def wait() -> None:
        await anext(aiter(fs.watch(tmp_path)))

    async def main() -> None:
        with warned() as warnings_of:
            leaving = asyncio.ensure_future(leave())
            waiting = asyncio.ensure_future(wait())
            await asyncio.sleep(0)
            (tmp_path / "a").mkdir()
            await leaving
            await waiting
            waiting = asyncio.ensure_future(wait())
            await asyncio.sleep(0)
            waiting.cancel()
            await turns_until(waiting.cancelled)
            heard = fs.watch(tmp_path)
            heard.once("change", print)
            heard.remove_listener("change", print)
            del heard, leaving, waiting
            gc.collect()
        assert [warning.category for warning in warnings_of] == [ResourceWarning] * 4
        assert f"<FSWatcher watching {str(tmp_path)!r}>" in str(warnings_of[0].message)
        warnings_of.clear()  # it holds the watchers
        await turns_until(lambda: notifier()._fd == -1)
        assert not controller.signal._listeners

    run(main)  # and it ends


def test_one_that_is_listened_to_or_waited_for_lives(tmp_path: Path) -> None:
    trace: list[Any] = []

    async def iterate() -> None:
        async for _ in fs.watch(tmp_path):
            trace.append("iterated")
            if trace.count("iterated") == 2:
                raise ValueError("enough")

    async def main() -> None:
        fs.watch(tmp_path, lambda *_: trace.append("heard"))
        fs.watch(tmp_path).on("close", print).once("change", lambda *_: trace.append("once"))
        asyncio.ensure_future(iterate()).add_done_callback(lambda task: trace.append(str(task.exception())))
        for count in (1, 2):
            await asyncio.sleep(0)
            gc.collect()
            (tmp_path / str(count)).mkdir()
            await turns_until(lambda count=count: trace.count("heard") == trace.count("iterated") == count)  # type: ignore[misc]
        await turns_until(lambda: "enough" in trace)
        with warned():
            gc.collect()
        assert sorted(trace) == ["enough", *["heard"] * 2, *["iterated"] * 2, "once"]
        notifier().abandon()

    with warned():
        run(main)


@contextlib.contextmanager
def warned() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield found


@contextlib.contextmanager
def fs_watch(path: Path, **options: Any) -> Iterator[fs.FSWatcher]:
    watcher = fs.watch(path, **options)
    try:
        yield watcher
    finally:
        watcher.close()


async def ready(watcher: fs.FSWatcher) -> None:
    is_ready: list[bool] = []
    watcher.on("ready", lambda: is_ready.append(True))
    await turns_until(lambda: bool(is_ready))


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
        gone = fs.watch(tmp_path / "a", signal=controller.signal)
        assert listeners() == 2
        (tmp_path / "a").rmdir()
        await turns_until(lambda: gone._is_closed)
        assert listeners() == 1
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
