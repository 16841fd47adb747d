"""What Python sees of open_files.pyx."""

from typing_extensions import disjoint_base

@disjoint_base
class Descriptor:
    @property
    def fd(self) -> int: ...
