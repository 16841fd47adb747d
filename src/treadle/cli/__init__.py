"""The command line: ``treadle run file.py`` and ``treadle serve module:app``."""

import click

from treadle._base.version import VERSION
from treadle.cli.run import run
from treadle.cli.serve import serve

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="treadle")
def main() -> None:
    """Node's server runtime, for Python."""


main.add_command(run)
main.add_command(serve)
