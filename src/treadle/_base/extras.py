"""Libraries that an extra of treadle brings: imported when they are first needed, and missed by the name of that extra.

Invariant: who does not use what needs one does not import it. Not here: which extra brings what (pyproject.toml).
"""

import errno
import os
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from treadle._base.errors import TreadleError

__all__ = ["extra_module", "import_or_lack"]

NAMESPACE: Final = "backports."  # of many libraries, none of which is called so


def extra_module(module: str, *, extra: str, version_min: int = 0) -> Any:
    """The module of that name. version_min: the major version that its library must have.

    Raises TreadleError: ERR_EXTRA_NOT_INSTALLED, an ImportError; OSError: there is no descriptor left to read it with.
    """
    library = module if module.startswith(NAMESPACE) else module.partition(".")[0]
    try:
        found = import_or_lack(module)
    except ImportError:
        raise _missing(library, extra, "not installed") from None
    if version_min:
        version = str(import_module(library).__version__)
        if int(version.partition(".")[0]) < version_min:
            raise _missing(library, extra, f"too old: {version}, and {version_min} is needed")
    return found


def import_or_lack(module: str) -> ModuleType:
    """import_module, where a module that cannot be read for want of a descriptor is not taken for one that is not there: an
    extension that the system's loader cannot open is an ImportError. Raises ImportError; OSError: EMFILE, ENFILE."""
    try:
        return import_module(module)
    except ImportError as error:
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as lack:
            if lack.errno in (errno.EMFILE, errno.ENFILE):
                raise OSError(lack.errno, os.strerror(lack.errno), module) from error
        raise


def _missing(library: str, extra: str, state: str) -> TreadleError:
    hint = f'Install the extra "{extra}": pip install "treadle[{extra}]"'
    return TreadleError("ERR_EXTRA_NOT_INSTALLED", library=library, state=state, extra=extra, hint=hint)
