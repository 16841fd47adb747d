"""Warnings of the runtime: whom they blame, who is told, in which order."""

import warnings

import pytest

from treadle._base.warning import TreadleWarning, issue_warning, set_warning_observer
from treadle.events import EventEmitter, MaxListenersExceededWarning


@pytest.fixture
def observed(monkeypatch: pytest.MonkeyPatch) -> list[Warning]:
    seen: list[Warning] = []
    monkeypatch.setattr("treadle._base.warning._observer", None)  # put back afterwards
    set_warning_observer(seen.append)
    return seen


def test_a_warning_is_an_ordinary_python_warning(observed: list[Warning]) -> None:
    warning = TreadleWarning("text", name="TestWarning", code="C1", detail="more")
    with pytest.warns(TreadleWarning, match="text") as caught:
        issue_warning(warning)
    shown = caught[0].message
    assert isinstance(shown, TreadleWarning)
    assert (str(shown), shown.name, shown.code, shown.detail) == ("[C1] TestWarning: text\nmore", "TestWarning", "C1", "more")
    assert (warning.name, warning.code, warning.detail) == ("TestWarning", "C1", "more")
    assert observed == [warning]


def test_it_points_at_the_line_outside_treadle() -> None:
    emitter = EventEmitter().set_max_listeners(1).on("x", print)
    with pytest.warns(MaxListenersExceededWarning) as caught:
        emitter.prepend_once_listener("x", print)
    assert caught[0].filename == __file__


def test_the_observer_is_told_even_if_a_filter_drops_it(observed: list[Warning]) -> None:
    warning = TreadleWarning("text")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        issue_warning(warning)
    assert observed == [warning]


def test_a_filter_may_make_it_an_error(observed: list[Warning]) -> None:
    emitter = EventEmitter().set_max_listeners(1).on("x", print)
    with warnings.catch_warnings(), pytest.raises(MaxListenersExceededWarning):
        warnings.simplefilter("error")
        emitter.on("x", print)
    assert emitter.listener_count("x") == 2
    assert [type(warning) for warning in observed] == [MaxListenersExceededWarning]
