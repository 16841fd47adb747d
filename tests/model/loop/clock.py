"""Time, as the model and the frozen native loop see it: it passes while a callback computes, and while the poll waits."""

NS_PER_MS = 1_000_000


class Clock:
    """The clock of one loop, in ns. Nothing but spin() moves it."""

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns

    @property
    def now_ms(self) -> int:
        """Whole milliseconds, rounded down: what Node's timers count in."""
        return self.now_ns // NS_PER_MS

    def spin(self, ns: int) -> None:
        """Let time pass."""
        self.now_ns += ns
