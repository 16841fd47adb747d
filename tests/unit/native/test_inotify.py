"""What the kernel tells of changes, record by record. Not here: what becomes of it (tests/unit/fs/test_watching.py)."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from treadle._native.inotify import add_watch, open_inotify, read_changes, remove_watch

IN_MODIFY, IN_CREATE, IN_IGNORED = 0x2, 0x100, 0x8000


@pytest.fixture
def watching() -> Iterator[int]:
    fd = open_inotify()
    yield fd
    os.close(fd)


def test_records_come_in_order_with_names_of_any_length(watching: int, tmp_path: Path) -> None:
    number = add_watch(watching, bytes(tmp_path), IN_CREATE)
    assert read_changes(watching) == []
    names = [b"a" * length for length in (1, 15, 16, 17, 255)] + [b"\xff"]
    for name in names:
        os.close(os.open(os.path.join(bytes(tmp_path), name), os.O_CREAT | os.O_WRONLY))
    assert read_changes(watching) == [(number, IN_CREATE, name) for name in names]
    assert read_changes(watching) == []


def test_what_is_watched_itself_has_no_name(watching: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    number = add_watch(watching, bytes(tmp_path / "file"), IN_MODIFY)
    (tmp_path / "file").write_bytes(b"more")
    remove_watch(watching, number)
    assert read_changes(watching) == [(number, IN_MODIFY, b""), (number, IN_IGNORED, b"")]


def test_many_are_read_in_parts(watching: int, tmp_path: Path) -> None:
    add_watch(watching, bytes(tmp_path), IN_CREATE)
    for number in range(3000):
        os.close(os.open(tmp_path / f"{number:040}", os.O_CREAT | os.O_WRONLY))
    parts = []
    while part := read_changes(watching):
        parts.append(part)
    assert len(parts) > 1
    assert [int(name) for part in parts for _, _, name in part] == list(range(3000))


def test_what_cannot_be_read_is_raised(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError):
            read_changes(fd)
    finally:
        os.close(fd)
    with pytest.raises(OSError) as raised:
        read_changes(fd)
    assert raised.value.errno == errno.EBADF
