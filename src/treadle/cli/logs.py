"""Logging as the commands set it up. Loggers: treadle, treadle.loop, treadle.http, treadle.asgi."""

import configparser
import json
import logging
import logging.config
from pathlib import Path

import click

__all__ = ["FORMAT", "LEVELS", "set_up"]

FORMAT = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"
LEVELS = ("critical", "error", "warning", "info", "debug")


def set_up(level: str | None, config: str | None) -> None:
    """The level for treadle's loggers, "info" unless given, to stderr. With config the file's own set-up, JSON (dictConfig)
    or INI, and the level on top of it, if one was given."""
    if config is None:
        logging.basicConfig(format=FORMAT, level=logging.WARNING)
    else:
        _apply_file(Path(config))
    if config is None or level is not None:
        logging.getLogger("treadle").setLevel((level or "info").upper())


def _apply_file(path: Path) -> None:
    if not path.is_file():
        raise click.ClickException(f"--log-config {path}: there is no such file")
    try:
        if path.suffix == ".json":
            logging.config.dictConfig(json.loads(path.read_text()))
        elif path.suffix in (".yaml", ".yml"):
            raise click.ClickException(f"{path}: YAML is not read; write the same as JSON")
        else:
            logging.config.fileConfig(path, disable_existing_loggers=False)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, configparser.Error) as error:
        raise click.ClickException(f"{path}: not a logging configuration: {error}") from None
