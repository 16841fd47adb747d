"""A Transform whose sides are made when it is first used as a stream, which most digests never are.

Invariant: whoever looks at it as a stream finds one that was constructed like any other; with options it is at once, so that what
is wrong with them is raised there. PERF: bench/digests.py: 3 of 6 us.
"""

from typing import Any, Self

from treadle.streams import Transform

__all__ = ["LateTransform"]


class LateTransform(Transform):
    """The two sides are asked for by the native part (_unconstructed), or where it is asked whether there are any."""

    _has_sides = False

    def __init__(self, **options: Any) -> None:
        if options:
            self._has_sides = True
            super().__init__(**options)

    def _have_sides(self) -> None:
        if not self._has_sides:
            self._has_sides = True
            super().__init__(allow_half_open=self.allow_half_open)  # which may have been set

    def _unconstructed(self) -> Any:
        if self._has_sides:
            return super()._unconstructed()
        self._have_sides()
        return None

    def destroy(self, error: Any = None) -> Self:
        self._have_sides()
        return super().destroy(error)

    def _reads(self) -> bool:
        self._have_sides()
        return super()._reads()

    def _writes(self) -> bool:
        self._have_sides()
        return super()._writes()

    def _is_through(self) -> bool:
        self._have_sides()
        return super()._is_through()

    def _is_read(self) -> bool:
        self._have_sides()
        return super()._is_read()

    def _is_written(self) -> bool:
        self._have_sides()
        return super()._is_written()
