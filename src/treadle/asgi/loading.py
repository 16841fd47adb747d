"""Finding the application that ``module:attribute`` names, and making ASGI 3 of it. Invariant: whatever is wrong with the name is
one clear line; an error inside the module itself keeps its traceback. Not here: what it speaks (interface.py)."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from treadle._base.errors import TreadleError
from treadle.asgi.application import Application, Message
from treadle.asgi.asgi2 import from_asgi2
from treadle.asgi.interface import Choice, Interface, UndecidedError, guess

__all__ = ["AppLoadError", "Application", "Message", "load_app"]

logger = logging.getLogger("treadle")

SPOKEN: Final[dict[Interface, str]] = {"asgi3": "ASGI 3", "asgi2": "ASGI 2", "wsgi": "WSGI"}


class AppLoadError(Exception):
    """The name leads to no application; the text says why, and what to do."""


def load_app(target: str, *, app_dir: str = "", factory: bool = False, interface: Choice = "auto") -> Application:
    """Import ``module:attribute`` (dots allowed in both), with app_dir first on the path, and return it as ASGI 3.

    interface "auto": what it speaks is seen at it, and logged; anything else is believed. factory: what is found makes the
    application when called, which "auto" sees as well. Raises AppLoadError; and whatever the module itself raises.
    """
    app = _found(target, app_dir)
    because = "as --interface says"
    if not factory and interface == "auto":
        kind, because = _guess(app, target)
        if kind == "factory":
            logger.info("%s is taken for a factory (%s)", target, because)
            factory = True
        else:
            interface = kind
    if factory:
        app = _made_by(app, target)
        if interface == "auto":
            kind, because = _guess(app, f"what the factory {target} returned")
            if kind == "factory":
                raise AppLoadError(f'the factory "{target}" returned a factory, or a class: {because}')
            interface = kind
    assert interface != "auto"
    logger.info("%s is taken for %s (%s)", target, SPOKEN[interface], because)
    try:
        return _AS_ASGI3[interface](app)
    except TreadleError as error:
        raise AppLoadError(f'"{target}" is {SPOKEN[interface]}: {error}') from None


def _found(target: str, app_dir: str) -> Any:
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        raise AppLoadError(f'"{target}" does not name an application: write module:attribute, such as main:app')
    if app_dir and not os.path.isdir(app_dir):
        raise AppLoadError(f'--app-dir "{app_dir}" is no folder')
    sys.path.insert(0, app_dir)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            if module_name.endswith(".py"):
                raise AppLoadError(f'"{module_name}" is a file: write {module_name[:-3]}:{attribute}') from None
            hint = f"in {app_dir}: check the name" if app_dir else "here: check the name, or say --app-dir"
            raise AppLoadError(f'no module "{module_name}" {hint}') from None
        raise
    app: Any = module
    for name in attribute.split("."):
        try:
            app = getattr(app, name)
        except AttributeError:
            raise AppLoadError(f'module "{module_name}" has no attribute "{attribute}"') from None
    if not callable(app):
        raise AppLoadError(f'"{target}" is no application: a {type(app).__name__} cannot be called')
    return app


def _guess(app: Any, name: str) -> tuple[Any, str]:
    try:
        return guess(app)
    except UndecidedError as error:
        raise AppLoadError(f"what {name} speaks cannot be told: {error}") from None


def _made_by(make_app: Callable[[], Any], target: str) -> Any:
    try:
        inspect.signature(make_app).bind()
    except TypeError as error:
        raise AppLoadError(f'"{target}" cannot be called as a factory: {error}') from None
    except ValueError:
        pass  # no signature to look at
    app = make_app()
    if inspect.iscoroutine(app):
        app.close()
        raise AppLoadError(f'the factory "{target}" is async: make it a plain function, and await in the application\'s lifespan')
    if not callable(app):
        raise AppLoadError(f'the factory "{target}" returned a {type(app).__name__}, not an application')
    return app


def _from_wsgi(app: Any) -> Application:
    from treadle.wsgi import from_wsgi  # needs the extra

    return from_wsgi(app)


_AS_ASGI3: Final[dict[Interface, Callable[[Any], Application]]] = {
    "asgi3": lambda app: app,
    "asgi2": from_asgi2,
    "wsgi": _from_wsgi,
}
