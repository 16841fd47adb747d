"""What functions of this package are given: data as bytes or text, and whole numbers. Not here: names of algorithms."""

from treadle._base.errors import TreadleError
from treadle.streams._text import encode

__all__ = ["INT32_MAX", "Data", "bytes_of", "require_int", "require_str", "view_of"]

Data = str | bytes | bytearray | memoryview

INT32_MAX = 2**31 - 1  # bytes, iterations: the largest int of OpenSSL, and so of Node


def view_of(data: object, name: str, encoding: str = "utf8") -> bytes | bytearray | memoryview:
    """The bytes of it, not copied; text is encoded, and what is no base64 or hex left out, as in Node.

    Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_ENCODING.
    """
    if isinstance(data, (bytes, bytearray)):
        return data
    if isinstance(data, str):
        return encode(data, encoding)
    try:
        view = memoryview(data)  # type: ignore[arg-type]
    except TypeError:
        raise TreadleError(
            "ERR_INVALID_ARG_TYPE", name=name, expected="bytes, bytearray, memoryview or str", received=type(data).__name__
        ) from None
    return view.cast("B") if view.c_contiguous else view.tobytes()


def bytes_of(data: object, name: str) -> bytes:
    """The same as bytes that nobody changes, for a job that may have to wait."""
    return bytes(view_of(data, name))


def require_int(value: object, name: str, low: int, high: int) -> int:
    """The int, if it is one from low to high. Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="an int", received=type(value).__name__)
    if not low <= value <= high:
        raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected=f"from {low} to {high}", received=value)
    return value


def require_str(value: object, name: str) -> str:
    """The str, if it is one. Raises TreadleError: ERR_INVALID_ARG_TYPE."""
    if not isinstance(value, str):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="a str", received=type(value).__name__)
    return value
