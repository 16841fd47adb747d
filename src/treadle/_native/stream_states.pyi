from typing import Final

LIVES: Final[tuple[str, ...]]
LIFE_EVENTS: Final[tuple[str, ...]]
LIFE_TRANSITIONS: Final[dict[tuple[str, str], str]]
SUPPLIES: Final[tuple[str, ...]]
SUPPLY_EVENTS: Final[tuple[str, ...]]
SUPPLY_TRANSITIONS: Final[dict[tuple[str, str], str]]
INTAKES: Final[tuple[str, ...]]
INTAKE_EVENTS: Final[tuple[str, ...]]
INTAKE_TRANSITIONS: Final[dict[tuple[str, str], str]]

def life_after(life: str, event: str) -> str: ...
def supply_after(supply: str, event: str) -> str: ...
def intake_after(intake: str, event: str) -> str: ...
