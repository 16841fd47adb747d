"""Names that clients ask for and that are none: bytes beyond ASCII, which RFC 6066, section 3, does not allow.

Python's ssl ends such a handshake, which is right, and writes a traceback to stderr for each, since it cannot raise it: whoever
likes could fill a log. Invariant: nothing else is kept from anybody.
Not here: which certificate is for which name (_contexts.py).
"""

import logging
import sys
from types import TracebackType
from typing import Any

__all__ = ["keep_quiet"]

logger = logging.getLogger("treadle.tls")


class _Filter:
    """In front of another hook."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind

    def __call__(self, unraisable: "sys.UnraisableHookArgs", /) -> Any:
        if isinstance(unraisable.exc_value, UnicodeDecodeError) and _is_handshake(unraisable.exc_traceback):
            logger.debug("a client asks for a name that is none: %r", unraisable.object)
            return None
        return self._behind(unraisable)


def keep_quiet() -> None:
    """From here on, in this process. Whoever sets a hook of one's own later sees all."""
    if not isinstance(sys.unraisablehook, _Filter):
        sys.unraisablehook = _Filter(sys.unraisablehook)


def _is_handshake(traceback: TracebackType | None) -> bool:
    """Whether it was raised by ssl itself: in no frame below the handshake's."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_code.co_name == "do_handshake"
