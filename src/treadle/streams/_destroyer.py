"""Destroying whatever a stage of a pipeline is. Not here: when (pipeline.py, compose.py)."""

from typing import Any

from treadle._base.errors import TreadleError

__all__ = ["destroy_stage", "is_abort", "is_through"]


def destroy_stage(stream: Any, error: BaseException | None) -> None:
    """Destroy a stream; without an error, with ABORT_ERR if it is not through."""
    if stream is None or stream.destroyed:
        return
    if error is None and not is_through(stream):
        error = TreadleError("ABORT_ERR", reason=None)
    stream.destroy(error)


def is_through(stream: Any) -> bool:
    """Whether it neither gives nor takes anything any more."""
    return bool(stream.destroyed or not (getattr(stream, "readable", False) or getattr(stream, "writable", False)))


def is_abort(error: BaseException | None) -> bool:
    """Whether it says that somebody gave up, rather than what went wrong."""
    return getattr(error, "code", None) == "ABORT_ERR"
