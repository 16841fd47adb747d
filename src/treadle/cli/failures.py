"""What a command shows when a program fails: the traceback from the user's first line on, and a hint where there is one."""

import importlib
import inspect
import os
import sys
import traceback
from types import TracebackType
from typing import Final

import click

__all__ = ["show"]

LEADS_IN: Final = (
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep,
    *(os.path.dirname(inspect.getfile(package)) + os.sep for package in (click, importlib)),
    "src/treadle/_native/",  # as Cython calls it
    "<frozen importlib",
)

LOOP_RUNS: Final = (  # what is said where a second loop would run on the thread
    "cannot be called from a running event loop",  # asyncio.run, asyncio.Runner, uvloop.run
    "Cannot run the event loop while another loop is running",  # run_until_complete, run_forever
    "This event loop is already running",
    "Already running asyncio in this thread",  # anyio.run
)


CURE: Final = "use treadle.run(main) instead of asyncio.run(main()) and the like"


def show(error: BaseException) -> None:
    """Write the traceback of error to stderr, without the frames that led into the program: from the user's first frame on.
    Where there is none a note says which callback it was (treadle.loop.frameless)."""
    if isinstance(error, RuntimeError) and any(said in str(error) for said in LOOP_RUNS):
        error.add_note(f"The file runs in treadle's loop already: {CURE}.")
        _close_coroutines(error)
    sys.stderr.flush()
    traceback.print_exception(error.with_traceback(_from_users_code(error.__traceback__)))


def _close_coroutines(error: BaseException | None) -> None:
    """Those that the failed call was to run: "never awaited" would say nothing new, and point to where they are dropped."""
    while error is not None:  # a Runner that is left by an error raises another one
        for frame, _ in traceback.walk_tb(error.__traceback__):
            for value in frame.f_locals.values():
                if inspect.iscoroutine(value) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
                    value.close()
        error = error.__context__


def _from_users_code(frame: TracebackType | None) -> TracebackType | None:
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(LEADS_IN):
        frame = frame.tb_next
    return frame
