"""``treadle trace file.py``: runs a program and tells what ran when, from where it was scheduled, and why then."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from treadle.cli import logs
from treadle.cli.script import Script

if TYPE_CHECKING:
    from treadle.trace import Recorder

__all__ = ["trace"]

DEADLY = (signal.SIGTERM, signal.SIGHUP)  # Ctrl-C is an exception, and the program ends by it

COLOURS: dict[str, dict[str, Any]] = {
    "turn": {"bold": True},
    "phase": {"fg": "cyan"},
    "label": {"fg": "green"},
    "name": {},
    "slow": {"fg": "red", "bold": True},
    "detail": {"dim": True},
}


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("file", type=click.Path(dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Write the trace there instead, for Perfetto's viewer.",
)
@click.option("--turns", type=click.IntRange(1), metavar="N", help="Only the first N turns.")
@click.option("--slow", type=click.FloatRange(0), metavar="MS", help="Only turns whose callbacks took MS ms, and the next.")
@click.option("--times/--no-times", default=True, help="Without times the same program prints the same trace.  [default: times]")
@click.option("--log-level", type=click.Choice(logs.LEVELS), help="Of treadle's log.  [default: info]")
@click.option("--log-config", metavar="FILE", help="A logging configuration, JSON or INI.")
def trace(
    file: str, arguments: tuple[str, ...], json_file: str | None, turns: int | None, slow: float | None, times: bool,
    log_level: str | None, log_config: str | None,
) -> None:  # fmt: skip
    """Run FILE as `treadle run` does, and print what ran in each turn and phase, and why.

    The trace goes to stderr once the program has ended, by a signal, too. The exit code is the program's.
    """
    if file.startswith("-"):
        raise click.NoSuchOption(file)
    if json_file == "-":
        raise click.BadParameter("it is a file that the trace is written to: stdout is the program's", param_hint="--json")
    if json_file is not None:
        _check_writable(json_file)
        json_file = os.path.abspath(json_file)  # the program may go elsewhere
    logs.set_up(log_level, log_config)
    script = Script(file, arguments)

    from treadle.trace import Recorder, TracedEventLoop

    recorder = Recorder(turns_max=turns, slow_ms=slow)
    pid = os.getpid()

    def write() -> None:
        if os.getpid() != pid:  # this is a child that the program forked
            return
        if json_file is not None:
            _write_json(recorder, json_file, script.file)
        else:
            _print(recorder, os.path.dirname(script.file), times, slow)

    with _before_death(write):
        code = script.run(TracedEventLoop(recorder))
    with _undisturbed():
        write()
    sys.exit(code)


def _check_writable(file: str) -> None:
    """Now, and not after an hour."""
    try:
        open(file, "a").close()
    except OSError as error:
        raise click.ClickException(f"cannot write {file}: {error.strerror}") from None


@contextmanager
def _before_death(write: Callable[[], None]) -> Iterator[None]:
    """While it lasts, a signal that ends the program as it stands does so only once the trace is written; unless the program, or
    who started it, wants something else."""

    def arrived(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        write()
        signal.raise_signal(number)

    taken = [number for number in DEADLY if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, arrived)
    try:
        yield
    finally:
        for number in taken:
            if signal.getsignal(number) is arrived:
                signal.signal(number, signal.SIG_DFL)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C ends the output, and without a traceback; unless the program, or who started it, wants something else."""
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if is_default:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _print(recorder: "Recorder", folder: str, with_times: bool, slow_ms: float | None) -> None:
    from treadle.trace.text import plain, render

    is_painted = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    sys.stdout.flush()
    try:
        _say_dropped(recorder)
        for line in render(
            recorder.records, folder=folder, with_times=with_times, slow_ms=slow_ms, paint=_painted if is_painted else plain
        ):
            click.echo(line, err=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the reader has seen enough


def _painted(text: str, role: str) -> str:
    return click.style(text, **COLOURS[role])


def _write_json(recorder: "Recorder", file: str, program: str) -> None:
    from treadle.trace.chrome import trace_events

    try:
        Path(file).write_text(json.dumps(trace_events(recorder.records, program=os.path.basename(program), pid=os.getpid())))
    except OSError as error:
        raise click.ClickException(f"cannot write {file}: {error.strerror}") from None
    _say_dropped(recorder)
    click.echo(f"the trace is in {file}: open it at https://ui.perfetto.dev", err=True)


def _say_dropped(recorder: "Recorder") -> None:
    if recorder.dropped:
        click.echo(f"{recorder.dropped:,} earlier callbacks are not shown: the last {recorder.records_max:,} are kept", err=True)
