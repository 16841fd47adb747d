"""Directories whose files are served in front of an application.

A request for one never reaches the application: its file is sent as treadle.http sends it, without ASGI in between.
Not here: which files (treadle.http.static).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from treadle.asgi.loading import Application
from treadle.http import StaticFiles
from treadle.http._static_path import split_target

__all__ = ["in_front_of"]


def in_front_of(app: Application, mounts: Sequence[StaticFiles]) -> Application:
    """The application, but for what lies below the prefix of a mount, as the client has sent it; the longest one counts."""
    if not mounts:
        return app
    ordered = sorted(mounts, key=lambda files: -len(files.prefix))

    def dispatch(scope: dict[str, Any], receive: Any, send: Any) -> Any:
        # INVARIANT: receive and send are the request and its answer, see _native.asgi1.
        path = split_target(receive.url)[0]
        for files in ordered:
            if path.startswith(files.prefix) and path[len(files.prefix) :][:1] in ("", "/"):
                return files(receive, send)
        return app(scope, receive, send)

    functools.update_wrapper(dispatch, app, updated=())  # under its name it is said to hold up the loop
    return dispatch
