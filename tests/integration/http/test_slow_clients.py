"""Clients that are slow in five ways, all at once: the server ends each as it should, gives everything back, and answers others.

bench/run.py slow is the same with a thousand of each, and with times.
"""

from __future__ import annotations

import json
import select
from collections.abc import Iterator

import pytest

from tests.integration.support import Program, RawClient, eventually, request

pytestmark = pytest.mark.slow

EACH = 20
SOON_S = 0.5  # every deadline; what they are is tested in test_timeouts.py and test_sending.py
TIMEOUTS = dict.fromkeys(("headers_s", "body_grace_s", "send_progress_s", "keep_alive_s", "linger_s"), SOON_S)


@pytest.fixture
def program() -> Iterator[Program]:
    with Program.run("slow_app.py", env={"TIMEOUTS": json.dumps(TIMEOUTS)}) as program:
        assert program.get().body == b"hello"
        yield program
        assert "Traceback" not in program.stderr.text


class Slow:
    """One of them. act() once in a while; how it ended is None until it has."""

    begins = request("GET", "/")
    rcvbuf: int | None = None

    def __init__(self, program: Program) -> None:
        self.client: RawClient = program.client(rcvbuf=self.rcvbuf)
        self.client.send(self.begins)
        self.ended: str | None = None

    def act(self) -> None:
        raise NotImplementedError

    def said(self) -> str:
        """What it was told, to the end."""
        response = self.client.response()
        assert response.announces_close()
        self.client.expect_end()
        return str(response.status)

    def send_a_byte(self) -> None:
        if self.client.is_quiet(0.0):
            self.client.try_send(b"a")
        else:
            self.ended = self.said()


class SlowHeader(Slow):
    begins = b"GET / HTTP/1.1\r\nHost: test\r\nX-Slow: "

    def act(self) -> None:
        self.send_a_byte()


class SlowBody(Slow):
    begins = request("POST", "/upload", "Content-Length: 1000000", body=b"a")

    def act(self) -> None:
        self.send_a_byte()


class SlowReader(Slow):
    begins = request("GET", "/download")
    rcvbuf = 4_096

    def act(self) -> None:
        self.client.socket.setblocking(False)
        try:
            self.ended = None if self.client.socket.recv(64) else "an end that looks like one"
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.ended = "reset"


class NeverReader(Slow):
    begins = request("GET", "/download")
    rcvbuf = 4_096

    def act(self) -> None:
        poller = select.poll()
        poller.register(self.client.socket, 0)  # for errors and hang-ups alone
        if poller.poll(0):
            self.ended = "reset"


class Idle(Slow):
    def __init__(self, program: Program) -> None:
        super().__init__(program)
        assert self.client.response().body == b"hello"

    def act(self) -> None:
        if not self.client.is_quiet(0.0):
            self.client.expect_end()
            self.ended = "closed"


ENDS = {SlowHeader: "408", SlowBody: "408", SlowReader: "reset", NeverReader: "reset", Idle: "closed"}


def test_slow_clients_of_all_kinds_are_ended_and_others_answered(program: Program) -> None:
    descriptors = program.idle_fd_count()
    slow = [kind(program) for _ in range(EACH) for kind in ENDS]

    def have_ended() -> bool:
        for one in slow:
            if one.ended is None:
                one.act()
        assert program.get().body == b"hello", "others are answered"
        return all(one.ended for one in slow)

    eventually(have_ended, "all were ended")
    assert {(type(one), one.ended) for one in slow} == set(ENDS.items())
    told = {"/upload": EACH, "/download": 2 * EACH}
    eventually(lambda: json.loads(program.get("/told").body) == told, "the application was told of each")
    assert program.idle_fd_count() == descriptors
    for one in slow:
        one.client.close()
