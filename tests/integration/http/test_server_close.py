"""How a server listens and ends: events, connections that are idle or busy, and the program that ends with it."""

from __future__ import annotations

import errno
import os
import socket
import stat
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.support import Program, RawClient, eventually, request

pytestmark = pytest.mark.slow


@pytest.fixture
def program() -> Iterator[Program]:
    with Program.run("closing.py") as program:
        yield program


def said(program: Program) -> list[str]:
    return [line for line in program.stdout.lines if not line.startswith("LISTENING")]


def refuses(program: Program) -> bool:
    assert isinstance(program.address, tuple)
    with socket.socket() as attempt:
        return attempt.connect_ex(program.address) != 0


def test_listening_is_told_later_and_the_address_known_at_once(program: Program) -> None:
    assert program.address
    program.stdout.wait_line("^listening$")
    program.stdout.wait_line("^listen callback$")
    assert program.stdout.lines[0].startswith("LISTENING")


def test_close_ends_the_program_when_nothing_is_left(program: Program) -> None:
    assert program.get("/close").body == b"/close"
    assert program.wait() == 0
    assert sorted(said(program)[-3:]) == ["callback 0", "close", "wait_closed"]


def test_close_twice_is_harmless(program: Program) -> None:
    assert program.get("/close-twice").body == b"/close-twice"
    assert program.wait() == 0
    assert said(program).count("close") == 1
    assert program.stderr.text == ""


def test_close_lets_busy_connections_finish_and_ends_idle_ones(program: Program) -> None:
    with program.client() as idle, program.client() as fresh, program.client() as busy, program.client() as streaming:
        assert idle.request().status == 200
        busy.send(request("GET", "/delay/300"))
        program.stdout.wait_line("slow begins")
        streaming.send(request("GET", "/stream"))
        response = program.get("/close")
        assert response.body == b"/close"
        assert refuses(program)
        idle.expect_end()
        fresh.expect_end()
        answer = busy.response()
        assert answer.body == b"/delay/300"
        assert answer.announces_close()
        busy.expect_end()
        streamed = streaming.response()
        assert (streamed.body, streamed.truncated) == (b"begun;/stream", False)
        streaming.expect_end()
    assert program.wait() == 0
    assert said(program)[-3:].count("close") == 1


def test_close_answers_what_is_pipelined_or_drops_it_but_never_halves_it(program: Program) -> None:
    with program.client() as client:
        client.send(request("GET", "/delay/100") + request("GET", "/close") + request("GET", "/"))
        first = client.response()
        assert first.body == b"/delay/100"
        rest = client.rest()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 200")
    assert program.wait() == 0


def test_close_all_connections_ends_busy_ones_too(program: Program) -> None:
    with program.client() as busy, program.client() as idle:
        assert idle.request().status == 200
        busy.send(request("GET", "/delay/60000"))
        program.stdout.wait_line("slow begins")
        with program.client() as client:
            client.send(request("GET", "/close-all"))
            client.rest()
        assert busy.rest() == b""
        assert idle.rest() == b""
        eventually(lambda: "close" in said(program), "the server is closed")


def test_close_idle_connections_leaves_the_server_open(program: Program) -> None:
    with program.client() as idle, program.client() as busy:
        assert idle.request().status == 200
        busy.send(request("GET", "/delay/200"))
        program.stdout.wait_line("slow begins")
        assert program.get("/close-idle").status == 200
        idle.expect_end()
        assert busy.response().body == b"/delay/200"
        assert busy.request().status == 200
        assert program.get().status == 200


def test_a_head_that_has_begun_is_not_idle(program: Program) -> None:
    with program.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: te")
        assert program.get("/close-idle").status == 200
        client.send(b"st\r\n\r\n")
        assert client.response().status == 200


def test_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "treadle.sock")
    with Program.run("routes.py", env={"LISTEN_PATH": path}) as program:
        assert program.address == path
        assert stat.S_ISSOCK(os.stat(path).st_mode)
        with RawClient(path) as client:
            assert client.request().body == b"Hello, World!"
            assert client.request("POST", "/echo", body=b"x" * 300_000).body == b"x" * 300_000
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            assert client.response().status == 400
            client.expect_end()


def test_a_port_in_use_is_said_with_errno_and_address(tmp_path: Path) -> None:
    """Nobody handles it: a traceback that names it, and exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = tmp_path / "second.py"
        file.write_text(f"from treadle import http\nhttp.create_server().listen({port})\n")
        with Program.run(file) as program:
            assert program.wait() == 1
            assert "Address already in use" in program.stderr.text or "EADDRINUSE" in program.stderr.text


def code_of(tmp_path: Path, expression: str) -> str:
    """The code, or the errno's name, that it raises in a program with a `server`."""
    file = tmp_path / "program.py"
    file.write_text(
        textwrap.dedent(f"""
            import errno, pathlib, socket
            from treadle import http
            server = http.create_server()
            try:
                {expression}
            except OSError as error:
                print(errno.errorcode[error.errno], error)
            except Exception as error:
                print(getattr(error, "code", repr(error)))
            else:
                print("listens")
            server.close()
        """)
    )
    with Program.run(file) as program:
        assert program.wait() == 0, program.stderr.text
        return program.stdout.text


@pytest.mark.parametrize("port", ['"8000"', "80.0", "None", "True", 'b"80"', "[80]"])
def test_a_port_must_be_an_int(tmp_path: Path, port: str) -> None:
    assert code_of(tmp_path, f"server.listen({port})") == "ERR_INVALID_ARG_TYPE"


@pytest.mark.parametrize("port", [-1, 65_536, 10**20])
def test_a_port_must_be_one(tmp_path: Path, port: int) -> None:
    assert code_of(tmp_path, f"server.listen({port})") == "ERR_OUT_OF_RANGE"


def test_a_server_listens_once(tmp_path: Path) -> None:
    assert code_of(tmp_path, "server.listen(0).listen(0)") == "ERR_SERVER_ALREADY_LISTEN"


@pytest.mark.parametrize("backlog", [0, 1, 128])
@pytest.mark.parametrize("is_full", [False, True])
def test_a_unix_socket_in_use_is_said_at_once(tmp_path: Path, backlog: int, is_full: bool) -> None:
    """Also when the backlog of its listener is full: who asks whether it lives must not wait to be accepted."""
    path = tmp_path / "taken.sock"
    waiting: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind(str(path))
        owner.listen(backlog)
        try:
            while is_full:
                client = socket.socket(socket.AF_UNIX)
                waiting.append(client)
                client.setblocking(False)
                if client.connect_ex(str(path)) == errno.EAGAIN:
                    break
            said = code_of(tmp_path, f"server.listen(path={str(path)!r})")
        finally:
            for client in waiting:
                client.close()
        assert said.startswith("EADDRINUSE ")
        assert str(path) in said
        assert path.is_socket(), "it is the other's"


def test_a_unix_socket_of_a_server_that_is_gone_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind(str(path))
    assert code_of(tmp_path, f"server.listen(path=pathlib.Path({str(path)!r}))") == "listens"
    assert not path.exists(), "close() takes it away"
