"""What Python sees of open_files.pyx."""

from collections.abc import Callable

from typing_extensions import disjoint_base

@disjoint_base
class Descriptor:
    on_idle: Callable[[], object] | None
    @property
    def fd(self) -> int: ...
    @property
    def under_way(self) -> int: ...
    def close(self) -> None: ...
