"""freastal (a C server for Python) with the raw ASGI application, one worker. Found through PYTHONPATH: apps/."""

from __future__ import annotations

import os

import freastal
from asgi_hello import app

freastal.serve_asgi(app, host="127.0.0.1", port=int(os.environ["PORT"]), workers=1)
