"""Warnings of the runtime: a Python warning each, and one observer is told as well.
Invariant: the observer is None until a package above sets it. Not here: the 'warning' event (process)."""

import sys
import warnings
from collections.abc import Callable

__all__ = ["TreadleWarning", "issue_warning", "set_warning_observer"]


class TreadleWarning(RuntimeWarning):
    """A warning with the fields that Node gives it: `name` (its kind), and perhaps `code` and `detail`."""

    def __init__(self, message: str, *, name: str = "Warning", code: str | None = None, detail: str | None = None):
        super().__init__(message)
        self.name = name
        self.code = code
        self.detail = detail


_observer: Callable[[Warning], None] | None = None


def set_warning_observer(observer: Callable[[Warning], None] | None) -> None:
    """Have `observer` told of every warning, before Python's filters see it."""
    global _observer
    _observer = observer


def issue_warning(warning: Warning) -> None:
    """Warn at the nearest line outside treadle. Raises what is shown if a filter turns it into an error."""
    if _observer is not None:
        _observer(warning)
    warnings.warn(_shown(warning), stacklevel=_level_of_caller())


def _shown(warning: Warning) -> Warning:
    """What Python is to show: its format knows a class and a text, and so the fields go into the text, as Node prints them. The
    class of a subclass says its name already."""
    if type(warning) is not TreadleWarning:
        return warning
    code = f"[{warning.code}] " if warning.code is not None else ""
    name = f"{warning.name}: " if code or warning.name != "Warning" else ""
    detail = f"\n{warning.detail}" if warning.detail is not None else ""
    if not (name or detail):
        return warning
    return TreadleWarning(f"{code}{name}{warning}{detail}", name=warning.name, code=warning.code, detail=warning.detail)


def _level_of_caller() -> int:
    frame, level = sys._getframe(1), 1  # issue_warning
    while frame.f_globals.get("__name__", "").startswith("treadle.") and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    return level
