"""freastal (a C server for Python) with an ASGI application, one worker. freastal_asgi.py MODULE"""

from __future__ import annotations

import importlib
import os
import sys

import freastal

freastal.serve_asgi(importlib.import_module(sys.argv[1]).app, host="127.0.0.1", port=int(os.environ["PORT"]), workers=1)
