"""Finding the application that ``module:attribute`` names. Invariant: whatever is wrong with the name is one clear line; an error
inside the module itself keeps its traceback."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["AppLoadError", "Application", "Message", "load_app"]

Message = MutableMapping[str, Any]
Application = Callable[[dict[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Any]


class AppLoadError(Exception):
    """The name leads to no application; the text says why, and what to do."""


def load_app(target: str, *, app_dir: str = "", factory: bool = False) -> Application:
    """Import ``module:attribute`` (dots allowed in both), with app_dir first on the path; with factory, call what is found.

    Raises AppLoadError; and whatever the module itself raises when it is imported.
    """
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
        raise AppLoadError(f'"{target}" is no ASGI application: a {type(app).__name__} cannot be called')
    return _made_by(app, target) if factory else _checked(app, target)


def _made_by(make_app: Callable[[], Any], target: str) -> Application:
    try:
        inspect.signature(make_app).bind()
    except TypeError as error:
        raise AppLoadError(f'"{target}" cannot be called as a factory: {error}') from None
    app = make_app()
    if not callable(app):
        raise AppLoadError(f'the factory "{target}" returned a {type(app).__name__}, not an ASGI application')
    return _checked(app, target)


def _checked(app: Any, target: str) -> Application:
    try:
        inspect.signature(app).bind({}, None, None)
    except TypeError:
        hint = "a factory (say --factory)" if _takes_nothing(app) else "WSGI or ASGI 2 (not served yet)"
        raise AppLoadError(f'"{target}" does not take (scope, receive, send): it looks like {hint}') from None
    except ValueError:
        pass  # no signature to look at, as with some extension types
    return app  # type: ignore[no-any-return]


def _takes_nothing(app: Any) -> bool:
    try:
        inspect.signature(app).bind()
    except TypeError:
        return False
    return True
