PHASES: tuple[str, ...]
EVENTS: tuple[str, ...]
TRANSITIONS: dict[tuple[str, str], str]

def phase_after(phase: str, event: str) -> str: ...
