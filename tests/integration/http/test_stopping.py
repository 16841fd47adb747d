"""A stop in phases: who hears what, how every peer's connection ends, and what a second signal leaves."""

from __future__ import annotations

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.http.programs.stopping_app import PIECE, PIECES
from tests.integration.support import PROGRAMS, Program, RawClient, request

SCALE = int(os.environ.get("TREADLE_STOP_SCALE", "1"))  # `make stop` says 10
DOWNLOADS, STREAMS, UPLOADS = 20 * SCALE, 10 * SCALE, 5 * SCALE
UPLOAD = b"u" * 200_000


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def unblock(fifo: Path) -> None:
    with open(fifo, "wb"):
        pass


def served(*flags: str, **env: str) -> Program:
    return Program.serve("stopping_app:app", *flags, env=env)


def test_the_phases_in_their_order() -> None:
    with served() as program, program.client() as idle, program.client() as stream:
        assert idle.request().body == b"hello"
        stream.send(request("GET", "/told"))
        while b"begun" not in stream.socket.recv(65_536, 2):  # MSG_PEEK: what the reader will see
            pass
        program.signal(signal.SIGTERM)
        response = stream.response()
        assert (response.body, response.truncated) == (b"data: begun\n\ndata: bye\n\n", False)
        stream.expect_end()
        idle.expect_end()
        stream.close()
        assert program.wait() == 0
        said = re.findall(r"treadle: (?:stopping: )?(.*)", program.stderr.text)[2:]
        assert said[0].startswith("SIGTERM")
        assert said[1:4] == [
            "accepts no more, 2 connections open",
            "closed 1 idle connection",
            "told 1 request under way",
        ]
        assert "waiting" in said[4]
        assert said[5:] == ["lifespan", "ended"]
        assert program.stdout.text.endswith("lifespan shutdown")


@pytest.mark.slow
def test_at_the_deadline_each_gets_the_end_that_it_can_tell() -> None:
    """An event stream ends as if it had come to its end, what was not answered is 503, and half an answer looks like half a one;
    to the application each looks like a peer that has left."""
    with served("--timeout-graceful-shutdown", "4") as program:
        kinds = {kind: program.client() for kind in ("/events", "/endless", "/upload", "/silent")}
        for target in ("/events", "/endless"):
            kinds[target].send(request("GET", target))
            kinds[target].socket.recv(1, 2)
        kinds["/upload"].send(b"POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf")
        kinds["/silent"].send(request("GET", "/silent"))
        program.stdout.wait_line("silent begins")
        program.signal(signal.SIGTERM)
        answers = {kind: client.response("POST" if kind == "/upload" else "GET") for kind, client in kinds.items()}
        for client in kinds.values():
            assert client.socket.recv(65_536) == b""  # and no reset
            client.close()
        assert program.wait() == 0
        assert {kind: (answer.status, answer.truncated) for kind, answer in answers.items()} == {
            "/events": (200, False),
            "/endless": (200, True),
            "/upload": (503, False),
            "/silent": (503, False),
        }
        said = set(program.stdout.text.splitlines())
        assert {"events: the peer has left", "endless: disconnect", "upload: disconnect", "lifespan shutdown"} <= said
        assert "Traceback" not in program.stderr.text


@pytest.mark.slow
def test_at_the_deadline_half_an_answer_to_http10_does_not_look_whole() -> None:
    with served("--timeout-graceful-shutdown", "2") as program, program.client() as client:
        client.send(b"GET /endless HTTP/1.0\r\n\r\n")
        client.socket.recv(1, 2)
        program.signal(signal.SIGTERM)
        with pytest.raises(ConnectionResetError):
            while client.socket.recv(65_536):
                pass
        assert program.wait() == 0


@pytest.mark.slow
def test_a_lifespan_that_hangs_has_what_is_left_of_the_budget() -> None:
    with served("--timeout-graceful-shutdown", "1", LIFESPAN="hangs") as program:
        assert program.get().body == b"hello"
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
        assert "lifespan.shutdown took more than" in program.stderr.text


def test_a_start_up_that_fails_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.failed', 'message': 'no database'})\n"
    )
    with Program("serve", "failing:app", "--port", "0", cwd=tmp_path) as program:
        assert program.wait() == 3
        assert program.stderr.text.splitlines()[1:] == ["Error: the application failed to start: no database"]


def line_of(function: str, statement: str) -> int:
    source = (PROGRAMS / "stopping_app.py").read_text()
    start = source.index(f"def {function}(")
    return source.count("\n", 0, source.index(statement, start)) + 1


@pytest.mark.parametrize(("number", "what"), [(signal.SIGHUP, "certificates"), (signal.SIGUSR1, "access log")])
def test_what_others_heed_is_no_reason_to_die(number: signal.Signals, what: str) -> None:
    with served() as program:
        assert program.get().body == b"hello"
        program.signal(number)
        program.stderr.wait_line(f"{number.name}: ignored: no {what} to")
        assert program.get().body == b"hello"


