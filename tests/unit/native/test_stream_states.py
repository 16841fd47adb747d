"""The three tables of a stream's states: every pair of them, and every pair they lack."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from treadle._native import stream_states as tables


@dataclass(frozen=True)
class Table:
    states: tuple[str, ...]
    events: tuple[str, ...]
    transitions: dict[tuple[str, str], str]
    after: Callable[[str, str], str]
    first: set[str]
    last: set[str]


LIFE = Table(tables.LIVES, tables.LIFE_EVENTS, tables.LIFE_TRANSITIONS, tables.life_after, {"CONSTRUCTING", "ALIVE"}, {"GONE"})
SUPPLY = Table(
    tables.SUPPLIES, tables.SUPPLY_EVENTS, tables.SUPPLY_TRANSITIONS, tables.supply_after, {"SUPPLYING"}, {"END_EMITTED"}
)
INTAKE = Table(tables.INTAKES, tables.INTAKE_EVENTS, tables.INTAKE_TRANSITIONS, tables.intake_after, {"OPEN"}, {"FINISHED"})
TABLES = {"life": LIFE, "supply": SUPPLY, "intake": INTAKE}

each_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


@pytest.mark.parametrize(
    ("table", "state", "event"),
    [
        pytest.param(table, state, event, id=f"{name}-{state}-{event}")
        for name, table in TABLES.items()
        for state, event in itertools.product(table.states, table.events)
    ],
)
def test_a_pair_leads_where_the_table_says_or_nowhere(table: Table, state: str, event: str) -> None:
    if (state, event) in table.transitions:
        assert table.after(state, event) == table.transitions[state, event]
    else:
        with pytest.raises(AssertionError, match=f"{state} cannot take {event}"):
            table.after(state, event)


@each_table
def test_names_that_are_none_are_refused(table: Table) -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        table.after("NOWHERE", table.events[0])
    with pytest.raises(ValueError, match="not in tuple"):
        table.after(table.states[0], "NOTHING")


@each_table
def test_every_state_is_reached_and_every_event_taken(table: Table) -> None:
    assert table.first | set(table.transitions.values()) == set(table.states)
    assert {event for _, event in table.transitions} == set(table.events)


@each_table
def test_there_is_no_way_back(table: Table) -> None:
    # The states stand in the order of a life: `life >= DOOMED` and the like rely on it.
    for (state, _), after in table.transitions.items():
        assert table.states.index(after) > table.states.index(state)


@each_table
def test_only_the_last_state_has_no_way_out(table: Table) -> None:
    assert set(table.states) - {state for state, _ in table.transitions} == table.last
