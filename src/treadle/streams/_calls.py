"""Calling the functions that stand between streams. Not here: what becomes of what they return (_pipeline.py, _duplexify.py)."""

import inspect
from collections.abc import Callable
from typing import Any

from treadle.events import AbortSignal

__all__ = ["call_stage"]


def call_stage(function: Callable[..., Any], arguments: tuple[Any, ...], signal: AbortSignal) -> Any:
    """function(*arguments), with signal=signal if it has such a parameter."""
    try:
        takes_signal = "signal" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # built-in ones tell nothing
        takes_signal = False
    return function(*arguments, signal=signal) if takes_signal else function(*arguments)
