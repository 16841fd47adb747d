"""socketify (uWebSockets for Python) with an ASGI application, one worker. socketify_asgi.py MODULE"""

from __future__ import annotations

import importlib
import os
import sys

from socketify import ASGI, AppListenOptions

app = importlib.import_module(sys.argv[1]).app
ASGI(app, lifespan=False).listen(AppListenOptions(port=int(os.environ["PORT"]), host="127.0.0.1")).run()
