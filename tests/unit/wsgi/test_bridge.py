"""Between a thread and the loop: what waits is bounded, what is asked is answered, and who waits is let go when it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import treadle
from treadle.wsgi.body import body_reader, small_body
from treadle.wsgi.bridge import MARK, Bridge, GivenUpError

DEADLINE_S = 20.0


def bounded(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await main()

    treadle.run(run)


def piece(size: int) -> dict[str, Any]:
    return {"type": "http.response.body", "body": bytes(size), "more_body": True}


async def nothing() -> Any:
    raise AssertionError("it was not asked")


def test_events_are_sent_in_order_and_all_before_the_end() -> None:
    async def main() -> None:
        sent: list[int] = []

        async def send(event: Any) -> None:
            await asyncio.sleep(0)
            sent.append(len(event["body"]))

        loop = asyncio.get_running_loop()
        bridge = Bridge(loop)
        job = loop.run_in_executor(None, lambda: [bridge.put(piece(size), piece(0)) for size in range(1, 200)] and None)
        await bridge.carry(job, nothing, send)
        assert [size for size in sent if size] == list(range(1, 200))
        assert len(sent) == 398

    bounded(main)


def test_a_thread_waits_past_the_mark_and_no_sooner() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        bridge = Bridge(loop)
        put: list[int] = []
        is_open = asyncio.Event()

        async def send(_: Any) -> None:
            await is_open.wait()

        def work() -> None:
            for number in range(8):
                bridge.put(piece(MARK // 2))
                put.append(number)
                loop.call_soon_threadsafe(came.set)

        came = asyncio.Event()
        job = loop.run_in_executor(None, work)
        carrying = asyncio.create_task(bridge.carry(job, nothing, send))
        while len(put) < 3:
            await came.wait()
            came.clear()
        for _ in range(10):  # nobody sends, so nobody takes: three are past the mark
            await asyncio.sleep(0.01)
        assert len(put) == 3
        is_open.set()
        await carrying
        assert len(put) == 8

    bounded(main)


@pytest.mark.parametrize("does", ["puts", "asks"])
def test_who_waits_is_let_go_when_it_is_given_up(does: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        bridge = Bridge(loop)
        waits = asyncio.Event()

        def work() -> None:
            loop.call_soon_threadsafe(waits.set)
            if does == "puts":
                bridge.put(piece(2 * MARK))
                bridge.put(piece(1))
            else:
                bridge.ask()

        job = loop.run_in_executor(None, work)
        await waits.wait()
        bridge.give_up()
        with pytest.raises(GivenUpError):
            await job
        with pytest.raises(GivenUpError):
            bridge.put(piece(0))
        with pytest.raises(GivenUpError):
            bridge.ask()

    bounded(main)


def test_a_send_that_fails_is_raised() -> None:
    async def main() -> None:
        async def send(_: Any) -> None:
            raise ConnectionResetError

        loop = asyncio.get_running_loop()
        bridge = Bridge(loop)
        job = loop.run_in_executor(None, bridge.put, piece(1))
        with pytest.raises(ConnectionResetError):
            await bridge.carry(job, nothing, send)
        bridge.give_up()
        await job

    bounded(main)


def test_a_closed_loop_is_the_end() -> None:
    loop = treadle.new_event_loop()
    bridge = Bridge(loop)
    bridge._must_wake = True  # as while the loop waits
    loop.close()
    with pytest.raises(GivenUpError):
        bridge.put(piece(1))


def test_a_body_is_asked_for_as_it_is_read() -> None:
    async def main() -> None:
        asked: list[int] = []

        async def receive() -> Any:
            asked.append(len(asked))
            return {"type": "http.request", "body": b"%d\n" % len(asked) * 3, "more_body": len(asked) < 4}

        loop = asyncio.get_running_loop()
        bridge = Bridge(loop)
        reader = body_reader(bridge, None, lambda: False)

        def work() -> tuple[bytes, int, bytes, list[bytes]]:
            return reader.readline(), len(asked), reader.read(4), reader.readlines()

        job = loop.run_in_executor(None, work)
        await bridge.carry(job, receive, nothing)
        first, asked_then, second, rest = await job
        assert (first, asked_then, second) == (b"1\n", 1, b"1\n1\n")
        assert rest == [b"2\n"] * 3 + [b"3\n"] * 3 + [b"4\n"] * 3

    bounded(main)


@pytest.mark.parametrize(
    ("fields", "is_small"),
    [
        ([], True),
        ([(b"content-length", b"%d" % MARK)], True),
        ([(b"content-length", b"%d" % (MARK + 1))], False),
        ([(b"transfer-encoding", b"chunked")], False),
    ],
)
def test_a_small_body(fields: list[tuple[bytes, bytes]], is_small: bool) -> None:
    async def main() -> None:
        messages = [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.request", "body": b"c"}]

        async def receive() -> Any:
            return messages.pop(0)

        assert await small_body({"headers": fields}, receive) == (b"abc" if is_small else None)
        assert len(messages) == (0 if is_small else 2)

    bounded(main)


def test_a_peer_that_leaves_amid_a_small_body() -> None:
    async def main() -> None:
        async def receive() -> Any:
            return {"type": "http.disconnect"}

        with pytest.raises(GivenUpError):
            await small_body({"headers": []}, receive)

    bounded(main)


@pytest.mark.parametrize("has_begun", [False, True], ids=["before its head", "behind it"])
def test_a_thread_that_only_checks_learns_that_nobody_waits(has_begun: bool) -> None:
    async def main() -> None:
        class Send:
            is_lost = False

            async def __call__(self, event: Any) -> None:
                if self.is_lost:
                    raise ConnectionResetError
                seen.append(event["body"])

        seen: list[bytes] = []
        send = Send()

        def work() -> None:
            if has_begun:
                bridge.put(piece(3))
            while True:
                bridge.check()
                loop.call_soon_threadsafe(checked.set)

        loop = asyncio.get_running_loop()
        bridge, checked = Bridge(loop), asyncio.Event()
        job = loop.run_in_executor(None, work)
        carrying = asyncio.create_task(bridge.carry(job, nothing, send))
        await checked.wait()
        while has_begun and len(seen) < 2:  # the piece, and a check, which sends nothing
            await asyncio.sleep(0.001)
        send.is_lost = True
        with pytest.raises(ConnectionResetError):
            await carrying
        bridge.give_up()
        with pytest.raises(GivenUpError):
            await job
        assert not any(seen[1:])

    bounded(main)


def test_checks_that_the_loop_does_not_come_to_do_not_pile_up() -> None:
    async def main() -> None:
        bridge = Bridge(asyncio.get_running_loop())
        for _ in range(1000):
            bridge.check()
        assert len(bridge._items) == 1

    bounded(main)


def test_the_end_of_the_body_is_the_end_once_the_answer_is_whole() -> None:
    async def main() -> None:
        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def read(is_answered: bool) -> bytes:
            bridge = Bridge(loop)
            job = loop.run_in_executor(None, body_reader(bridge, None, lambda: is_answered).read)
            await bridge.carry(job, receive, nothing)
            return await job

        loop = asyncio.get_running_loop()
        assert await read(True) == b""
        with pytest.raises(GivenUpError):
            await read(False)

    bounded(main)
