"""TreadleError, built from the table of codes. Invariants: every code stands in the table; an error of a code whose row
names a built-in exception is an instance of that, too. Not here: the texts (error_table.py). Operating system errors
stay OSError and are not wrapped.

    TreadleError                       code, message, hint, data
    ├── TreadleTypeError               also TypeError
    ├── TreadleValueError              also ValueError
    ├── TreadleRuntimeError            also RuntimeError
    ├── TreadleNotImplementedError     also NotImplementedError
    ├── TreadleConnectionError         also ConnectionError
    ├── TreadleImportError             also ImportError
    └── TreadleTimeoutError            also TimeoutError
"""

from collections.abc import Mapping
from typing import Self

from treadle._base.error_table import ERROR_TABLE

__all__ = [
    "TreadleConnectionError",
    "TreadleError",
    "TreadleImportError",
    "TreadleNotImplementedError",
    "TreadleRuntimeError",
    "TreadleTimeoutError",
    "TreadleTypeError",
    "TreadleValueError",
]


class _Fields(dict[str, object]):
    """Data fields as the template sees them: a field that was forgotten must not hide the error it was meant for."""

    def __missing__(self, field: str) -> str:
        return f"<{field}>"


class TreadleError(Exception):
    """An error with a permanent `code`.

    `TreadleError("ERR_OUT_OF_RANGE", name="port", expected="from 0 to 65535", received=70000)` makes the subclass that
    the table asks for. Match on `code` and `data`, never on the text: `message` and `hint` may be reworded. Where what it was
    made for has a `reason` that is an exception, an abort's say, that is its cause.
    """

    code: str
    message: str
    hint: str
    data: Mapping[str, object]

    def __new__(cls, code: str, /, *, hint: str | None = None, **data: object) -> Self:
        target = _CLASS_OF_BASE.get(ERROR_TABLE[code].base, TreadleError) if cls is TreadleError else cls
        return super(TreadleError, target).__new__(target)  # type: ignore[return-value]  # a subclass of cls

    def __init__(self, code: str, /, *, hint: str | None = None, **data: object) -> None:
        spec = ERROR_TABLE[code]
        super().__init__()
        self.code = code
        self.message = spec.message.format_map(_Fields(data))
        self.hint = spec.hint if hint is None else hint
        self.data = data
        self.args = (code, self.message)  # OSError, a base of one subclass, would not set it
        if isinstance(reason := data.get("reason"), BaseException):
            self.__cause__ = reason

    def __str__(self) -> str:
        return f"{self.code}: {self.message}. {self.hint}."

    def __repr__(self) -> str:
        fields = "".join(f", {name}={value!r}" for name, value in self.data.items())
        return f"{type(self).__name__}({self.code!r}{fields})"

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.code, self.hint, dict(self.data))


class TreadleTypeError(TreadleError, TypeError):
    """A TreadleError that is a TypeError as well."""


class TreadleValueError(TreadleError, ValueError):
    """A TreadleError that is a ValueError as well."""


class TreadleRuntimeError(TreadleError, RuntimeError):
    """A TreadleError that is a RuntimeError as well."""


class TreadleNotImplementedError(TreadleError, NotImplementedError):
    """A TreadleError that is a NotImplementedError as well."""


class TreadleConnectionError(TreadleError, ConnectionError):
    """A TreadleError that is a ConnectionError as well."""


class TreadleImportError(TreadleError, ImportError):
    """A TreadleError that is an ImportError as well."""


class TreadleTimeoutError(TreadleError, TimeoutError):
    """A TreadleError that is a TimeoutError as well."""


_CLASS_OF_BASE: dict[type[Exception], type[TreadleError]] = {
    TypeError: TreadleTypeError,
    ValueError: TreadleValueError,
    RuntimeError: TreadleRuntimeError,
    NotImplementedError: TreadleNotImplementedError,
    ConnectionError: TreadleConnectionError,
    ImportError: TreadleImportError,
    TimeoutError: TreadleTimeoutError,
}


def _restore(cls: type[TreadleError], code: str, hint: str, data: dict[str, object]) -> TreadleError:
    return cls(code, hint=hint, **data)
