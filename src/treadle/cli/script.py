"""A file as a program, as ``node file.js`` runs it: read, compiled, run as ``__main__``.

Not here: flags and logging (run.py, trace.py)."""

import os
import signal
import sys
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

import click

from treadle.cli import failures

if TYPE_CHECKING:
    from treadle.loop import EventLoop

__all__ = ["Script"]


class Script:
    """Invariant: made, it is `__main__` and sys.argv is its own. ended_by: the signal that ended its run, once one did."""

    def __init__(self, file: str, arguments: tuple[str, ...]) -> None:
        """Raises click's exceptions where it cannot be read, and SystemExit where it cannot be compiled."""
        self.ended_by: signal.Signals | None = None
        self.file = os.path.abspath(file)  # as python itself does: it must stay true after a chdir
        self._code = _compiled(self.file)
        self._main = ModuleType("__main__")
        self._main.__dict__.update(__file__=self.file, __builtins__=__builtins__)
        sys.modules["__main__"] = self._main
        sys.argv = [self.file, *arguments]
        sys.path[0] = str(Path(self.file).resolve().parent)

    def run(self, loop: "EventLoop | None" = None) -> str | int | None:
        """Run it to its end, in a new loop unless one is given. Returns what to leave with, as sys.exit takes it."""
        from treadle import process
        from treadle.loop.program import run_script

        try:
            run_script(lambda: exec(self._code, self._main.__dict__), loop)
        except SystemExit as error:
            return error.code
        except KeyboardInterrupt:
            self.ended_by = signal.SIGINT
            return 128 + signal.SIGINT
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader of our output left: quietly
            return 141
        except BaseException as error:
            failures.show(error)
            return process.exit_code or 1
        return process.exit_code or 0


def _compiled(file: str) -> CodeType:
    try:
        source = Path(file).read_bytes()
    except OSError as error:
        raise click.ClickException(f"cannot read {file}: {error.strerror}") from None
    try:
        return compile(source, file, "exec")
    except (SyntaxError, ValueError) as error:
        failures.show(error.with_traceback(None))
        sys.exit(1)
