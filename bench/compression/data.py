"""What is compressed: text of a log, JSON, and source code. Made once, and the same everywhere but for the source code, which is
that of the Python that makes it."""

from __future__ import annotations

import json
import random
import sysconfig
from pathlib import Path
from typing import Final

from harness import paths

__all__ = ["TEXT_BYTES", "file_of"]

TEXT_BYTES: Final = 64 << 20
CUT_BYTES: Final = 16 << 20  # of what the slow levels are shown
LETTERS: Final = "etaoinshrdlucmfwypvbgkqjxz"


def file_of(name: str) -> Path:
    """The file of that name: text (64 MiB), cut (its first 16), json, source."""
    folder = paths.WORK / "compression"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        path.write_bytes(_MAKERS[name]())
    return path


def _words(chance: random.Random) -> list[str]:
    return ["".join(chance.choice(LETTERS) for _ in range(chance.randint(2, 10))) for _ in range(5000)]


def _text() -> bytes:
    # Lines of an access log, each with a line's worth of words.
    chance = random.Random(1)
    words = _words(chance)
    lines: list[str] = []
    left, second = TEXT_BYTES, 0
    while left > 0:
        clock = f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}.{chance.randint(0, 999):03}"
        request = f"req={chance.getrandbits(32):08x} path=/{chance.choice(words)}/{chance.choice(words)}"
        outcome = f"status={chance.choice((200, 200, 200, 304, 404))} ms={chance.randint(1, 900)}"
        line = f"2026-11-23T{clock} INFO {request} {outcome} {' '.join(chance.choice(words) for _ in range(8))}\n"[:left]
        lines.append(line)
        left -= len(line)
        second += 1
    return "".join(lines).encode()


def _json() -> bytes:
    chance = random.Random(1)
    words = _words(chance)
    rows = [
        {"id": row, "name": chance.choice(words), "tags": chance.choices(words, k=5), "value": chance.random(), "ok": True}
        for row in range(50_000)
    ]
    return json.dumps(rows).encode()


def _source() -> bytes:
    folder = Path(sysconfig.get_path("stdlib"))
    files = sorted((*folder.glob("*.py"), *folder.glob("[a-z]*/*.py")))
    kept = [file for file in files if not {"test", "site-packages"} & set(file.parts[len(folder.parts) :])]
    return b"".join(file.read_bytes() for file in kept)[:CUT_BYTES]


_MAKERS: Final = {
    "text": _text,
    "cut": lambda: file_of("text").read_bytes()[:CUT_BYTES],
    "json": _json,
    "source": _source,
}
