"""ASGI applications, served. Not here: HTTP itself (treadle.http), the command line (treadle.cli)."""

from treadle.asgi.loading import AppLoadError, load_app
from treadle.asgi.serve import serve
from treadle.asgi.serving import ServeConfig, Serving, StartupError

__all__ = ["AppLoadError", "ServeConfig", "Serving", "StartupError", "load_app", "serve"]
