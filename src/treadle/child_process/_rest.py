"""What a child has written and nobody has read when it has ended: kept, so that who comes late finds it.

In Node it flows away as soon as the child has ended, and who has awaited something else meanwhile reads nothing. Invariant: no
more is kept than a pipe holds; its descriptor is closed, and so the child's 'close' waits for no reader. Not here: pipes that a
grandchild holds open, and streams that somebody listens to: those flow, as in Node (_process.py).
"""

import os
from collections.abc import Callable
from typing import Final

from treadle.net import Socket

__all__ = ["keep_rest"]

PIPE_BYTES_MAX: Final = 1024 * 1024  # as large as a user may make one: /proc/sys/fs/pipe-max-size
READ_BYTES: Final = 64 * 1024

OURS: Final = {"close": 1, "end": 1}  # listeners that each stream here has: the child's, and the socket's own


def is_untouched(stream: Socket) -> bool:
    """Whether nobody has read it, and nobody listens."""
    return stream.readable_flowing is None and all(
        stream.listener_count(event) == OURS.get(str(event), 0) for event in stream.event_names()
    )


def keep_rest(stream: Socket, closed: Callable[..., object]) -> bool:
    """Read all that is left into its buffer, past its mark, and close the descriptor; closed(None) in the close phase. False
    where that is not the end: somebody still writes."""
    left = PIPE_BYTES_MAX
    while left > 0:
        try:
            chunk = os.read(stream.fileno(), READ_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            stream.push(None)
            stream._let_go_of_handle(closed)
            return True
        stream.push(chunk)
        left -= len(chunk)
    return False
