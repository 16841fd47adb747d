"""A program as a service: what a client sends goes through `sort`, what that writes is the answer.

    treadle run examples/filter.py
    printf 'b\\na\\n' | curl -T - localhost:8000

Neither side is ever in memory: a client that does not read pauses the program, and that the upload. A program that takes too
long, or whose client has left, is ended, with whatever it has started; none is left when the server ends.
"""

import os

from treadle import child_process, http
from treadle.streams import Duplex, pipeline

COMMAND = ("sort",)
LIMIT_MS = 30_000


async def handler(req: http.IncomingMessage, res: http.ServerResponse) -> None:
    program = child_process.spawn(
        COMMAND[0],
        COMMAND[1:],
        stdio=["pipe", "pipe", "inherit"],
        timeout=LIMIT_MS,
        kill_group=True,
        force_kill_after=1000,
    )
    async with program:
        await pipeline(req, Duplex.from_({"writable": program.stdin, "readable": program.stdout}), res)


server = http.create_server(handler).listen(int(os.environ.get("PORT", "8000")))
print("LISTENING", *(server.address() or ()), flush=True)
