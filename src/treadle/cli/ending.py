"""The end of a process by a signal, after all that the interpreter does at its end."""

import atexit
import contextlib
import signal
import sys
import threading
from typing import NoReturn

__all__ = ["end_by"]


def end_by(number: signal.Signals) -> NoReturn:
    """End as the interpreter does, but by the signal, so that whoever waits for the process sees it; a shell says 128 + n."""
    with contextlib.suppress(KeyboardInterrupt):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, OSError, ValueError):  # none, broken, closed
                stream.flush()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    raise AssertionError("the default of this signal ends the process")
