"""Who a callback is, what a descriptor belongs to, and which line of the user's is running.

Invariant: nothing here raises, whatever an object says of itself.
"""

import asyncio
import concurrent.futures
import functools
import os
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from treadle._native.transport import SocketTransport
from treadle.loop.event_loop import EventLoop
from treadle.loop.program import run_script
from treadle.process._process import Process
from treadle.trace.records import Origin, Place

__all__ = ["Callee", "Scheduled", "describe", "describe_handle", "describe_request", "user_place"]

TREADLE = str(Path(__file__).resolve().parent.parent) + os.sep
ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep
MACHINERY = (TREADLE, ASYNCIO, concurrent.futures.__path__[0] + os.sep, threading.__file__, "<frozen ")
BORDERS = (EventLoop._run.__code__, run_script.__code__)  # below them is whoever runs the loop

AWAITS_MAX = 100  # coroutines that await one another, looked into for the line where a task goes on
AWAITED = ("cr_await", "gi_yieldfrom", "ag_await")
FRAMES = ("cr_frame", "gi_frame", "ag_frame")

KNOWN = {  # callbacks of treadle's and asyncio's that stand for something a reader knows
    "_Program._start": "the program itself",
    "_set_result_unless_cancelled": "asyncio.sleep is over",
    "SignalPipe._read": "a signal is read from its pipe",
}
TOLD = {"begin": "connection_made", "lose": "connection_lost"}  # methods of a transport, by which a protocol is told
WATCHED = {  # native handles by their class
    "Connection": "HTTP connection",
    "HTTPListener": "HTTP listener: connections wait",
    "TransportListener": "listener: connections wait",
    "SocketListener": "listener: connections wait",
    "SocketTransport": "connection",
    "SocketStream": "socket",
    "FileSend": "a file has been sent",
    "Splice": "bytes of a socket have been moved to another",
    "FdWatcher": "descriptor",
    "Pool": "thread pool: results are there",
    "Waker": "wake-up, asked for by another thread",
}


class Scheduled:
    """A callback of a kind that has no handle, with its origin. Looks like functools.partial to whoever describes it."""

    __slots__ = ("args", "func", "origin")

    def __init__(self, func: Any, origin: Origin, args: tuple[Any, ...] = ()) -> None:
        self.func = func
        self.origin = origin
        self.args = args

    def __call__(self, *args: Any) -> object:
        return self.func(*args)


class Callee(NamedTuple):
    """Who runs."""

    name: str
    place: Place | None
    is_internal: bool
    is_task: bool = False
    is_started: bool = False  # of a task: this is not its first step
    is_cancelled: bool = False  # of a task: what it awaited was, or it is itself, and so it goes on


def describe(callback: Any) -> Callee:
    """A function, method, partial, callable object, or a step of a task."""
    args: tuple[Any, ...] = ()
    while isinstance(callback, Scheduled | functools.partial):
        callback, args = callback.func, callback.args
    try:
        if getattr(callback, "__func__", None) is Process._emit_signal and args:
            return _signal(args[0], callback.__self__.listeners(args[0]))
        return _describe(callback)
    except Exception:  # an attribute of the user's raised
        return Callee(type(callback).__name__, None, False)


def _describe(callback: Any) -> Callee:
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task) and getattr(callback, "__name__", None) != "cancel":
        coroutine = owner.get_coro()
        if coroutine is not None:
            return _step(coroutine)._replace(is_cancelled=_is_cancelled(owner))
    if type(owner) is asyncio.Handle:  # of a signal that asyncio's loop hands on
        return _describe(owner._callback)  # type: ignore[attr-defined]
    name = getattr(callback, "__qualname__", type(callback).__qualname__)
    if type(owner) is SocketTransport:
        told = TOLD.get(callback.__name__)
        if told is None:
            return Callee(str(name), None, True)
        callback = getattr(owner.get_protocol(), told)
        name = callback.__qualname__
    code = getattr(callback, "__code__", None)
    if not isinstance(code, CodeType):
        code = getattr(getattr(type(callback), "__call__"), "__code__", None)  # noqa: B004, B009 - of an object that is callable
    if not isinstance(code, CodeType):
        return Callee(str(name), None, False)
    is_internal = code.co_filename.startswith((TREADLE, ASYNCIO))
    known = KNOWN.get(name) if is_internal else None
    if known is not None:
        return Callee(known, None, False)
    return Callee(name, Place(code.co_filename, code.co_firstlineno), is_internal)


def _signal(name: str, listeners: list[Any]) -> Callee:
    heard = [describe(listener) for listener in listeners]
    return Callee(": ".join([name, *(who.name for who in heard)]), heard[0].place if heard else None, False)


def _step(coroutine: Any) -> Callee:
    code = getattr(coroutine, "cr_code", None) or getattr(coroutine, "gi_code", None)
    name = str(getattr(coroutine, "__qualname__", type(coroutine).__qualname__))
    if not isinstance(code, CodeType):
        return Callee(name, None, False, is_task=True, is_started=True)
    is_started = bool(getattr(coroutine, "cr_suspended", False) or getattr(coroutine, "gi_suspended", False))
    place = _goes_on_at(coroutine) if is_started else None
    is_internal = code.co_filename.startswith((TREADLE, ASYNCIO))
    return Callee(name, place or Place(code.co_filename, code.co_firstlineno), is_internal, is_task=True, is_started=is_started)


def _goes_on_at(coroutine: Any) -> Place | None:
    """Of the coroutines that await one another: the innermost line of the user's, else that of the outermost."""
    place = None
    for _ in range(AWAITS_MAX):
        frame = _first(coroutine, FRAMES)
        if isinstance(frame, FrameType) and (place is None or not frame.f_code.co_filename.startswith(MACHINERY)):
            place = Place(frame.f_code.co_filename, frame.f_lineno)
        coroutine = _first(coroutine, AWAITED)
        if coroutine is None:
            break
    return place


def _first(owner: Any, names: tuple[str, ...]) -> Any:
    return next((found for name in names if (found := getattr(owner, name, None)) is not None), None)


def _is_cancelled(task: Any) -> bool:
    waiter = getattr(task, "_fut_waiter", None)
    return bool(getattr(task, "_must_cancel", False)) or (waiter is not None and waiter.cancelled())


def describe_handle(handle: Any, ready: int) -> str:
    """What watches a descriptor; ready: 1 readable, 2 writable, 3 both."""
    try:
        name = WATCHED.get(type(handle).__name__, type(handle).__name__)
        if type(handle).__name__ in ("Connection", "SocketTransport", "SocketStream", "FdWatcher"):
            state = {1: ", readable", 2: ", writable", 3: ", readable and writable"}.get(ready, "")
            get_protocol = getattr(handle, "get_protocol", None)
            protocol = f" of {type(get_protocol()).__qualname__}" if get_protocol is not None else ""
            return f"{name} fd {handle.fileno()}{protocol}{state}"
        return name
    except Exception:
        return type(handle).__name__


def describe_request(request: Any, server: Any) -> Callee:
    """The handler, or the application, that answers a request."""
    try:
        who = describe(getattr(server, "app", None) or server.handler)
        return who._replace(name=f"{request.method} {request.url}: {who.name}", is_internal=False)
    except Exception:
        return Callee("request", None, False)


def user_place() -> Place | None:
    """The innermost line that is running, of the callback that runs now or of another thread; not treadle's, asyncio's and the
    like."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code not in BORDERS:
        if not frame.f_code.co_filename.startswith(MACHINERY):
            return Place(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None
