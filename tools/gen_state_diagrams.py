"""Draws the state diagrams of docs/design from the native tables of transitions.

    python tools/gen_state_diagrams.py      run it after a change of a table

Each diagram stands behind the line `<!-- states: NAME -->` of its page. Tests compare the pages with the tables. Not here: the
words around the diagrams.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from treadle._native.http1_phases import PHASES, TRANSITIONS
from treadle._native.stream_states import (
    INTAKE_TRANSITIONS,
    INTAKES,
    LIFE_TRANSITIONS,
    LIVES,
    SUPPLIES,
    SUPPLY_TRANSITIONS,
)

DESIGN = Path(__file__).resolve().parent.parent / "docs" / "design"


class Machine(NamedTuple):
    page: str
    first: tuple[str, ...]  # states in which it may begin
    states: tuple[str, ...]
    transitions: Mapping[tuple[str, str], str]


MACHINES = {
    "connection": Machine("http.md", ("IDLE",), PHASES, TRANSITIONS),
    "life": Machine("streams.md", ("CONSTRUCTING", "ALIVE"), LIVES, LIFE_TRANSITIONS),
    "supply": Machine("streams.md", ("SUPPLYING",), SUPPLIES, SUPPLY_TRANSITIONS),
    "intake": Machine("streams.md", ("OPEN",), INTAKES, INTAKE_TRANSITIONS),
}


def diagram(name: str) -> str:
    """A Mermaid state diagram behind its marker: one arrow for each row of the table."""
    machine = MACHINES[name]
    arrows = [f"[*] --> {state}" for state in machine.first]
    arrows += [f"{before} --> {after}: {event}" for (before, event), after in machine.transitions.items()]
    left = {before for before, _ in machine.transitions}
    arrows += [f"{state} --> [*]" for state in machine.states if state not in left]
    body = "".join(f"    {arrow}\n" for arrow in arrows)
    return f"<!-- states: {name} -->\n\n```mermaid\nstateDiagram-v2\n{body}```\n"


if __name__ == "__main__":
    for name, machine in MACHINES.items():
        page = DESIGN / machine.page
        drawn = re.compile(rf"<!-- states: {name} -->\n\n```mermaid\n.*?```\n", re.DOTALL)
        page.write_text(drawn.sub(diagram(name), page.read_text(), count=1))
        print(f"{page.name}: {name}")
