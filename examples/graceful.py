"""A server for a container: SIGTERM stops accepting, lets the requests under way finish, and the process ends with code 0.

Run it: treadle run examples/graceful.py. From the environment: HOST, PORT, WORK_S (seconds that a request takes).
"""

import asyncio
import os

from treadle import http, process, timers

GRACE_MS = 25_000  # then the rest is cut; below the 30 s after which Kubernetes kills
WORK_S = float(os.environ.get("WORK_S", "1"))

is_stopping = False


async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    await asyncio.sleep(WORK_S)
    res.end("done\n")


def stop(*_: object) -> None:
    global is_stopping
    if is_stopping:
        process.exit(1)  # a second signal: at once
    is_stopping = True
    print("stopping", flush=True)
    server.close(lambda: print("stopped", flush=True))  # no new connections; ends the idle ones
    timers.set_timeout(server.close_all_connections, GRACE_MS).unref()


server = http.create_server(handler).listen(int(os.environ.get("PORT", "8000")), os.environ.get("HOST", "127.0.0.1"))
process.on("SIGINT", stop).on("SIGTERM", stop)
print("LISTENING", *(server.address() or ()), flush=True)
