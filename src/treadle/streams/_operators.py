"""The iterator helpers of Readable."""

__all__ = ["Operators"]


class Operators:
    """Mixin."""
