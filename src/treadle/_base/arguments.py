"""Checks of arguments at the public face, with one wording. Not here: conversions, they belong to who needs them."""

from treadle._base.errors import TreadleError

__all__ = ["require_callable", "require_number"]


def require_callable(value: object, name: str) -> None:
    """Raise ERR_INVALID_ARG_TYPE unless `value` can be called; `name` is the parameter it came in by."""
    if not callable(value):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="callable", received=type(value).__name__)


def require_number(value: object, name: str) -> None:
    """Raise ERR_INVALID_ARG_TYPE unless `value` is a number; `name` is the parameter it came in by."""
    if not isinstance(value, (int, float)):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="a number", received=type(value).__name__)
