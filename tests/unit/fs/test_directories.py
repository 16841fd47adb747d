"""Directories and trees: of any depth and size, while others change them. Not here: what Node says to each call."""

import asyncio
import contextlib
import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fs.support import after_one_turn, error_of, run
from treadle import fs


def make_deep(root: Path, depth: int, name: str = "d") -> None:
    """A chain of directories, deeper than a path can be long."""
    os.mkdir(root)
    fd = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("leaf", os.O_CREAT, dir_fd=fd))
    os.close(fd)


# ---- rm


@pytest.mark.parametrize("depth", [1, 31, 32, 33, 200, 5000])
def test_a_tree_of_any_depth_is_removed(memory: Path, depth: int) -> None:
    make_deep(memory / "tree", depth)
    run(lambda: as_coroutine(fs.rm(memory / "tree", recursive=True)))
    assert os.listdir(memory) == []


async def as_coroutine(future: Any) -> Any:
    return await future


def test_a_wide_tree_is_removed(memory: Path) -> None:
    for number in range(5000):
        place = memory / "tree" / str(number % 50)
        if number < 50:
            place.mkdir(parents=True)
        (place / str(number)).touch()
        if number % 3 == 0:
            (place / f"{number}-link").symlink_to(memory)
    run(lambda: as_coroutine(fs.rm(memory / "tree", recursive=True)))
    assert os.listdir(memory) == []


def test_deep_trees_need_few_descriptors(memory: Path) -> None:
    """Branches at every depth, so that directories that were closed are opened again."""
    place = memory / "tree"
    for _ in range(100):
        (place / "a").mkdir(parents=True)
        (place / "z").mkdir()
        (place / "file").touch()
        place /= "m"
    most = 0

    async def main() -> None:
        nonlocal most
        removing = fs.rm(memory / "tree", recursive=True)
        while not removing.done():
            most = max(most, len(os.listdir("/proc/self/fd")))
            await asyncio.sleep(0)
        await removing

    before = len(os.listdir("/proc/self/fd"))
    run(main)
    assert os.listdir(memory) == []
    assert most < before + 50


@pytest.mark.slow
def test_no_link_is_followed_not_even_one_that_takes_the_place_of_a_directory(memory: Path) -> None:
    outside = memory / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub" / "precious").touch()
    swaps = 0
    is_over = threading.Event()

    def swap() -> None:
        """A directory, a link out, a directory ... under one name."""
        nonlocal swaps
        place, spare = memory / "tree" / "swapped", memory / "spare"
        spare.symlink_to(outside)
        while not is_over.is_set():
            try:
                (place / "sub").mkdir(parents=True)
                (place / "sub" / "file").touch()
                os.rename(place, memory / "away")
                os.rename(spare, place)
                os.rename(place, spare)
                os.rename(memory / "away", place)
                swaps += 1
            except OSError:  # what is being removed is not there
                if not os.path.lexists(spare):
                    spare.symlink_to(outside)
                if os.path.lexists(memory / "away"):
                    os.rename(memory / "away", memory / f"away-{swaps}-{os.urandom(4).hex()}")

    async def main() -> None:
        for _ in range(100):
            try:
                await fs.rm(memory / "tree", recursive=True, force=True)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.ENOTDIR):
                    raise
            with contextlib.suppress(FileExistsError):
                (memory / "tree" / "swapped").mkdir(parents=True)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        run(main)
    finally:
        is_over.set()
        swapping.join()
    assert swaps
    assert (outside / "sub" / "precious").exists()


def test_what_is_put_in_meanwhile_is_removed_too(memory: Path) -> None:
    async def main() -> None:
        for number in range(3000):
            (memory / "tree").mkdir(exist_ok=True)
            (memory / "tree" / str(number)).touch()
        removing = fs.rm(memory / "tree", recursive=True)
        for number in range(50):
            try:
                (memory / "tree" / f"late-{number}").touch()
            except FileNotFoundError:
                break
        await removing

    run(main)
    assert os.listdir(memory) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount needs root")
