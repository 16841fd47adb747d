"""Libraries that an extra of treadle brings: imported when they are first needed, and missed by the name of that extra.

Invariant: who does not use what needs one does not import it. Not here: which extra brings what (pyproject.toml).
"""

from importlib import import_module
from typing import Any

from treadle._base.errors import TreadleError

__all__ = ["extra_module"]


def extra_module(module: str, *, extra: str, version_min: int = 0) -> Any:
    """The module of that name. version_min: the major version that its library must have.

    Raises TreadleError: ERR_EXTRA_NOT_INSTALLED, an ImportError.
    """
    library = module.partition(".")[0]
    try:
        found = import_module(module)
    except ImportError:
        raise _missing(library, extra, "not installed") from None
    if version_min:
        version = str(import_module(library).__version__)
        if int(version.partition(".")[0]) < version_min:
            raise _missing(library, extra, f"too old: {version}, and {version_min} is needed")
    return found


def _missing(library: str, extra: str, state: str) -> TreadleError:
    hint = f'Install the extra "{extra}": pip install "treadle[{extra}]"'
    return TreadleError("ERR_EXTRA_NOT_INSTALLED", library=library, state=state, extra=extra, hint=hint)
