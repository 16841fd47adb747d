"""TreadleError: which class a code makes, what it carries, that it survives pickling."""

import copy
import pickle

import pytest

from treadle._base.error_table import ERROR_TABLE
from treadle._base.errors import (
    TreadleConnectionError,
    TreadleError,
    TreadleRuntimeError,
    TreadleTypeError,
    TreadleValueError,
)


@pytest.mark.parametrize("code", ERROR_TABLE)
def test_an_error_is_what_its_row_says(code: str) -> None:
    error = TreadleError(code)
    assert isinstance(error, TreadleError)
    assert isinstance(error, ERROR_TABLE[code].base)
    assert error.code == code
    assert error.hint == ERROR_TABLE[code].hint
    assert error.args == (code, error.message)
    assert str(error).startswith(f"{code}: ")
    assert repr(error) == f"{type(error).__name__}({code!r})"


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        ("ERR_INVALID_ARG_TYPE", TreadleTypeError),
        ("ERR_OUT_OF_RANGE", TreadleValueError),
        ("ERR_NO_LOOP", TreadleRuntimeError),
        ("ERR_HTTP_REQUEST_ABORTED", TreadleConnectionError),
        ("ERR_HTTP_HEADERS_SENT", TreadleError),
    ],
)
def test_the_table_picks_the_class(code: str, cls: type[TreadleError]) -> None:
    assert type(TreadleError(code)) is cls


def test_data_fills_the_message_and_stays_readable() -> None:
    error = TreadleError("ERR_OUT_OF_RANGE", name="port", expected="from 0 to 65535", received=70_000)
    assert error.data == {"name": "port", "expected": "from 0 to 65535", "received": 70_000}
    assert "70000" in error.message
    assert "port" in error.message


def test_a_field_that_is_missing_does_not_hide_the_error() -> None:
    assert "<name>" in TreadleError("ERR_OUT_OF_RANGE", received=1).message


def test_data_beyond_the_message_is_kept() -> None:
    assert TreadleError("ERR_NO_LOOP", thread="worker-1").data == {"thread": "worker-1"}


def test_a_hint_of_its_own() -> None:
    error = TreadleError("ERR_NO_LOOP", hint="Open the door")
    assert error.hint == "Open the door"
    assert "Open the door" in str(error)


def test_a_code_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(KeyError):
        TreadleError("ERR_TYPO")


@pytest.mark.parametrize("duplicate", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
@pytest.mark.parametrize("code", ["ERR_HTTP_HEADERS_SENT", "ERR_OUT_OF_RANGE", "ERR_HTTP_REQUEST_ABORTED"])
def test_a_copy_has_the_same_fields(duplicate, code: str) -> None:  # type: ignore[no-untyped-def]
    error = TreadleError(code, hint="now", name="a", operation="b")
    twin = duplicate(error)
    assert type(twin) is type(error)
    assert vars(twin) == vars(error)
    assert twin.args == error.args


def test_an_ordinary_except_clause_catches_it() -> None:
    with pytest.raises(ConnectionError) as caught:
        raise TreadleError("ERR_HTTP_REQUEST_ABORTED")
    assert caught.value.errno is None


def test_an_exception_that_is_the_reason_is_the_cause() -> None:
    reason = ValueError("enough")
    assert TreadleError("ABORT_ERR", reason=reason).__cause__ is reason
    assert TreadleError("ABORT_ERR", reason="enough").__cause__ is None
