"""Flags that say what is different below a prefix of the path, together as a table.

Not here: what it means (treadle.http.routes).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from treadle.http import Route

__all__ = ["PREFIX", "PREFIX_AND_SECONDS", "table_of"]


SECONDS_MAX = 2_000_000  # 23 days; a timer takes a little more


class _Prefix(click.ParamType[str]):
    name = "prefix"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not str(value).startswith("/"):
            self.fail(f"{value!r} does not begin with a slash", param, ctx)
        return str(value)


class _PrefixAndSeconds(click.ParamType[tuple[str, float]]):
    name = "prefix=seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        prefix, _, seconds = str(value).rpartition("=")
        try:
            duration_s = float(seconds)
        except ValueError:
            duration_s = -1.0
        if not 0 <= duration_s <= SECONDS_MAX:
            self.fail(f"{value!r} does not end in a number of seconds", param, ctx)
        return PREFIX.convert(prefix, param, ctx), duration_s


PREFIX = _Prefix()
PREFIX_AND_SECONDS = _PrefixAndSeconds()  # "/upload=300"


def table_of(seconds: Iterable[tuple[str, float]], cancelled: Iterable[str]) -> dict[str, Route]:
    """What --request-timeout-of and --cancel-on-disconnect-of have gathered."""
    from treadle.http import Route

    limits = dict(seconds)
    cancels = set(cancelled)
    return {prefix: Route(limits.get(prefix), prefix in cancels or None) for prefix in limits.keys() | cancels}
