"""Calling functions of the user that may have a parameter `signal`. Not here: what becomes of what they return."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from treadle.events import AbortSignal

__all__ = ["call_stage", "with_signal"]


def with_signal(function: Callable[..., Any], signal: AbortSignal) -> Callable[..., Any]:
    """The function, with signal=signal if it has a parameter of that name."""
    try:
        takes_signal = "signal" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # built-in ones tell nothing
        takes_signal = False
    return partial(function, signal=signal) if takes_signal else function


def call_stage(function: Callable[..., Any], arguments: tuple[Any, ...], signal: AbortSignal) -> Any:
    """function(*arguments), likewise."""
    return with_signal(function, signal)(*arguments)