def test_a_second_signal_says_where_every_task_waits() -> None:
    with served() as program, program.client() as client:
        client.send(request("GET", "/silent"))
        program.stdout.wait_line("silent begins")
        program.signal(signal.SIGTERM)
        program.stderr.wait_line("waiting up to")
        program.signal(signal.SIGTERM)
        assert program.wait() == 143
        text = program.stderr.text
        line = line_of("silent", "await asyncio.sleep")
        place = rf"  File .*stopping_app.py\", line {line}, in silent"
        assert re.search(rf"Task '[^']+', GET /silent, waits:\n(?:  File .*\n)*{place}", text)
        assert "Task 'treadle lifespan', waits:" in text


@pytest.mark.parametrize("target", ["/block", "/block-behind"], ids=["before its answer", "behind it"])
def test_a_second_signal_ends_a_program_whose_loop_is_blocked(fifo: Path, target: str) -> None:
    with served(FIFO=str(fifo)) as program, program.client() as client:
        client.send(request("GET", target))
        program.stdout.wait_line("blocked")
        program.signal(signal.SIGTERM)
        program.signal(signal.SIGINT)
        assert program.wait() in (130, 143)
        # the signals may find it on its way into the open, so any line of the function that blocks will do
        assert re.search(r'stopping_app\.py", line \d+, in block(_behind)?(\n|\Z)', program.stderr.text)
        # it is the one that matters, whether its server knows its task yet or not
        assert re.search(rf"Task '[^']+', GET {target}, runs:\n", program.stderr.text)


def test_requests_that_have_reached_the_kernel_when_it_stops_are_answered(fifo: Path) -> None:
    with served(FIFO=str(fifo)) as program, program.client() as idle, program.client() as blocking:
        assert idle.request().body == b"hello"
        blocking.send(request("GET", "/block"))
        program.stdout.wait_line("blocked")
        program.signal(signal.SIGTERM)
        idle.send(request("GET", "/"))
        with program.client() as late:  # in the backlog, not accepted
            late.send(request("GET", "/"))
            unblock(fifo)
            for client, body in ((idle, b"hello"), (late, b"hello"), (blocking, b"unblocked")):
                response = client.response()
                assert (response.status, response.body) == (200, body)
                assert client.socket.recv(1) == b""
        for client in (idle, blocking):
            client.close()
        assert program.wait() == 0


def test_a_request_in_the_kernel_when_its_connection_expires_is_answered(fifo: Path) -> None:
    with served("--timeout-keep-alive", "0.3", FIFO=str(fifo)) as program, program.client() as idle:
        assert idle.request().body == b"hello"
        answered = time.monotonic()
        with program.client() as blocking:
            blocking.send(request("GET", "/block"))
            program.stdout.wait_line("blocked")
            while time.monotonic() < answered + 0.5:
                time.sleep(0.05)
            if idle.is_quiet(0):  # else it has expired before it was blocked, on a machine that slow
                idle.send(request("GET", "/"))
            unblock(fifo)
            assert blocking.response().body == b"unblocked"
        assert idle.response().body == b"hello"


def ends(client: RawClient, kind: str) -> str:
    """How this peer's connection ended, as the peer sees it."""
    try:
        response = client.response("POST" if kind == "upload" else "GET")
        rest = client.socket.recv(1)
    except ConnectionResetError:
        return "reset"
    if response.truncated or rest:
        return "truncated"
    if kind == "download":
        return "whole" if response.body == PIECE * PIECES else "short"
    if kind == "upload":
        return "whole" if response.body == str(len(UPLOAD)).encode() else f"answered {response.status}"
    return "ended"


@pytest.mark.slow
def test_a_stop_under_load_gives_every_peer_a_clean_end() -> None:
    kinds = ["download"] * DOWNLOADS + ["events"] * (STREAMS // 2) + ["told"] * (STREAMS // 2) + ["upload"] * UPLOADS
    with served("--timeout-graceful-shutdown", "10" if SCALE == 1 else "20") as program:
        clients = [RawClient(program.address, deadline_s=40) for _ in kinds]  # endless streams end at the deadline
        for client, kind in zip(clients, kinds, strict=True):
            if kind == "upload":
                client.send(request("POST", "/upload", body=UPLOAD)[: -len(UPLOAD) // 2])
            else:
                client.send(request("GET", f"/{kind}"))
        for client, kind in zip(clients, kinds, strict=True):
            if kind != "upload":
                client.socket.recv(1, 2)  # its answer has begun
        program.signal(signal.SIGTERM)
        for client, kind in zip(clients, kinds, strict=True):
            if kind == "upload":
                client.send(UPLOAD[-len(UPLOAD) // 2 :])
        with ThreadPoolExecutor(len(clients)) as threads:
            found = list(threads.map(ends, clients, kinds))
        for client in clients:
            client.close()
        assert program.wait(20) == 0
        assert set(zip(kinds, found, strict=True)) == {
            ("download", "whole"),
            ("events", "ended"),
            ("told", "ended"),
            ("upload", "whole"),
        }
