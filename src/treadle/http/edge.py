"""What lies between a server's sockets and its handler, whatever that speaks: whose requests are, their ids, the access log.

Not here: what each of them does (origin.py, request_id.py, access_log.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from treadle._base.errors import TreadleError
from treadle._native.http1_exchange import Site
from treadle._native.http1_intake import RequestIntake
from treadle.http.access_log import AccessLog
from treadle.http.origin import Origin, OriginPolicy
from treadle.http.request_id import RequestIds, request_id

__all__ = ["Edge"]


@dataclass(frozen=True, slots=True)
class Edge:
    """One server's.

    request_ids: "on": a request has an id, the X-Request-Id that came with it if that is one, else a new one; "echo": its answer
    tells it as well; "off". access_log: None: none is kept; it belongs to who made it.
    """

    origin: Origin = field(default_factory=Origin)
    request_ids: RequestIds = "off"
    access_log: AccessLog | None = None

    def __post_init__(self) -> None:
        """Raises TreadleError (ERR_INVALID_ARG_VALUE) for what contradicts itself."""
        if self.request_ids not in get_args(RequestIds):
            raise TreadleError("ERR_INVALID_ARG_VALUE", name="request_ids", expected="off, on or echo", received=self.request_ids)
        OriginPolicy(self.origin)

    def apply(self, site: Site) -> None:
        """Set a native server up; once, before the first connection."""
        policy = OriginPolicy(self.origin)
        is_asked = bool(self.origin.trusted)
        if is_asked or self.request_ids != "off":
            site.intake = RequestIntake(
                policy.origin_of if is_asked else None,
                None if self.request_ids == "off" else request_id,
                self.request_ids == "echo",
            )
        if self.origin.proxy_protocol:
            site.preface = policy
        if self.access_log is not None:
            site.access_log = self.access_log.lines
