"""Where things lie: the parts of the bench, and the git-ignored folder that holds everything it makes."""

from __future__ import annotations

from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
REPOSITORY = BENCH.parent
APPS = BENCH / "apps"
PEERS = BENCH / "peers"
HARNESS = BENCH / "harness"
LOOP_PROGRAMS = BENCH / "loop" / "programs"
STREAM_PROGRAMS = BENCH / "streams" / "programs"
SLOW_PROGRAMS = BENCH / "slow" / "programs"
WORK = REPOSITORY / ".bench"  # venvs, compiled programs, run-time files; safe to delete at any time
