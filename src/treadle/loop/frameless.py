"""Which callback failed, where the traceback has no frame of it: its arguments do not fit, or it is C code.

Invariants: no code of the user's runs here; nothing is raised. Not here: how a callback is named (culprits.py).
"""

import traceback
from typing import Any

from treadle.loop.culprits import builtin, culprit_of, is_treadles

MEMBERS = BaseException.__dict__["__dict__"]
TRACEBACK = BaseException.__dict__["__traceback__"]


def explain(scheduled_by: str, callback: Any, exception: BaseException) -> None:
    """Add a note to exception, unless a frame of somebody else's than treadle's leads to the callback."""
    if all(is_treadles(frame.f_code) for frame, _ in traceback.walk_tb(builtin(TRACEBACK, exception))):
        culprit = culprit_of(callback, None)
        if culprit is not None:
            _note(exception, f"in the callback {culprit.name} of {scheduled_by}")


def _note(exception: BaseException, note: str) -> None:
    """As add_note, which asks the exception's class: a frozen one refuses. One that is raised again and again is told once."""
    members = builtin(MEMBERS, exception)
    if type(members) is dict:
        notes = members.setdefault("__notes__", [])
        if type(notes) is list and not any(type(said) is str and said == note for said in notes):
            notes.append(note)
