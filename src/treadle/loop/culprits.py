"""Who a scheduled callback is: the user's function, or the coroutine that waits for what asyncio scheduled.

Invariant: no code of the user's runs here. A callback may have a `__getattr__` that raises or a `__repr__` that takes a second,
and it is named while the loop is busy enough: only what C code answers is asked, and what lies in a dictionary.
"""

import asyncio
import asyncio.tasks
import inspect
import os
import types
from typing import Any, NamedTuple

ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep
TASKS = (asyncio.Task, asyncio.tasks._PyTask)  # type: ignore[attr-defined]
DEPTH_MAX = 6  # callback -> future -> gather -> task: nobody's way to his coroutine is longer
WAITERS_MAX = 4  # of one future that are asked for


class Culprit(NamedTuple):
    """Who it is, and whether asyncio scheduled it: a task's step, a future's callback, a sleep."""

    name: str
    is_asyncios: bool


def culprit_of(callback: Any, args: Any) -> Culprit | None:
    """Who is behind callback(*args). None where it is forgotten, or was cancelled. Raises nothing."""
    if callback is None:
        return None
    owner, function = unwrapped(callback)
    code = code_of(function)
    if not is_a(owner, TASKS) and not is_asyncios(code):
        return Culprit(name_of(function, code), False)
    return Culprit(waiting_coroutine(callback, args, DEPTH_MAX) or name_of(function, code), True)


def waiting_coroutine(callback: Any, args: Any, depth: int) -> str | None:
    """The coroutine that goes on by this callback of asyncio's. None: nobody of the user's waits for it."""
    if depth == 0:
        return None
    owner, function = unwrapped(callback)
    code = code_of(function)
    if is_a(owner, TASKS):
        coroutine = next(kind for kind in TASKS if is_a(owner, kind)).get_coro(owner)
        written = attribute(coroutine, "cr_code") or attribute(coroutine, "gi_code")
        if not is_asyncios(written):
            return name_of(coroutine, written)
        return waiter_of(owner, depth)
    if not is_asyncios(code):
        return name_of(function, code)
    cells = attribute(function, "__closure__") or ()
    for held in (*(args or ()), *(content(cell) for cell in cells)):
        if is_future(held) and (found := waiter_of(held, depth)):
            return found
    return None


def waiter_of(future: Any, depth: int) -> str | None:
    """Who is told once future is done."""
    callbacks = attribute(future, "_callbacks")
    for entry in callbacks[:WAITERS_MAX] if type(callbacks) is list else ():
        if type(entry) is tuple and (found := waiting_coroutine(entry[0], (), depth - 1)):
            return found
    return None


def unwrapped(callback: Any) -> tuple[Any, Any]:
    """What a method is bound to, and its function; of what stands for another callable, as functools.partial does, that one's."""
    for _ in range(DEPTH_MAX):
        inner = attribute(callback, "func")
        if inner is None:
            break
        callback = inner
    return attribute(callback, "__self__"), callback.__func__ if is_a(callback, types.MethodType) else callback


def code_of(function: Any) -> types.CodeType | None:
    """Where it was written: its own code, or that of its class's __call__."""
    code = attribute(function, "__code__")
    if not is_a(code, types.CodeType):
        code = attribute(inspect.getattr_static(type(function), "__call__", None), "__code__")
    return code if is_a(code, types.CodeType) else None


def is_asyncios(code: Any) -> bool:
    return is_a(code, types.CodeType) and code.co_filename.startswith(ASYNCIO)


def name_of(subject: Any, code: Any) -> str:
    """Its own name, or that of its class."""
    name = attribute(subject, "__qualname__")
    if type(name) is not str:
        name = type.__dict__["__qualname__"].__get__(type(subject))
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if is_a(code, types.CodeType) else name


def is_future(subject: Any) -> bool:
    return inspect.getattr_static(type(subject), "_asyncio_future_blocking", None) is not None


def is_a(subject: Any, kinds: type | tuple[type, ...]) -> bool:
    """isinstance(), which would ask the subject for its __class__."""
    return issubclass(type(subject), kinds)


def attribute(subject: Any, name: str) -> Any:
    """What getattr() would find without running anybody's code; None: nothing."""
    found = inspect.getattr_static(subject, name, None)
    if is_a(found, (types.GetSetDescriptorType, types.MemberDescriptorType)):
        try:
            return found.__get__(subject)
        except (AttributeError, TypeError):  # not set; of a class, where it is its instances'
            return None
    return found


def content(cell: Any) -> Any:
    """Of a closure; None where it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return None
