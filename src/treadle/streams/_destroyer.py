"""Destroying whatever a stage of a pipeline is, and giving up. Not here: when (pipeline.py, compose.py)."""

from typing import Any, Final

from treadle._base.errors import TreadleError

__all__ = ["destroy_stage", "giving_up", "is_abort", "is_giving_up", "is_through"]

_MARK: Final = "_is_giving_up"


def destroy_stage(stream: Any, error: BaseException | None) -> None:
    """Destroy a stream; without an error, with ABORT_ERR if it is not through."""
    if stream is None or stream.destroyed:
        return
    if error is None and not is_through(stream):
        error = giving_up()
    stream.destroy(error)


def is_through(stream: Any) -> bool:
    """Whether it neither gives nor takes anything any more."""
    return bool(stream.destroyed or not (getattr(stream, "readable", False) or getattr(stream, "writable", False)))


def giving_up(reason: object = None) -> TreadleError:
    """ABORT_ERR where whoever works with the stream needs it no more: nothing has failed, nor has a signal been aborted."""
    error = TreadleError("ABORT_ERR", reason=reason)
    setattr(error, _MARK, True)
    return error


def is_giving_up(error: BaseException | None) -> bool:
    """Whether it is of giving_up()."""
    return isinstance(error, TreadleError) and _MARK in vars(error)


def is_abort(error: BaseException | None) -> bool:
    """Whether it says that somebody gave up, rather than what went wrong."""
    return getattr(error, "code", None) == "ABORT_ERR"
