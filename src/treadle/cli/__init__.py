"""The command line: ``treadle run file.py``, ``treadle serve module:app``, ``treadle trace file.py``."""

import signal
from typing import Any

import click

from treadle._base.version import VERSION
from treadle.cli.ending import end_by
from treadle.cli.run import run
from treadle.cli.serve import serve
from treadle.cli.trace import trace

__all__ = ["main"]


class _Commands(click.Group):
    """A file in the place of a command is answered by the command that runs files. Ctrl-C before or behind the program ends it
    as one amid the program does: click would say "Aborted!", and leave with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            end_by(signal.SIGINT)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if not args[0].endswith(".py"):
                raise
            raise click.UsageError(f"{error.message} Did you mean: treadle run {' '.join(args)}", ctx) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="treadle")
def main() -> None:
    """Node's server runtime, for Python."""


main.add_command(run)
main.add_command(serve)
main.add_command(trace)
