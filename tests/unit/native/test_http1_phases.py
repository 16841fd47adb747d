"""The table of a connection's phases: every pair of it, every pair it lacks, and the diagram in the docs."""

import itertools
from pathlib import Path

import pytest

from tools.gen_state_diagrams import diagram
from treadle._native.http1_phases import EVENTS, PHASES, TRANSITIONS, phase_after


@pytest.mark.parametrize(("phase", "event"), list(itertools.product(PHASES, EVENTS)))
def test_a_pair_leads_where_the_table_says_or_nowhere(phase: str, event: str) -> None:
    if (phase, event) in TRANSITIONS:
        assert phase_after(phase, event) == TRANSITIONS[phase, event]
    else:
        with pytest.raises(AssertionError, match=f"{phase} cannot take {event}"):
            phase_after(phase, event)


def test_names_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        phase_after("CLOSED", "BEGIN")


def test_every_phase_is_reached_and_every_event_taken() -> None:
    assert {"IDLE", *TRANSITIONS.values()} == set(PHASES)
    assert {event for _, event in TRANSITIONS} == set(EVENTS)


def test_only_what_ends_a_connection_has_no_way_out() -> None:
    assert set(PHASES) - {phase for phase, _ in TRANSITIONS} == {"LINGERING", "SWITCHED"}


def test_the_diagram_in_the_docs_is_the_table(repository: Path) -> None:
    assert diagram("connection") in (repository / "docs" / "design" / "http.md").read_text(), "run tools/gen_state_diagrams.py"
