"""Errors by code alone: texts are no part of the specification."""

from __future__ import annotations


class StreamError(Exception):
    """Node's error of that code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def abort_error() -> StreamError:
    return StreamError("ABORT_ERR")


def multiple_callback() -> StreamError:
    return StreamError("ERR_MULTIPLE_CALLBACK")


def premature_close() -> StreamError:
    return StreamError("ERR_STREAM_PREMATURE_CLOSE")


def destroyed() -> StreamError:
    return StreamError("ERR_STREAM_DESTROYED")


def is_abort(error: BaseException) -> bool:
    return code_of(error) == "ABORT_ERR"


def is_premature_close(error: BaseException) -> bool:
    return code_of(error) == "ERR_STREAM_PREMATURE_CLOSE"


def code_of(error: BaseException) -> str | None:
    return getattr(error, "code", None)
