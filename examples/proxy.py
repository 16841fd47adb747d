"""A TCP proxy: whoever connects is joined to the upstream, both ways, and the kernel moves the bytes.

Run it: treadle run examples/proxy.py. PORT (default 8100) is ours; UPSTREAM_HOST and UPSTREAM_PORT (default 127.0.0.1:8002) are
where to. Every few seconds it says how many connections there are. Ctrl-C or SIGTERM: no more are taken, open ones go on to
their end.
"""

import os
import sys

from treadle import net, process, streams, timers

UPSTREAM = int(os.environ.get("UPSTREAM_PORT", "8002")), os.environ.get("UPSTREAM_HOST", "127.0.0.1")
SAYS_EVERY_MS = 5000


def join(client: net.Socket) -> None:
    """Each end is passed on by itself: who has sent all may still wait for the answer."""
    upstream = net.connect(*UPSTREAM, allow_half_open=True, connect_timeout=5000)
    for source, sink in ((client, upstream), (upstream, client)):
        streams.pipeline(source, sink, callback=told)


def told(error: BaseException | None) -> None:
    """Of each way once. A client that goes away is no news."""
    if error is not None and not isinstance(error, ConnectionResetError | BrokenPipeError):
        print(f"a connection failed: {error}", file=sys.stderr)


server = net.create_server(join, allow_half_open=True)
server.listen(int(os.environ.get("PORT", "8100")), "127.0.0.1", lambda: print(f"ready: {server.address()}", flush=True))
report = timers.set_interval(lambda: print(server.statistics(), flush=True), SAYS_EVERY_MS)
report.unref()


def stop(*_: object) -> None:
    server.close()


for name in ("SIGINT", "SIGTERM"):
    process.on(name, stop)
