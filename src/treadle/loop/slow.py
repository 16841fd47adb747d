"""Who took long, in the words of debug mode's log. Not here: who is asked, and how long is long (event_loop.py)."""

from __future__ import annotations

import asyncio
from asyncio import format_helpers, sslproto
from collections.abc import Callable
from typing import Any, cast

from treadle._native.queues import Handle

__all__ = ["describe"]


def describe(callback: object, subject: object) -> str:
    """A Handle or a task as asyncio shows it; of anything else what was called, and for what: `f() at app.py:3 of <Timeout ...>`.
    callback is None where a descriptor was ready: then its protocol, if it has one, stands for what was called."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):  # one of its steps, as a rule
        return repr(owner)
    if isinstance(subject, Handle):
        return repr(subject)
    if callback is not None:
        return f"{format_helpers._format_callback_source(cast(Callable[..., Any], callback), ())} of {subject!r}"
    get_protocol = getattr(subject, "get_protocol", None)
    if get_protocol is None:
        return repr(subject)
    protocol = get_protocol()
    if isinstance(protocol, sslproto.SSLProtocol):
        protocol = protocol._app_protocol
    return f"{type(protocol).__qualname__} of {subject!r}"
