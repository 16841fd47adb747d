"""``treadle run file.py``: a file as a program, as ``node file.js`` runs it."""

import atexit
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import CodeType, ModuleType
from typing import NoReturn

import click

from treadle.cli import failures, logs

__all__ = ["run"]


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("file", type=click.Path(dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--log-level", type=click.Choice(logs.LEVELS), help="Of treadle's log.  [default: info]")
@click.option("--log-config", metavar="FILE", help="A logging configuration, JSON or INI.")
def run(file: str, arguments: tuple[str, ...], log_level: str | None, log_config: str | None) -> None:
    """Run FILE as a program in the loop, with ARGUMENTS in sys.argv.

    Its module code may start servers, timers and tasks; it ends when nothing is left that can call back.
    """
    if file.startswith("-"):
        raise click.NoSuchOption(file)
    logs.set_up(log_level, log_config)
    file = os.path.abspath(file)  # as python itself does: it must stay true after a chdir
    code = _compiled(file)
    main = ModuleType("__main__")
    main.__dict__.update(__file__=file, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    sys.argv = [file, *arguments]
    sys.path[0] = str(Path(file).resolve().parent)
    sys.exit(_exit_code(code, main))


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


def _exit_code(code: CodeType, main: ModuleType) -> str | int | None:
    from treadle import process
    from treadle.loop.program import run_script

    try:
        run_script(lambda: exec(code, main.__dict__))
    except SystemExit as error:
        return error.code
    except KeyboardInterrupt:
        _end_by(signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader of our output left: quietly
        return 141
    except BaseException as error:
        failures.show(error)
        return process.exit_code or 1
    return process.exit_code or 0


def _end_by(number: signal.Signals) -> NoReturn:
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
