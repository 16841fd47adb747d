"""receive() and send() are called in one way by nearly everybody, and in any other that Python has by somebody."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from tests.unit.asgi.test_serving import get
from tests.unit.http.support import bounded
from treadle.asgi import ServeConfig, Serving

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"hello"}


def answer_of(app: Any) -> bytes:
    """What a client gets, as far as it is the body."""
    found = b""

    async def main() -> None:
        nonlocal found
        serving = Serving(app, ServeConfig(port=0, lifespan="off"))
        await serving.start()
        found = (await get(serving.addresses[0])).partition(b"\r\n\r\n")[2]
        await serving.stop()

    bounded(main)
    return found


NOTHING: dict[str, Any] = {}
WAYS: dict[str, Any] = {
    "positional": lambda call, *given: call(*given),
    "unpacked": lambda call, *given: call(*given, **NOTHING),
    "partial": lambda call, *given: functools.partial(call, *given)(),
    "slot": lambda call, *given: call.__call__(*given),
    "type": lambda call, *given: type(call).__call__(call, *given),
    "mapped": lambda call, *given: next(map(call, *[[one] for one in given])) if given else call(),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_both_may_be_called_in_any_way(way: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        event = await way(receive)
        assert event == {"type": "http.request", "body": b"", "more_body": False}
        await way(send, START)
        await way(send, BODY)

    assert answer_of(app) == b"hello"


def test_a_message_may_be_given_by_its_name() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        named: dict[str, Any] = {"message": BODY}
        await send(message=START)
        await send(**named)

    assert answer_of(app) == b"hello"


@pytest.mark.parametrize(
    "call",
    [
        lambda receive, send: receive(1),
        lambda receive, send: receive(event=1),
        lambda receive, send: send(),
        lambda receive, send: send(START, BODY),
        lambda receive, send: send(START, message=BODY),
        lambda receive, send: send(event=START),
    ],
)
def test_any_other_arguments_are_a_type_error(call: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(TypeError, match="argument"):
            call(receive, send)
        await send(START)
        await send(BODY)

    assert answer_of(app) == b"hello"
