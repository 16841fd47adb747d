"""A server that writes what it is sent to a slow disk: the twin of memory_upload.js. Run by `treadle run`.

The first connection prints the marks of its stages: what each may hold, by their own account.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from treadle import net, streams
from treadle.timers import set_timeout

WRITE_MS = 200  # of one write: a disk that everybody else uses, too


class SlowDisk(streams.Writable):
    """Each write takes its time."""

    def _write(self, _chunk: bytes, _encoding: str, callback: Callable[..., object]) -> None:
        set_timeout(callback, WRITE_MS)


is_told = False


def receive(socket: net.Socket) -> None:
    """One client. It may go away at any time."""
    global is_told
    disk = SlowDisk()
    if not is_told:
        is_told = True
        marks = {"socket readable": socket.readable_high_water_mark, "disk writable": disk.writable_high_water_mark}
        print("marks", json.dumps(marks), flush=True)
    streams.pipeline(socket, disk, callback=lambda _error: None)


net.create_server(receive).listen(int(os.environ["PORT"]), "127.0.0.1")
