"""Whose a request is, as handlers and applications see it: forwarded fields and PROXY headers, of trusted peers and of others."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import PROGRAMS, START_DEADLINE_S, Program, RawClient, eventually, request

V1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n"
V2 = (
    b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x11, 12) + bytes([192, 0, 2, 1, 198, 51, 100, 2])
    + struct.pack("!HH", 4711, 443)
)  # fmt: skip
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
UNNAMED = {
    "v1": b"PROXY UNKNOWN\r\n",
    "v1-said-more": b"PROXY UNKNOWN 192.0.2.1 198.51.100.2 4711 443\r\n",
    "v2-local": SIGNATURE + b"\x20\0\0\0",
    "v2-unspecified": SIGNATURE + b"\x21\0\0\0",
    "v2-unix": SIGNATURE + b"\x21\x31\0\xd8" + bytes(216),
}  # as balancers write it for their own checks, and for clients of whom they know no address
FIELDS = ("X-Forwarded-For: 192.0.2.66, 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: example.com")


def scope_of(program: Program, *fields: str) -> dict[str, Any]:
    return json.loads(program.get("/scope", *fields).body)  # type: ignore[no-any-return]


# ---- applications


def test_by_default_nobody_is_believed() -> None:
    with Program.serve("asgi_app:app") as program:
        scope = scope_of(program, *FIELDS, "Forwarded: for=192.0.2.1;proto=https")
        assert scope["scheme"] == "http"
        assert scope["client"][1] == "127.0.0.1"
        assert scope["server"] == ["tuple", "127.0.0.1", program.address[1]]


@pytest.mark.parametrize("by", ["flag", "environment"])
def test_forwarded_fields_of_a_trusted_proxy(by: str) -> None:
    flags = ("--forwarded-allow-ips", "127.0.0.0/8") if by == "flag" else ()
    env = {"FORWARDED_ALLOW_IPS": "127.0.0.1"} if by == "environment" else None
    with Program.serve("asgi_app:app", *flags, env=env) as program, program.client() as client:
        for _ in range(2):  # objects of an exchange are used again
            scope = json.loads(client.request("GET", "/scope", *FIELDS).body)
            assert scope["scheme"] == "https"
            assert scope["client"] == ["tuple", "192.0.2.1", 0]
            assert scope["server"] == ["tuple", "example.com", 443]
            assert ["tuple", ["bytes", "host"], ["bytes", "test"]] in scope["headers"], "Host stays as it came"
            scope = json.loads(client.request("GET", "/scope").body)
            assert scope["scheme"] == "http"
            assert scope["client"][1] == "127.0.0.1"
        two = ("X-Forwarded-For: 192.0.2.66", "x-forwarded-for: 192.0.2.1")
        assert json.loads(client.request("GET", "/scope", *two).body)["client"] == ["tuple", "192.0.2.1", 0]


def test_forwarded_of_rfc_7239() -> None:
    with Program.serve("asgi_app:app", "--forwarded-allow-ips", "*", "--forwarded-fields", "forwarded") as program:
        scope = scope_of(program, 'Forwarded: for="[2001:db8::1]:4711";proto=https;host=example.com', *FIELDS)
        assert scope["scheme"] == "https"
        assert scope["client"] == ["tuple", "2001:db8::1", 4711]
        assert scope["server"] == ["tuple", "example.com", 443]


def test_a_quote_that_a_client_leaves_open_has_no_hold_on_what_the_proxy_adds() -> None:
    flags = ("--forwarded-allow-ips", "127.0.0.1", "--forwarded-fields", "forwarded")
    with Program.serve("asgi_app:app", *flags) as program:
        theirs = 'Forwarded: for=192.0.2.66;proto=https;x="'
        for ours in ("for=192.0.2.1", 'for="192.0.2.1";proto="http"', 'for=192.0.2.1, for="127.0.0.1"'):
            scope = scope_of(program, theirs, f"Forwarded: {ours}")
            assert (scope["client"], scope["scheme"]) == (["tuple", "192.0.2.1", 0], "http")
            scope = scope_of(program, f"{theirs}, {ours}")
            assert (scope["client"], scope["scheme"]) == (["tuple", "192.0.2.1", 0], "http")


def test_where_every_peer_is_trusted_a_chain_says_its_last_element() -> None:
    with Program.serve("asgi_app:app", "--forwarded-allow-ips", "*") as program:
        assert scope_of(program, *FIELDS)["client"] == ["tuple", "192.0.2.1", 0]


def test_wsgi_applications_see_it(tmp_path: Path) -> None:
    pytest.importorskip("flask")
    with Program.serve("flask_app:app", "--forwarded-allow-ips", "127.0.0.1") as program:
        seen = json.loads(program.get("/url", *FIELDS).body)
        assert seen == {"url": "https://test/url", "address": "192.0.2.1", "secure": True}


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--forwarded-allow-ips", "localhost"), "localhost"),
        (("--proxy-protocol",), "--forwarded-allow-ips"),
        (("--uds-mode", "999"), "999"),
        (("--uds-mode", "rw"), "rw"),
        (("--fd", "3", "--uds", "x"), "--fd"),
    ],
)
def test_flags_that_make_no_sense_are_one_clear_line(flags: tuple[str, ...], word: str) -> None:
    with Program.serve("asgi_app:app", *flags) as program:
        assert program.wait(START_DEADLINE_S) == 2
        assert word in program.stderr.text
        assert "Traceback" not in program.stderr.text


# ---- handlers in Node's manner


def edge(**env: str) -> Program:
    return Program.run("edge.py", env=env)


def test_handlers_see_it() -> None:
    with edge(TRUSTED="127.0.0.1") as program, program.client() as client:
        seen = json.loads(client.request("GET", "/", *FIELDS).body)
        assert (seen["address"], seen["scheme"]) == (["192.0.2.1", 0], "https")
        seen = json.loads(client.request("GET", "/").body)
        assert (seen["address"][0], seen["scheme"]) == ("127.0.0.1", "http")


def test_a_unix_socket(tmp_path: Path) -> None:
    with edge(TRUSTED="unix", UNIX=str(tmp_path / "s")) as program:
        seen = json.loads(program.get("/", *FIELDS).body)
        assert (seen["address"], seen["scheme"]) == (["192.0.2.1", 0], "https")
        assert json.loads(program.get("/").body)["address"] == ""


# ---- PROXY headers


@pytest.fixture(scope="module")
def behind() -> Any:
    with edge(TRUSTED="127.0.0.1", PROXY_PROTOCOL="1") as program:
        yield program


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_a_header_cut_at_every_byte(behind: Program, header: bytes) -> None:
    for size in range(1, len(header) + 3):
        with behind.client() as client:
            data = header + request("GET", "/")
            client.send(data[:size])
            assert client.is_quiet(0.01)
            client.send(data[size:])
            assert json.loads(client.response().body)["address"] == ["192.0.2.1", 4711]
            assert json.loads(client.request("GET", "/").body)["address"] == ["192.0.2.1", 4711]


def test_a_header_byte_by_byte(behind: Program) -> None:
    with behind.client() as client:
        for byte in V2 + request("GET", "/"):
            client.send(bytes([byte]))
        assert json.loads(client.response().body)["address"] == ["192.0.2.1", 4711]


@pytest.mark.parametrize("header", UNNAMED.values(), ids=UNNAMED)
def test_a_header_that_names_nobody_leaves_the_peer_and_no_field_is_believed(behind: Program, header: bytes) -> None:
    with behind.client() as client, behind.client() as other:
        client.send(header)
        for fields in ((), FIELDS, FIELDS):
            seen = json.loads(client.request("GET", "/", *fields).body)
            assert (seen["address"], seen["scheme"]) == (list(client.socket.getsockname()), "http")
        other.send(V1 + request("GET", "/"))
        assert json.loads(other.response().body)["address"] == ["192.0.2.1", 4711]


def test_fields_are_believed_of_a_proxy_that_the_header_names(behind: Program) -> None:
    with behind.client() as client:
        client.send(b"PROXY TCP4 127.0.0.1 198.51.100.2 4711 443\r\n" + request("GET", "/", *FIELDS))
        seen = json.loads(client.response().body)
        assert (seen["address"], seen["scheme"]) == (["192.0.2.1", 0], "https")


def test_a_star_trusts_no_client_that_the_header_names() -> None:
    with edge(TRUSTED="*", PROXY_PROTOCOL="1") as program, program.client() as client:
        client.send(V1 + request("GET", "/", *FIELDS))
        seen = json.loads(client.response().body)
        assert (seen["address"], seen["scheme"]) == (["192.0.2.1", 4711], "http")


@pytest.mark.parametrize(
    "data", [request("GET", "/"), b"PROXY TCP4 x\r\n", V1[:-2] + b"\n", b"\x16\x03\x01", V1[:6] + b"x" * 200]
)
def test_without_its_header_a_connection_is_closed_unheard(behind: Program, data: bytes) -> None:
    with behind.client() as client:
        client.send(data)
        assert client.rest() == b""
    behind.stderr.wait_line("a connection of 127.0.0.1:[0-9]+ was closed: it")


def test_a_second_header_is_no_request(behind: Program) -> None:
    with behind.client() as client:
        client.send(V1 + V1)
        assert client.response().status == 400


def test_who_is_not_trusted_is_plain_http() -> None:
    with edge(TRUSTED="192.0.2.9", PROXY_PROTOCOL="1") as program:
        assert json.loads(program.get("/").body)["address"][0] == "127.0.0.1"
        with program.client() as client:
            client.send(V1 + request("GET", "/"))
            assert client.response().status == 400


def test_a_header_that_does_not_come_has_a_deadline_and_leaves_nothing() -> None:
    with edge(TRUSTED="127.0.0.1", PROXY_PROTOCOL="1", HEADERS_S="0.3") as program:
        assert program.address
        before = program.fd_count
        with program.client() as silent, program.client() as slow:
            slow.send(V1[:10])
            assert silent.rest() == b""
            assert slow.rest() == b""
        for _ in range(20):
            with program.client() as client:
                client.send(V2[:5])
        eventually(lambda: program.fd_count == before, "all are closed")


def test_a_server_that_closes_does_not_wait_for_a_header() -> None:
    with edge(TRUSTED="127.0.0.1", PROXY_PROTOCOL="1") as program, program.client() as client:
        client.send(V1[:10])
        eventually(lambda: program.connection_count == 1, "it is accepted")
        program.signal(15)
        assert program.wait() == 0
        assert client.rest() == b""


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("header", [b"", V1, V2], ids=["plain", "v1", "v2"])
def test_what_has_reached_the_kernel_when_it_stops_and_says_so_in_time_is_answered(header: bytes, fifo: Path) -> None:
    """Whether it was accepted or not, and however much of its header has come."""
    settings = {"TRUSTED": "127.0.0.1", "PROXY_PROTOCOL": "1"} if header else {}
    with edge(FIFO=str(fifo), BUDGET_S="30", LINGER_S="30", **settings) as program:
        with program.client() as silent, program.client() as begun, program.client() as blocking:
            begun.send((header + request("GET", "/"))[:9])
            blocking.send(header + request("GET", "/block"))
            program.stdout.wait_line("blocked")
            with program.client() as waiting, program.client() as begun_waiting, program.client() as whole:
                begun_waiting.send((header + request("GET", "/"))[:9])
                whole.send(header + request("GET", "/"))
                program.signal(signal.SIGTERM)
                with open(fifo, "wb"):
                    pass
                program.stdout.wait_line("closing")
                for client in (silent, waiting):
                    client.send(header + request("GET", "/"))
                for client in (begun, begun_waiting):
                    client.send((header + request("GET", "/"))[9:])
                assert blocking.response().status == 200
                for client in (silent, begun, waiting, begun_waiting, whole):
                    response = client.response()
                    assert (response.status, response.announces_close()) == (200, True)
                    assert not header or json.loads(response.body)["address"] == ["192.0.2.1", 4711]
                    client.expect_end()
        assert program.wait() == 0
        assert program.stdout.lines[-1] == "close"


@pytest.mark.parametrize("settings", [{}, {"TRUSTED": "127.0.0.1", "PROXY_PROTOCOL": "1"}], ids=["plain", "proxy"])
def test_who_says_nothing_holds_a_stop_no_longer_than_a_moment(settings: dict[str, str]) -> None:
    with edge(BUDGET_S="60", LINGER_S="0.2", **settings) as program, program.client() as silent:
        eventually(lambda: program.connection_count == 1, "it is accepted")
        program.signal(signal.SIGTERM)
        silent.expect_end()
        assert program.wait() == 0
        assert "was closed" not in program.stderr.text


def test_a_header_that_is_never_whole_holds_a_stop_until_its_deadline() -> None:
    with edge(TRUSTED="127.0.0.1", PROXY_PROTOCOL="1", BUDGET_S="1", LINGER_S="0.1") as program, program.client() as client:
        client.send(V1[:10])
        eventually(lambda: program.connection_count == 1, "it is accepted")
        program.signal(signal.SIGTERM)
        assert client.rest() == b""
        assert program.wait() == 0
        assert program.stdout.lines[-1] == "close"


def test_tls_behind_a_proxy_header(certificate: Path) -> None:
    flags = ("--forwarded-allow-ips", "127.0.0.1", "--proxy-protocol", "--tls-cert", str(certificate))
    context = ssl.create_default_context(cafile=str(certificate))
    with Program.serve("asgi_app:app", *flags) as program:
        with program.client() as client:
            client.send(V2)
            client.secure(context)
            for _ in range(2):
                scope = json.loads(client.request("GET", "/scope", *FIELDS).body)
                assert (scope["scheme"], scope["client"]) == ("https", ["tuple", "192.0.2.1", 4711])
                assert scope["server"] == ["tuple", "198.51.100.2", 443]
        for header in (UNNAMED["v2-local"], b""):
            with program.client() as client:
                client.send(header)
                if header:
                    client.secure(context)
                    assert json.loads(client.request("GET", "/scope", *FIELDS).body)["client"][1] == "127.0.0.1"
                else:
                    with pytest.raises(OSError):  # a handshake is no PROXY header
                        client.secure(context)
        with program.client() as client:
            client.send(V1 + request("GET", "/"))
            assert client.response().status == 400
        program.stderr.wait_line(r"192\.0\.2\.1:4711 speaks plain text on a port for TLS")


def test_applications_see_a_proxy_header() -> None:
    flags = ("--forwarded-allow-ips", "127.0.0.1", "--proxy-protocol")
    with Program.serve("asgi_app:app", *flags) as program, program.client() as client:
        client.send(V2 + request("GET", "/scope", *FIELDS))
        scope = json.loads(client.response().body)
        assert scope["client"] == ["tuple", "192.0.2.1", 4711]
        assert scope["server"] == ["tuple", "198.51.100.2", 443]
        assert scope["scheme"] == "http", "whom the header names is not trusted: its fields are its own word"


# ---- where it listens


def test_the_mode_of_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    flags = ("--uds", str(path), "--uds-mode", "660")
    with Program("serve", "asgi_app:app", "--app-dir", str(PROGRAMS), *flags) as program:
        program.stderr.wait_line("serving asgi_app:app on unix:", START_DEADLINE_S)
        assert path.stat().st_mode & 0o777 == 0o660


def test_an_inherited_socket(tmp_path: Path) -> None:
    """As systemd hands one over: bound, listening, under a number that is known."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        wrapper = tmp_path / "activate.py"
        wrapper.write_text(
            "import os, sys\n"
            f"os.dup2({listening.fileno()}, 3)\n"
            "os.execv(sys.executable, [sys.executable, '-m', 'treadle', *sys.argv[1:]])\n"
        )
        os.set_inheritable(listening.fileno(), True)
        import subprocess
        import sys

        process = subprocess.Popen(
            [sys.executable, str(wrapper), "serve", "asgi_app:app", "--app-dir", str(PROGRAMS), "--fd", "3"],
            pass_fds=[listening.fileno()],
            stderr=subprocess.PIPE,
        )
    try:
        with RawClient(address, deadline_s=START_DEADLINE_S) as client:
            assert client.request("GET", "/", "Connection: close").body == b"hello"
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=START_DEADLINE_S)
    assert process.returncode == 0
    assert f"http://127.0.0.1:{address[1]}".encode() in errors


def test_a_descriptor_that_is_no_socket_is_one_clear_line() -> None:
    with Program.serve("asgi_app:app", "--fd", "0") as program:
        assert program.wait(START_DEADLINE_S) == 3
        assert "descriptor 0" in program.stderr.text
