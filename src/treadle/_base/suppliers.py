"""What a package offers although a package above it makes it: by name, looked up when it is first asked for.

Invariant: this table is the only place where a lower package names a higher one, and none of its rows is needed for the lower
one to work. Not here: what is supplied.
"""

from importlib import import_module
from typing import Any, Final

__all__ = ["supplied"]

_SUPPLIERS: Final = {
    "process.stdin": "treadle.streams._standard:stdin",
    "process.stdout": "treadle.streams._standard:stdout",
    "process.stderr": "treadle.streams._standard:stderr",
}


def supplied(name: str) -> Any:
    """What the function of that row returns."""
    module, _, function = _SUPPLIERS[name].partition(":")
    return getattr(import_module(module), function)()
