"""The environ of a request: a2wsgi's, where the scope is all that is asked of it, and corrected where bytes or PEP 3333 say more.

Source: PEP 3333; RFC 3875 section 4.1; RFC 6265 section 5.4 for cookies. Not here: the body (body.py).
"""

from __future__ import annotations

import io
import sys
from typing import Any
from urllib.parse import unquote_to_bytes

from treadle._base.extras import extra_module

__all__ = ["EnvironMaker"]


class EnvironMaker:
    """Makes environs. Raises TreadleError (ERR_EXTRA_NOT_INSTALLED) when it is made."""

    def __init__(self) -> None:
        self._build = extra_module("a2wsgi.wsgi", extra="wsgi").build_environ

    def environ_of(self, scope: dict[str, Any], body: io.BufferedReader) -> dict[str, Any]:
        """Of one request. body: its wsgi.input."""
        environ: dict[str, Any] = self._build({**scope, "headers": _fields(scope["headers"]), "query_string": b""}, body)
        root = environ["SCRIPT_NAME"] = scope.get("root_path", "").encode("utf-8").decode("latin-1")
        raw_path = scope.get("raw_path")  # scope["path"] has lost what is no UTF-8, but not every server gives this one
        path = (scope["path"].encode("utf-8") if raw_path is None else unquote_to_bytes(raw_path)).decode("latin-1")
        environ["PATH_INFO"] = path.removeprefix(root)
        environ["QUERY_STRING"] = scope["query_string"].decode("latin-1")
        environ.setdefault("REMOTE_ADDR", "")  # over a Unix socket; applications ask for it without a default
        environ["wsgi.errors"] = sys.stderr
        environ["wsgi.input_terminated"] = True  # the body ends where it ends, whether there is a Content-Length or not
        environ["wsgi.multiprocess"] = False
        return environ


def _fields(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """As CGI can tell them apart: without names that have an underscore, which would pass for others (X_Forwarded_For), and with
    one Cookie."""
    kept = [(name, value) for name, value in fields if name != b"cookie" and b"_" not in name]
    cookies = [value for name, value in fields if name == b"cookie"]
    if cookies:
        kept.append((b"cookie", b"; ".join(cookies)))
    return kept
