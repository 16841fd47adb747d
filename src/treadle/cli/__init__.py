"""The command line: ``treadle run file.py``, ``treadle serve module:app``, ``treadle trace file.py``."""

import click

from treadle._base.version import VERSION
from treadle.cli.run import run
from treadle.cli.serve import serve
from treadle.cli.trace import trace

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="treadle")
def main() -> None:
    """Node's server runtime, for Python."""


main.add_command(run)
main.add_command(serve)
main.add_command(trace)
