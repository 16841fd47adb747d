"""What an object speaks: ASGI 3, ASGI 2, WSGI, or that it is a factory of one that does. Told by its signature, never by a call.

`RULES` is the one table: the first row that applies is the answer. Invariant: what no row names is an error with the next step,
no guess. Source: ASGI, "Applications" and "Legacy Applications"; PEP 3333. Not here: how the object is found (loading.py).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

__all__ = ["RULES", "Choice", "Guess", "Interface", "UndecidedError", "guess"]

Interface = Literal["asgi3", "asgi2", "wsgi"]
Choice = Literal["auto", "asgi3", "asgi2", "wsgi"]  # uvicorn's
Kind = Literal["asgi3", "asgi2", "wsgi", "factory"]

ASGI3_NAMES: Final = ("scope", "receive", "send")
WSGI_NAMES: Final = (("environ", "start_response"), ("env", "start_response"), ("environ", "start"), ("env", "start"))
ARGUMENTS_MAX: Final = 3  # of anything that is called here


class UndecidedError(Exception):
    """No row applies; the text says what was seen, and what to say instead."""


class Guess(NamedTuple):
    """What an object was taken for, and by what."""

    kind: Kind
    because: str


class _Call:
    """What can be said of a call of app without making one.

    names: of the parameters that may be given by place. takes: the counts of arguments, 0 to 3, that it can be called with; None:
    it has no signature to look at, as with some extension types. is_variadic: it takes any number: its signature says nothing.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app
        self.is_async = _is_async(app)
        self.names: tuple[str, ...] = ()
        self.takes: frozenset[int] | None = None
        self.is_variadic = False
        try:
            signature = inspect.signature(app)
        except (TypeError, ValueError):
            return
        parameters = signature.parameters.values()
        by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self.names = tuple(one.name.strip("_") for one in parameters if one.kind in by_place)
        self.is_variadic = not self.names and any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters)
        self.takes = frozenset(count for count in range(ARGUMENTS_MAX + 1) if _binds(signature, count))

    def can_take(self, count: int) -> bool:
        return self.takes is not None and count in self.takes

    def is_called_by(self, count: int) -> bool:
        """It takes so many arguments, and neither of the other numbers that would mean something."""
        return self.takes is not None and self.takes & {1, 2, 3} == {count} and not self.is_variadic

    def makes_callables_of(self, count: int) -> bool:
        """It is a class whose instances are called with so many, and are awaited."""
        if not inspect.isclass(self.app) or not callable(getattr(self.app, "__call__", None)):  # noqa: B004  # of the instance
            return False
        return _is_async(self.app.__call__) and _Call(functools.partial(self.app.__call__, None)).can_take(count)


class Rule(NamedTuple):
    """One row: the kind, whether it is that, and the reason that is shown."""

    kind: Kind
    applies: Callable[[_Call], bool]
    because: str


RULES: Final = (
    Rule("wsgi", lambda call: call.names[:2] in WSGI_NAMES and not call.is_async, "it takes (environ, start_response)"),
    Rule("asgi3", lambda call: call.names[:3] == ASGI3_NAMES, "it takes (scope, receive, send)"),
    Rule("asgi2", lambda call: call.names == ("scope",) and call.is_called_by(1) and not call.is_async, "it takes (scope)"),
    Rule("asgi2", lambda call: call.is_called_by(1) and call.makes_callables_of(2), "its instances take (receive, send)"),
    Rule(
        "factory",
        lambda call: call.can_take(0) and not call.is_variadic and not call.is_async,
        "it can be called without arguments",
    ),
    Rule("asgi3", lambda call: call.is_async and (call.can_take(3) or call.takes is None), "it is async and takes three"),
    Rule("asgi3", lambda call: call.is_called_by(3), "it takes three arguments"),
    Rule("wsgi", lambda call: call.is_called_by(2) and not call.is_async, "it takes two arguments, and is not async"),
)


def guess(app: Callable[..., Any]) -> Guess:
    """What app speaks. It is not called. Raises UndecidedError."""
    call = _Call(app)
    for rule in RULES:
        if rule.applies(call):
            return Guess(rule.kind, f"{_named(app)}: {rule.because}")
    raise UndecidedError(f"{_seen(call)}. {_next_step(call)}")


def _is_async(app: Any) -> bool:
    """Whether what a call of app returns is to be awaited, as far as that shows: through partials, bound methods, instances, and
    wrappers that say what they wrap."""
    for _ in range(20):  # a chain of wrappers may be a ring
        if isinstance(app, functools.partial):
            app = app.func
        elif inspect.iscoroutinefunction(app):
            return True
        elif inspect.isclass(app):
            return callable(getattr(app, "__await__", None))
        elif getattr(app, "__wrapped__", None) is not None:
            app = app.__wrapped__
        elif inspect.isroutine(app) or not callable(app):
            return False
        else:
            app = type(app).__call__
    return False


def _binds(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*(None,) * count)
    except TypeError:
        return False
    return True


def _named(app: Any) -> str:
    """What kind of object it is, for people."""
    if isinstance(app, functools.partial):
        return f"a partial of {_named(app.func)}"
    if inspect.isclass(app):
        return f"the class {app.__qualname__}"
    if inspect.iscoroutinefunction(app):
        return "a coroutine function"
    return "a function" if inspect.isroutine(app) else f"a {type(app).__module__}.{type(app).__qualname__}"


def _seen(call: _Call) -> str:
    if call.takes is None:
        return f"it is {_named(call.app)}, and its signature cannot be seen"
    if call.is_variadic:
        return f"it is {_named(call.app)} that takes whatever it is given, as a decorator without functools.wraps makes one"
    return f"it is {_named(call.app)} that takes ({', '.join(call.names)})"


def _next_step(call: _Call) -> str:
    if call.is_async and call.can_take(0) and not call.is_variadic:
        return "A factory is called before the loop runs: make it a plain function, and await in the application's lifespan"
    if call.takes is None or call.is_variadic:
        return "Say which it is: --interface asgi3, asgi2 or wsgi, or --factory"
    return (
        "An ASGI application takes (scope, receive, send), a WSGI application (environ, start_response), a factory nothing; "
        "if it is one of them all the same, say --interface or --factory"
    )
