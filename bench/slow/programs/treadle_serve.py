"""`treadle serve` of raw_asgi.py with the deadlines of $DEADLINES, in JSON: Timeouts' fields. The port comes in $PORT."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from treadle.asgi import ServeConfig, serve
from treadle.http import Timeouts

sys.path.insert(0, str(Path(__file__).parent))
from raw_asgi import app

if __name__ == "__main__":
    timeouts = Timeouts(**json.loads(os.environ.get("DEADLINES", "{}")))
    serve(app, ServeConfig(port=int(os.environ["PORT"]), timeouts=timeouts, lifespan="off"))
