"""A proxy: whoever connects is joined to a connection to $UPSTREAM, both ways: socket_to_socket.js. Run by `treadle run`."""

from __future__ import annotations

import os

from treadle import net, streams


def join(client: net.Socket) -> None:
    """One client: bytes both ways, and the end of each side is the end of the other."""
    upstream = net.connect(int(os.environ["UPSTREAM"]), "127.0.0.1", allow_half_open=True)
    streams.pipeline(client, upstream, callback=lambda _error: None)
    streams.pipeline(upstream, client, callback=lambda _error: None)


net.create_server(join, allow_half_open=True).listen(int(os.environ["PORT"]), "127.0.0.1")
