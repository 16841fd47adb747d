"""What a command shows when a program fails: the traceback from the user's first line on, and a hint where there is one."""

import sys
import traceback
from pathlib import Path
from types import TracebackType

__all__ = ["show"]

PACKAGE = str(Path(__file__).resolve().parent.parent)


def show(error: BaseException) -> None:
    """Write the traceback of error to stderr, without the frames that led into the program."""
    if isinstance(error, RuntimeError) and "asyncio.run() cannot be called" in str(error):
        error.add_note("The file runs in treadle's loop already: use treadle.run(main) instead of asyncio.run(main()).")
    sys.stderr.flush()
    traceback.print_exception(error.with_traceback(_from_users_code(error.__traceback__)))


def _from_users_code(first: TracebackType | None) -> TracebackType | None:
    frame = first
    while frame is not None and _leads_in(frame.tb_frame.f_code.co_filename):
        frame = frame.tb_next
    return frame or first


def _leads_in(filename: str) -> bool:
    return filename.startswith((PACKAGE, "<frozen importlib")) or any(
        part in filename for part in ("treadle/_native/", "/click/", "/importlib/")
    )
