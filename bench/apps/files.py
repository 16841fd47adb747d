"""The files of $FILES by `http.serve_static`. Run by `treadle run`; the port comes in $PORT."""

from __future__ import annotations

import os

from treadle import http

http.create_server(http.serve_static(os.environ["FILES"])).listen(int(os.environ["PORT"]), "127.0.0.1", backlog=4096)