def test_an_error_names_what_could_not_be_removed(memory: Path) -> None:
    place = memory / "tree" / "a" / "b"
    place.mkdir(parents=True)
    if os.system(f"mount -t tmpfs -o size=64k tmpfs {place} 2>/dev/null") != 0:
        pytest.skip("nothing can be mounted here")
    try:
        for form in (str, os.fsencode):
            error = run(lambda form=form: error_of(fs.rm(form(memory / "tree"), recursive=True)))  # type: ignore[misc]
            assert (error.errno, error.filename) == (errno.EBUSY, form(place))
    finally:
        os.system(f"umount {place}")


@pytest.mark.parametrize("path", ["/", "//", ".", "..", "./", "a/..", "a/."])
def test_what_should_never_be_removed_is_refused_before_anything_is(
    memory: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (memory / "work" / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(memory / "work")
    error = run(lambda: error_of(fs.rm(path, recursive=True)))
    assert error.errno in (errno.EBUSY, errno.EINVAL)
    assert (memory / "work" / "a" / "b").exists()


def test_a_cancelled_rm_stops(memory: Path, tmp_path: Path) -> None:
    for number in range(10_000):
        if number % 1000 == 0:
            (memory / "tree" / str(number // 1000)).mkdir(parents=True)
        os.close(os.open(memory / "tree" / str(number // 1000) / str(number), os.O_CREAT))

    async def main() -> None:
        async with after_one_turn(lambda: fs.rm(memory / "tree", recursive=True), tmp_path) as removing:
            removing.cancel()

    def left() -> int:
        return sum(len(names) for _, _, names in os.walk(memory))

    run(main)
    assert 5_000 < left() < 10_000
    run(lambda: as_coroutine(fs.rm(memory / "tree", recursive=True)))


# ---- readdir


def test_a_large_directory_by_name(memory: Path) -> None:
    names = sorted(f"{number * 7919 % 10_007:05}" for number in range(10_007))
    for name in names:
        os.close(os.open(memory / name, os.O_CREAT))

    async def main() -> None:
        assert await fs.readdir(memory) == names
        entries = await fs.readdir(memory, with_file_types=True)
        assert [entry.name for entry in entries] == names
        assert all(entry.is_file() and entry.parent_path == str(memory) for entry in entries)

    run(main)


def test_a_tree_breadth_first_with_every_kind(memory: Path) -> None:
    (memory / "a" / "b").mkdir(parents=True)
    (memory / "a" / "b" / "file").touch()
    (memory / "a" / "link").symlink_to("..")
    (memory / "z").mkdir()
    os.mkfifo(memory / "z" / "fifo")

    async def main() -> None:
        names = ["a", "z", "a/b", "a/link", "z/fifo", "a/b/file"]
        assert await fs.readdir(memory, recursive=True) == names
        assert await fs.readdir(os.fsencode(memory), recursive=True) == [name.encode() for name in names]
        entries = await fs.readdir(f"{memory}/", recursive=True, with_file_types=True)
        assert [f"{entry.parent_path}/{entry.name}".replace("//", "/") for entry in entries] == [
            f"{memory}/{name}" for name in names
        ]
        kinds = [
            [entry.is_directory(), entry.is_file(), entry.is_symbolic_link(), entry.is_fifo(), entry.is_socket()]
            for entry in entries
        ]
        assert [kind.index(True) for kind in kinds] == [0, 0, 0, 2, 3, 1]
        assert not any(entry.is_block_device() or entry.is_character_device() for entry in entries)
        assert repr(entries[-1]) == f"<Dirent 'file' in '{memory}/a/b'>"

    run(main)


def test_a_wide_tree_in_turns(memory: Path, tmp_path: Path) -> None:
    expected = []
    for number in range(60):
        place = memory / f"{number:03}"
        place.mkdir()
        expected.append(place.name)
    for number in range(60):
        for leaf in range(100):
            (memory / f"{number:03}" / f"{leaf:03}").touch()
            expected.append(f"{number:03}/{leaf:03}")

    async def main() -> None:
        async with after_one_turn(lambda: fs.readdir(memory, recursive=True), tmp_path) as listing:
            assert not listing.done()
        assert await listing == expected

    run(main)


def test_no_link_is_followed_that_takes_the_place_of_a_directory_meanwhile(memory: Path, tmp_path: Path) -> None:
    (tmp_path / "outside" / "b").mkdir(parents=True)
    (tmp_path / "outside" / "b" / "secret").touch()
    (memory / "a" / "b").mkdir(parents=True)
    for number in range(2000):  # so a turn ends before it looks into a/b
        (memory / "a" / f"{number}").touch()

    async def main() -> None:
        async with after_one_turn(lambda: fs.readdir(memory, recursive=True), tmp_path) as listing:
            (memory / "a").rename(memory / "was a")
            (memory / "a").symlink_to(tmp_path / "outside")
        found = await listing
        assert "a/b" in found
        assert not [name for name in found if "secret" in name]

    run(main)


def test_names_that_are_no_text(memory: Path) -> None:
    name = b"\xff\xfe"
    Path(os.fsdecode(os.path.join(os.fsencode(memory), name))).touch()

    async def main() -> None:
        assert await fs.readdir(memory) == [os.fsdecode(name)]
        assert await fs.readdir(os.fsencode(memory)) == [name]

    run(main)


def test_what_goes_while_it_is_listed_is_no_error(memory: Path) -> None:
    def make() -> None:
        for number in range(200):
            (memory / "tree" / str(number) / "a").mkdir(parents=True, exist_ok=True)

    async def main() -> None:
        for _ in range(10):
            make()
            listing = fs.readdir(memory / "tree", recursive=True)
            removing = fs.rm(memory / "tree", recursive=True)
            found, _ = await asyncio.gather(listing, removing, return_exceptions=True)
            if isinstance(found, list):
                assert {name.partition("/")[0] for name in found} <= {str(number) for number in range(200)}
            else:
                assert isinstance(found, FileNotFoundError)
                assert found.filename == str(memory / "tree")
            assert not (memory / "tree").exists()

    run(main)


# ---- mkdir


def test_parents_made_by_many_at_once(memory: Path) -> None:
    async def main() -> None:
        for number in range(50):
            place = memory / str(number) / "a" / "b" / "c"
            made = await asyncio.gather(*[fs.mkdir(place / str(leaf), recursive=True) for leaf in range(8)])
            assert made.count(str(memory / str(number))) <= 1
            assert all(path is not None for path in made)
            assert sorted(os.listdir(place)) == [str(leaf) for leaf in range(8)]

    run(main)


def test_parents_that_somebody_removes_meanwhile(memory: Path) -> None:
    """It makes them again, or fails with what is true; it never hangs."""
    is_over = threading.Event()

    def remove() -> None:
        while not is_over.is_set():
            for name in ("a/b/c/d", "a/b/c", "a/b", "a"):
                try:
                    os.rmdir(memory / name)
                except OSError:
                    pass

    async def main() -> None:
        for _ in range(300):
            try:
                await fs.mkdir(memory / "a" / "b" / "c" / "d", recursive=True)
            except FileNotFoundError:
                pass

    removing = threading.Thread(target=remove)
    removing.start()
    try:
        run(main)
    finally:
        is_over.set()
        removing.join()


def test_a_temporary_directory(memory: Path) -> None:
    async def main() -> None:
        made = await asyncio.gather(*[fs.mkdtemp(f"{memory}/ümlaut-") for _ in range(50)])
        assert len(set(made)) == 50
        for path in made:
            assert path.startswith(f"{memory}/ümlaut-")
            assert len(path) == len(f"{memory}/ümlaut-") + 6
            assert (await fs.stat(path)).mode & 0o7777 == 0o700
        assert isinstance(await fs.mkdtemp(os.fsencode(memory) + b"/b-"), bytes)

    run(main)
