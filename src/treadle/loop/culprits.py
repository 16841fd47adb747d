"""Who a scheduled callback is: the user's function, or the coroutine that waits for what asyncio or treadle scheduled.

Invariant: no code of the user's runs here. A callback may have a `__getattr__` that raises or a `__repr__` that takes a second,
its class a metaclass with a `__getattribute__`, and it is named while the loop is busy enough: only what C code answers is asked,
and what lies in a dictionary. So not `inspect.getattr_static`, which asks a class for its `__dict__`.
"""

import asyncio
import asyncio.tasks
import functools
import os
import types
from contextvars import Context
from typing import Any, NamedTuple

ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep
TREADLE = (os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep, "src/treadle/_native/")  # Python's, Cython's
TASKS = (asyncio.Task, asyncio.tasks._PyTask)  # type: ignore[attr-defined]
BUILTIN_ATTRIBUTES = (types.GetSetDescriptorType, types.MemberDescriptorType)
BASES_OF = type.__dict__["__mro__"].__get__
MEMBERS_OF = type.__dict__["__dict__"].__get__
NAME_OF = type.__dict__["__qualname__"].__get__
INNER_OF = functools.partial.__dict__["func"].__get__
ARGUMENTS_OF = functools.partial.__dict__["args"].__get__
DEPTH_MAX = 6  # callback -> future -> gather -> task: nobody's way to his coroutine is longer
WAITERS_MAX = 4  # of one future that are asked for


class Culprit(NamedTuple):
    """Who it is."""

    name: str
    is_asyncios: bool  # asyncio scheduled it: a task's step, a future's callback, a sleep
    is_treadles: bool = False  # it is treadle's own function, for which nobody waits


def culprit_of(callback: Any, args: Any) -> Culprit | None:
    """Who is behind callback(*args). None where it is forgotten, or was cancelled. Raises nothing."""
    if callback is None:
        return None
    owner, function = unwrapped(callback)
    code = code_of(function)
    is_ours = is_treadles(code)
    if not is_a(owner, TASKS) and not is_asyncios(code) and not is_ours:
        return Culprit(name_of(function, code), False)
    waits = waiting_coroutine(callback, args, DEPTH_MAX)
    return Culprit(waits or name_of(function, code), not is_ours, is_ours and waits is None)


def waiting_coroutine(callback: Any, args: Any, depth: int) -> str | None:
    """The coroutine that goes on by this callback of asyncio's, or of treadle's. None: nobody of the user's waits for it."""
    if depth == 0:
        return None
    owner, function = unwrapped(callback)
    code = code_of(function)
    if is_a(owner, TASKS):
        coroutine = attribute(owner, "_coro")  # None of one that was never set up
        written = attribute(coroutine, "cr_code") or attribute(coroutine, "gi_code")
        if coroutine is not None and not is_asyncios(written):
            return name_of(coroutine, written)
        return waiter_of(owner, depth)
    if not is_asyncios(code) and not is_treadles(code):
        return name_of(function, code)
    for held in (*items(args), *(content(cell) for cell in items(attribute(function, "__closure__")))):
        if is_future(held) and (found := waiter_of(held, depth)):
            return found
    return None


def waiter_of(future: Any, depth: int) -> str | None:
    """Who is told once future is done."""
    callbacks = attribute(future, "_callbacks")
    for entry in callbacks[:WAITERS_MAX] if type(callbacks) is list else ():
        if items(entry) and (found := waiting_coroutine(entry[0], (), depth - 1)):
            return found
    return None


def unwrapped(callback: Any) -> tuple[Any, Any]:
    """What a method is bound to, and its function; of a functools.partial, those of what it stands for, and runs in a context."""
    for _ in range(DEPTH_MAX):
        if not is_a(callback, functools.partial):
            break
        inner, arguments = INNER_OF(callback), ARGUMENTS_OF(callback)
        callback = arguments[0] if arguments and is_context_run(inner) else inner
    return attribute(callback, "__self__"), callback.__func__ if is_a(callback, types.MethodType) else callback


def is_context_run(function: Any) -> bool:
    # As asyncio.to_thread calls what it is given.
    return type(function) is types.BuiltinMethodType and type(function.__self__) is Context and function.__name__ == "run"


def code_of(function: Any) -> types.CodeType | None:
    """Where it was written: its own code, or that of its class's __call__."""
    code = attribute(function, "__code__")
    if not is_a(code, types.CodeType):
        code = attribute(in_class(function, "__call__"), "__code__")
    return code if is_a(code, types.CodeType) else None


def is_asyncios(code: Any) -> bool:
    return is_a(code, types.CodeType) and code.co_filename.startswith(ASYNCIO)


def is_treadles(code: Any) -> bool:
    return is_a(code, types.CodeType) and code.co_filename.startswith(TREADLE)


def name_of(subject: Any, code: Any) -> str:
    """Its own name, or that of its class."""
    name = attribute(subject, "__qualname__")
    if type(name) is not str:
        name = str.__str__(NAME_OF(type(subject)))  # a class may have a name of a class of its own
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if is_a(code, types.CodeType) else name


def is_future(subject: Any) -> bool:
    return in_class(subject, "_asyncio_future_blocking") is not None


def is_a(subject: Any, kinds: type | tuple[type, ...]) -> bool:
    """isinstance(), which would ask the subject for its __class__."""
    return issubclass(type(subject), kinds)


def attribute(subject: Any, name: str) -> Any:
    """What getattr() would find without running anybody's code; None: nothing."""
    found = in_class(subject, name)
    if is_a(found, BUILTIN_ATTRIBUTES):
        return builtin(found, subject)
    for base in BASES_OF(type(subject)):
        kept = MEMBERS_OF(base).get("__dict__")
        if type(kept) is types.GetSetDescriptorType:  # else it is the user's, and no dictionary of ours to look into
            members = builtin(kept, subject)
            if (type(members) is dict or type(members) is types.MappingProxyType) and name in members:
                return members[name]
            break
    return found


def in_class(subject: Any, name: str) -> Any:
    """What its class has by that name, as it stands there."""
    for base in BASES_OF(type(subject)):
        members = MEMBERS_OF(base)
        if name in members:
            return members[name]
    return None


def builtin(descriptor: Any, subject: Any) -> Any:
    """What C code answers."""
    try:
        return descriptor.__get__(subject)
    except Exception:  # not set; of a class, where it is its instances'
        return None


def items(subject: Any) -> tuple[Any, ...]:
    """Of a tuple; of nothing else."""
    return subject if type(subject) is tuple else ()


def content(cell: Any) -> Any:
    """Of a closure; None where it is empty."""
    try:
        return cell.cell_contents if type(cell) is types.CellType else None
    except ValueError:
        return None
