"""examples/duplicates.py: what is the same is found, whatever its size, and nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.integration.support import treadle_command

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "duplicates.py"


def test_duplicates_are_found(tmp_path: Path) -> None:
    large = os.urandom(700_000)
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    for name, content in (
        ("a", b"x"),
        ("sub/b", b"x"),
        ("c", b"y"),
        ("sub/deep/d", large),
        ("e", large),
        ("f", large[:-1] + b"!"),
    ):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to("a")
    command = [*treadle_command(), "run", str(EXAMPLE), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    groups = [group.split() for group in done.stdout.split("\n\n") if group.strip()]
    assert groups == [[f"{tmp_path}/a", f"{tmp_path}/sub/b"], [f"{tmp_path}/e", f"{tmp_path}/sub/deep/d"]]
