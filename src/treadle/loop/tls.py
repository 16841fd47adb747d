"""Which class speaks TLS on this Python, and asyncio's start_tls with it.

Invariant: where asyncio keeps its state otherwise than the native class knows, TLS is asyncio's alone: slower, and right.
Not here: the steady state (treadle._native.tls).
"""

from __future__ import annotations

from asyncio import base_events, sslproto
from types import FunctionType, GetSetDescriptorType, SimpleNamespace
from typing import Any

CALLED = (  # methods of asyncio's SSLProtocol that the native class calls, or stands in for
    *("buffer_updated", "_get_app_transport", "_do_read", "_do_write", "_write_appdata", "_control_app_writing"),
    *("_control_ssl_reading", "_call_eof_received", "_start_shutdown", "_fatal_error"),
)


def choose(asyncios: Any) -> Any:
    """The native class, if this SSLProtocol of asyncio's has the methods and fields that it knows; else asyncio's."""
    if not hasattr(sslproto, "SSLAgainErrors"):  # a Python without OpenSSL: asyncio raises where TLS is asked for
        return asyncios
    from treadle._native.tls import TlsCore, TlsProtocol

    shared = {name for name, value in vars(TlsCore).items() if isinstance(value, GetSetDescriptorType)}
    methods = [value for value in vars(asyncios).values() if isinstance(value, FunctionType)]
    named = {name for method in methods for name in method.__code__.co_names}
    return TlsProtocol if shared <= named and all(hasattr(asyncios, name) for name in CALLED) else asyncios


PROTOCOL = choose(sslproto.SSLProtocol)


def _with_protocol(function: Any) -> Any:
    # COMPAT(asyncio): a function that makes an SSLProtocol by the name that its module knows, and here finds ours. Its text stays
    # asyncio's, which is another one from version to version (since gh-142352 it hands over what a StreamReader holds).
    names = {**function.__globals__, "sslproto": SimpleNamespace(SSLProtocol=PROTOCOL)}
    ours = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    ours.__kwdefaults__ = function.__kwdefaults__
    ours.__doc__ = function.__doc__
    return ours


start_tls = _with_protocol(base_events.BaseEventLoop.start_tls)
