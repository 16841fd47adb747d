"""So many changes of files in a watched directory, made by another process: what it costs to hear of each. The twin of watch.js.

    watch.py PEER FOLDER FILES PAUSE_US FIFO PASSES COMMAND ...     one JSON line a pass: {"cpu_ns", "passed"}

Each of the files is changed once in a pass, so that no peer can take two changes for one. With a pause of 0 the loop is held up
until all are changed (the other process, COMMAND, says so by FIFO), and has them to read at once. cpu_ns is the CPU time of the
whole process, its threads included, for each. passed: of how many different files it was told.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

DEADLINE_S = 60.0


class Heard:
    """Who has been named; is_all is set with the last of so many."""

    def __init__(self, files: int) -> None:
        self.files = files
        self.names: set[str] = set()
        self.is_all = asyncio.Event()

    def __call__(self, event_type: str, name: str) -> None:
        self.names.add(name)
        if len(self.names) == self.files:
            self.is_all.set()


def main() -> None:
    """Measure one peer."""
    peer, folder, files, pause_us, fifo, passes, *command = sys.argv[1:]

    async def all_passes() -> None:
        heard = Heard(int(files))
        watching = await PEERS[peer](folder, heard)
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as changing:
            assert changing.stdin is not None
            for number in range(int(passes)):
                heard.names.clear()
                heard.is_all.clear()
                cpu_ns = time.process_time_ns()
                changing.stdin.write(f"{number % 10}\n")
                changing.stdin.flush()
                if pause_us == "0":
                    Path(fifo).read_bytes()
                try:
                    await asyncio.wait_for(heard.is_all.wait(), DEADLINE_S)
                except TimeoutError:
                    pass  # what was not heard of is not counted
                cpu_ns = time.process_time_ns() - cpu_ns
                print(json.dumps({"cpu_ns": cpu_ns / int(files), "passed": len(heard.names)}), flush=True)
            changing.stdin.close()
        watching()

    if peer.startswith("treadle"):
        import treadle

        treadle.run(all_passes)
    else:
        asyncio.run(all_passes())


Stop = Callable[[], object]


async def by_listener(folder: str, heard: Heard) -> Stop:
    """'change'."""
    from treadle import fs

    return fs.watch(folder, heard).close


async def by_iteration(folder: str, heard: Heard) -> Stop:
    """`async for`."""
    from treadle import fs

    changes = fs.watch(folder, max_queue=2 * heard.files)

    async def listen() -> None:
        async for event_type, name in changes:
            heard(event_type, str(name))

    task = asyncio.ensure_future(listen())
    await asyncio.sleep(0)

    def stop() -> None:
        changes.close()
        task.cancel()

    return stop


async def by_watchfiles(folder: str, heard: Heard) -> Stop:
    """awatch(), which tells every 50 ms what has changed since."""
    import watchfiles

    stop = asyncio.Event()

    async def listen() -> None:
        async for changes in watchfiles.awatch(folder, watch_filter=None, stop_event=stop):
            for change, path in changes:
                heard(change.name, path)

    listening = asyncio.ensure_future(listen())
    await asyncio.sleep(0.5)  # it watches by then, and does not tell when

    def end() -> Any:
        stop.set()
        return listening

    return end


PEERS: dict[str, Callable[[str, Heard], Awaitable[Stop]]] = {
    "treadle": by_listener,
    "treadle-await": by_iteration,
    "watchfiles": by_watchfiles,
}

if __name__ == "__main__":
    main()
