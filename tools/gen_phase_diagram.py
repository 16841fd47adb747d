"""Draws the phases of an HTTP connection in docs/design/http.md from the native table of transitions.

    python tools/gen_phase_diagram.py      run it after a change of TRANSITIONS in src/treadle/_native/http1_phases.pyx

A test compares the page with the table. Not here: the words around the diagram.
"""

import re
from pathlib import Path

from treadle._native.http1_phases import TRANSITIONS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "design" / "http.md"
DRAWN = re.compile(r"```mermaid\n.*?```\n", re.DOTALL)


def diagram() -> str:
    """A Mermaid state diagram, one arrow for each row of the table."""
    arrows = "".join(f"    {before} --> {after}: {event}\n" for (before, event), after in TRANSITIONS.items())
    return f"```mermaid\nstateDiagram-v2\n    [*] --> IDLE\n{arrows}    LINGERING --> [*]\n```\n"


if __name__ == "__main__":
    PAGE.write_text(DRAWN.sub(diagram(), PAGE.read_text(), count=1))
    print(PAGE)
