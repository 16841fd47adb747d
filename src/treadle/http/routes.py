"""What part of a site may take its time, and what is given up with its client: by prefix of the path.

A prefix ends where a segment does: "/upload" is for "/upload", "/upload/a" and "/upload?a", not for "/uploads"; of two that fit,
the longer counts. Invariant: to look a path up costs one comparison a prefix, whatever the client sends. Not here: what follows
when a deadline runs out (_native.http1_connection).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from treadle._base.errors import TreadleError

__all__ = ["Plan", "Route", "Routes"]

Plan = tuple[int, bool]
"""(ms for an answer to be complete, 0 without a deadline; whether its handler is cancelled when the client leaves)"""


@dataclass(frozen=True, slots=True)
class Route:
    """What is different below a prefix."""

    response_s: float | None = None  # instead of Timeouts.response_s; 0: no deadline; None: as elsewhere
    cancel_on_disconnect: bool | None = None  # instead of the server's; None: as elsewhere

    def __post_init__(self) -> None:
        if self.response_s is not None and not self.response_s >= 0:
            raise TreadleError("ERR_OUT_OF_RANGE", name="response_s", expected="zero or more", received=self.response_s)


class Routes:
    """A table of prefixes; calling it with the target of a request gives the plan for it.

    Raises TreadleError: ERR_INVALID_ARG_VALUE for a prefix without a slash in front.
    """

    def __init__(self, table: Mapping[str, Route], default: Plan) -> None:
        self._default = default
        self._plans: list[tuple[bytes, Plan]] = []
        for prefix in sorted(table, key=len, reverse=True):
            if not prefix.startswith("/"):
                raise TreadleError(
                    "ERR_INVALID_ARG_VALUE", name="routes", expected="a path that begins with a slash", received=prefix
                )
            self._plans.append((prefix.encode(), _plan(table[prefix], default)))

    def __call__(self, target: bytes) -> Plan:
        """target: as in the request line."""
        if not target.startswith(b"/"):  # absolute-form, RFC 9112 section 3.2.2
            target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
        path = unquote_to_bytes(target.partition(b"?")[0])
        for prefix, plan in self._plans:
            if path.startswith(prefix) and (prefix.endswith(b"/") or path[len(prefix) : len(prefix) + 1] in (b"", b"/")):
                return plan
        return self._default


def _plan(route: Route, default: Plan) -> Plan:
    answer_ms, cancels = default
    if route.response_s is not None:
        answer_ms = round(route.response_s * 1000)
    return answer_ms, cancels if route.cancel_on_disconnect is None else route.cancel_on_disconnect
