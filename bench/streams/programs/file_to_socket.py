"""A server that sends $FILE to whoever connects, then closes: the twin of file_to_socket.js. Run by `treadle run`."""

from __future__ import annotations

import os

from treadle import net, streams


def send_file(socket: net.Socket) -> None:
    """One client: the file, and the end. A client that goes away early ends it too."""
    streams.pipeline(open(os.environ["FILE"], "rb"), socket, callback=lambda _error: None)  # noqa: SIM115 - pipeline closes it


net.create_server(send_file).listen(int(os.environ["PORT"]), "127.0.0.1")
