"""What the tests of child processes stand on: the state of a process. Programs with a deadline: tests.unit.net.support."""

from __future__ import annotations

from pathlib import Path


def state_of(pid: int) -> str | None:
    """The state of a process as /proc has it: 'S', 'Z' ...; None where it is none any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_running(pid: int) -> bool:
    """Whether it runs, and is no zombie."""
    return state_of(pid) not in (None, "Z", "X")
