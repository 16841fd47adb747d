"""A server that shares its loop with a program that gives it no rest: python starving.py LOOP PROGRAM, on 127.0.0.1:$PORT.

LOOP is treadle, treadle-unguarded (the same with its guard turned off), asyncio or uvloop. Floods stand beside an HTTP server
whose handler awaits a timer of 5 ms; ordinary programs, and floods on other loops than treadle, beside a TCP echo. Not here:
what is measured (starvation.py).
"""

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import Callable

WORK_US = 10  # of a callback that works
SOCKETS = 1_000
MANY = 100_000  # timers or immediates
SOME = 5_000  # timers: 50 ms of work, each 20 ms


def work() -> None:
    """Compute for WORK_US."""
    end_ns = time.perf_counter_ns() + WORK_US * 1_000
    while time.perf_counter_ns() < end_ns:
        pass


# -- floods


def ticks() -> None:
    """An endless chain of ticks."""
    asyncio.get_running_loop().next_tick(ticks)


def microtasks() -> None:
    """An endless chain of microtasks."""
    asyncio.get_running_loop().queue_microtask(microtasks)


def soon() -> None:
    """An endless chain of call_soon."""
    asyncio.get_running_loop().call_soon(soon)


def immediates() -> None:
    """An endless chain of immediates."""
    asyncio.get_running_loop().set_immediate(immediates)


def many_immediates() -> None:
    """100,000 immediates that work, each again and again."""
    for _ in range(MANY):
        works_in_check()


def works_in_check() -> None:
    """Made anew in the next check phase."""
    work()
    asyncio.get_running_loop().set_immediate(works_in_check)


def many_timers() -> None:
    """100,000 timers that work and are overdue, each again and again."""
    for _ in range(MANY):
        works_as_timer()


def some_timers() -> None:
    """5,000 of them."""
    for _ in range(SOME):
        works_as_timer()


def works_as_timer() -> None:
    """Due long before all of them had their turn."""
    work()
    asyncio.get_running_loop().set_timeout(works_as_timer, 20)


def many_alarms() -> None:
    """The same by call_later."""
    for _ in range(MANY):
        works_as_alarm()


def works_as_alarm() -> None:
    """Due long before all of them had their turn."""
    work()
    asyncio.get_running_loop().call_later(0.02, works_as_alarm)


def many_sockets() -> None:
    """1,000 sockets that are ready in every poll, whose callbacks work."""
    loop = asyncio.get_running_loop()
    for _ in range(SOCKETS // 2):
        for end in socket.socketpair():
            end.setblocking(False)
            sockets.append(end)
            loop.add_writer(end, work)


# -- ordinary programs


def ping_pong() -> None:
    """Two tasks which hand an item to and fro over two queues."""

    async def pass_on(mine: "asyncio.Queue[int]", other: "asyncio.Queue[int]") -> None:
        while True:
            other.put_nowait(await mine.get())

    queues: list[asyncio.Queue[int]] = [asyncio.Queue(), asyncio.Queue()]
    queues[0].put_nowait(1)
    for pair in (queues, queues[::-1]):
        keep(pass_on(*pair))


def anyio_groups() -> None:
    """Task groups that are cancelled while a child takes 50 ms to clean up, one after the other."""
    import anyio

    async def child() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)

    async def groups() -> None:
        while True:
            async with anyio.create_task_group() as group:
                group.start_soon(child)
                await anyio.sleep(0.001)
                group.cancel_scope.cancel()

    keep(groups())


def nothing() -> None:
    """For comparison."""


def keep(coroutine: object) -> None:
    """Let it run until the end of the process."""
    tasks.add(asyncio.get_running_loop().create_task(coroutine))  # type: ignore[arg-type]


tasks: set[object] = set()
sockets: list[socket.socket] = []

PROGRAMS: dict[str, Callable[[], None]] = {
    "nothing": nothing,
    "ticks": ticks,
    "microtasks": microtasks,
    "soon": soon,
    "immediates": immediates,
    "many-immediates": many_immediates,
    "many-timers": many_timers,
    "some-timers": some_timers,
    "many-alarms": many_alarms,
    "many-sockets": many_sockets,
    "ping-pong": ping_pong,
    "anyio-groups": anyio_groups,
}


# -- servers


async def serve_http(port: int) -> None:
    """Hello after 5 ms."""
    from treadle import http

    async def hello(_: object, response: "http.ServerResponse") -> None:
        await asyncio.sleep(0.005)
        response.end("hello, world\n")

    http.create_server(hello).listen(port)


class Echo(asyncio.Protocol):
    """What comes goes back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)  # type: ignore[attr-defined]


async def serve_echo(port: int) -> None:
    """Echo of whatever comes."""
    await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port)


async def main(name: str, serve: Callable[[int], object], *, has_guard: bool) -> None:
    """Serve, and begin the program a moment after the first connection could be made."""
    loop = asyncio.get_running_loop()
    if not has_guard:
        loop.starvation_guard = False  # type: ignore[attr-defined]
    await serve(int(os.environ["PORT"]))  # type: ignore[misc]
    loop.call_later(0.5, PROGRAMS[name])
    await loop.create_future()


def run(loop: str, kind: str, program: str) -> None:
    """The program named beside a server of that kind (http or echo), on the loop named."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    body = main(program, serve_http if kind == "http" else serve_echo, has_guard=loop != "treadle-unguarded")
    if loop == "asyncio":
        asyncio.run(body)
    elif loop == "uvloop":
        import uvloop

        uvloop.run(body)
    else:
        import treadle

        treadle.run(body)


if __name__ == "__main__":
    run(*sys.argv[1:])
