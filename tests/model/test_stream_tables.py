"""The tables of the model of streams: whatever they do not know raises, and changes nothing; nothing in them is out of reach."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from itertools import product
from typing import Any

import pytest

from tests.model.streams import ending, lifecycle, read_side
from tests.model.streams.table import Machine, TableLeft

TABLES = {
    "lifecycle": (lifecycle.TRANSITIONS, lifecycle.Life, lifecycle.Event, [lifecycle.Life.CONSTRUCTING, lifecycle.Life.OPEN]),
    "read_side": (read_side.TRANSITIONS, read_side.Supply, read_side.Event, [read_side.Supply.OPEN]),
    "ending": (ending.TRANSITIONS, ending.State, ending.Event, [ending.State.OPEN]),
}

Table = tuple[Mapping[tuple[Any, Any], Any], type[Enum], type[Enum], list[Any]]


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest) -> Table:
    return TABLES[request.param]


def test_an_unknown_event_raises_and_changes_nothing(table: Table) -> None:
    transitions, states, events, _ = table
    unknown = [pair for pair in product(states, events) if pair not in transitions]
    assert unknown
    for state, event in unknown:
        machine = Machine(transitions, state)
        with pytest.raises(TableLeft):
            machine.on(event)
        assert machine.is_in(state)


def test_a_known_event_leads_where_the_table_says(table: Table) -> None:
    for (state, event), following in table[0].items():
        machine = Machine(table[0], state)
        machine.on(event)
        assert machine.is_in(following)


def test_every_state_is_reached(table: Table) -> None:
    transitions, states, _, starts = table
    reached = set(starts)
    for _ in states:
        reached |= {following for (state, _), following in transitions.items() if state in reached}
    assert reached == set(states)
