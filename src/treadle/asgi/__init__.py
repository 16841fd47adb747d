"""ASGI applications, served. Not here: HTTP itself (treadle.http), the command line (treadle.cli)."""

from treadle.asgi.loading import AppLoadError, load_app
from treadle.asgi.serve import ServeConfig, StartupError, serve

__all__ = ["AppLoadError", "ServeConfig", "StartupError", "load_app", "serve"]
