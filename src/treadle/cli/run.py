"""``treadle run file.py``: a file as a program, as ``node file.js`` runs it."""

import sys

import click

from treadle.cli import logs
from treadle.cli.ending import end_by
from treadle.cli.script import Script

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
    script = Script(file, arguments)
    code = script.run()
    if script.ended_by is not None:
        end_by(script.ended_by)
    sys.exit(code)
