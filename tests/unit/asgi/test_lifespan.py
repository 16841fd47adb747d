"""A lifespan, beside what test_serving.py serves: applications that do not keep to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.unit.http.support import bounded
from treadle._base.errors import TreadleError
from treadle.asgi import lifespan
from treadle.asgi.lifespan import Lifespan, LifespanError

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


def is_left() -> bool:
    return any(task.get_name() == "treadle lifespan" for task in asyncio.all_tasks())


@pytest.mark.parametrize("clears", [True, False], ids=["ends when cancelled", "goes on"])
def test_a_failed_start_up_that_does_not_return_is_cancelled(
    clears: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lifespan, "FAILED_S", 0.05)
    released = asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        while not released.is_set():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if clears:
                    raise

    async def main() -> None:
        with pytest.raises(LifespanError, match="no database"):
            await Lifespan(app, "auto").startup()
        assert is_left() is not clears
        released.set()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:  # type: ignore[arg-type]
            task.cancel()

    bounded(main)
    assert "does not return" in caplog.text


def test_a_start_that_is_cancelled_while_a_failed_one_is_waited_for() -> None:
    told = asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed"})
        told.set()
        await asyncio.Event().wait()

    async def main() -> None:
        starting = asyncio.create_task(Lifespan(app, "auto").startup())
        await told.wait()
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await asyncio.sleep(0)
        assert not is_left()

    bounded(main)


@pytest.mark.parametrize("kind", ["lifespan.startup", "lifespan.shutdown.complete", "http.response.start", ""])
def test_an_answer_that_is_none_is_an_error_that_names_it(kind: str) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": kind})

    async def main() -> None:
        with pytest.raises(LifespanError) as raised:
            await Lifespan(app, "on").startup()
        cause = raised.value.__cause__
        assert isinstance(cause, TreadleError) and cause.code == "ERR_ASGI_UNEXPECTED_MESSAGE"
        assert repr(kind) in str(cause) and "lifespan.startup.complete" in str(cause)

    bounded(main)


def test_what_is_told_a_second_time_is_no_matter(caplog: pytest.LogCaptureFixture) -> None:
    """Starlette tells of a failed shutdown when it is cancelled, which nobody has asked."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.failed"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def main() -> None:
        one = Lifespan(app, "on")
        await one.startup()
        await one.shutdown(5)

    bounded(main)
    assert not caplog.records


def test_one_that_has_returned_needs_no_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})

    async def main() -> None:
        one = Lifespan(app, "on")
        await one.startup()
        await asyncio.sleep(0)
        await one.shutdown(5)

    bounded(main)
    assert not caplog.records
