"""What an application speaks, told by its signature: every shape that applications come in, and those that say nothing."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from treadle.asgi.interface import RULES, UndecidedError, guess


async def asgi3(scope, receive, send):
    pass


async def asgi3_by_other_names(a, b, c):
    pass


async def asgi3_with_more(scope, receive, send, extra=None):
    pass


def asgi3_not_async(scope, receive, send):
    return asgi3(scope, receive, send)


def asgi2(scope):
    return asgi3


def wsgi(environ, start_response):
    return []


def wsgi_by_other_names(e, s):
    return []


def wsgi_with_more(environ, start_response, extra=None):
    return []


def factory():
    return asgi3


def factory_with_options(config=None, debug=False):
    return asgi3


class ASGI3Object:
    async def __call__(self, scope, receive, send):
        pass

    async def method(self, scope, receive, send):
        pass

    @staticmethod
    async def static(scope, receive, send):
        pass


class ASGI2Class:
    def __init__(self, anything):
        pass

    async def __call__(self, receive, send):
        pass


class ASGI3Endpoint:
    """As Starlette's HTTPEndpoint: the class is the application."""

    def __init__(self, scope, receive, send):
        pass

    def __await__(self):
        yield


class WSGIObject:
    def __call__(self, environ, start_response):
        return []


class WSGIClass:
    """PEP 3333: an application may be a class whose instances are what it returns."""

    def __init__(self, environ, start_response):
        pass

    def __iter__(self):
        yield b""


class AppWithoutArguments(ASGI3Object):
    def __init__(self, debug=False):
        pass


def kept(call):
    @functools.wraps(call)
    def wrapper(*args, **kwargs):
        return call(*args, **kwargs)

    return wrapper


def forgotten(call):
    def wrapper(*args, **kwargs):
        return call(*args, **kwargs)

    return wrapper


async def any_async(*args):
    pass


@pytest.mark.parametrize(
    ("app", "kind"),
    [
        (asgi3, "asgi3"),
        (asgi3_by_other_names, "asgi3"),
        (asgi3_with_more, "asgi3"),
        (asgi3_not_async, "asgi3"),
        (ASGI3Object(), "asgi3"),
        (ASGI3Object().method, "asgi3"),
        (ASGI3Object.static, "asgi3"),
        (ASGI3Endpoint, "asgi3"),
        (functools.partial(asgi3_with_more, extra=1), "asgi3"),
        (functools.partial(functools.partial(lambda config, scope, receive, send: None, 1)), "asgi3"),
        (kept(asgi3), "asgi3"),
        (kept(kept(asgi3_by_other_names)), "asgi3"),
        (any_async, "asgi3"),
        (lambda scope, receive, send: None, "asgi3"),
        (asgi2, "asgi2"),
        (ASGI2Class, "asgi2"),
        (kept(asgi2), "asgi2"),
        (wsgi, "wsgi"),
        (wsgi_by_other_names, "wsgi"),
        (wsgi_with_more, "wsgi"),
        (WSGIObject(), "wsgi"),
        (WSGIClass, "wsgi"),
        (functools.partial(lambda config, environ, start_response: [], 1), "wsgi"),
        (kept(wsgi), "wsgi"),
        (factory, "factory"),
        (factory_with_options, "factory"),
        (AppWithoutArguments, "factory"),
        (functools.partial(lambda config: asgi3, 1), "factory"),
    ],
)
def test_what_it_speaks(app: Any, kind: str) -> None:
    found = guess(app)
    assert found.kind == kind
    assert found.because


async def async_factory():
    pass


async def async_of_two(a, b):
    pass


def of_one(a):
    pass


def of_four(a, b, c, d):
    pass


@pytest.mark.parametrize(
    ("app", "next_step"),
    [
        (forgotten(asgi3), "--interface"),
        (forgotten(wsgi), "--interface"),
        (async_factory, "lifespan"),
        (async_of_two, "--interface"),
        (of_one, "--interface"),
        (of_four, "--interface"),
        (dict.fromkeys, "--interface"),
    ],
)
def test_what_says_nothing_is_an_error_with_the_next_step(app: Any, next_step: str) -> None:
    with pytest.raises(UndecidedError, match=next_step):
        guess(app)


def test_nothing_is_called() -> None:
    def trap(*args):
        raise AssertionError("called")

    class Trap:
        def __init__(self, scope):
            trap()

        async def __call__(self, receive, send):
            trap()

    assert guess(Trap).kind == "asgi2"
    assert guess(lambda: trap()).kind == "factory"


def test_a_ring_of_wrappers_ends() -> None:
    def one(*args):
        pass

    def other(*args):
        pass

    one.__wrapped__, other.__wrapped__ = other, one
    with pytest.raises(UndecidedError):
        guess(one)


def test_each_rule_decides_something() -> None:
    """A row that never decides is dead."""
    assert len({rule.because for rule in RULES}) == len(RULES)


def frameworks() -> list[tuple[str, Any, str]]:
    found: list[tuple[str, Any, str]] = []
    try:
        import starlette.applications

        found.append(("Starlette", starlette.applications.Starlette(), "asgi3"))
    except ImportError:
        pass
    try:
        import fastapi

        found.append(("FastAPI", fastapi.FastAPI(), "asgi3"))
    except ImportError:
        pass
    try:
        import flask

        app = flask.Flask("flask_app")
        found.extend([("Flask", app, "wsgi"), ("Flask.wsgi_app", app.wsgi_app, "wsgi")])
    except ImportError:
        pass
    try:
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.wsgi import WSGIHandler

        found.append(("ASGIHandler", ASGIHandler.__new__(ASGIHandler), "asgi3"))
        found.append(("WSGIHandler", WSGIHandler.__new__(WSGIHandler), "wsgi"))
    except ImportError:
        pass
    return found


@pytest.mark.parametrize(("name", "app", "kind"), frameworks(), ids=lambda one: one if isinstance(one, str) else "")
def test_frameworks(name: str, app: Any, kind: str) -> None:
    found = guess(app)
    assert found.kind == kind
    assert type(app).__name__ in found.because or name == "Flask.wsgi_app"
