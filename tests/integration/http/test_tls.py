"""HTTPS: what holds over plain TCP holds over TLS, and what is TLS's own: handshakes, goodbyes, cuts."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import DEADLINE_S, Program, RawClient, eventually, request

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
BLOCK = bytes(range(256)) * 256


def started(certificate: Path, **timeouts: float) -> Program:
    program = Program.run("routes.py", env={"TLS": json.dumps({"cert": str(certificate)}), "TIMEOUTS": json.dumps(timeouts)})
    program.tls = ssl.create_default_context(cafile=str(certificate))
    return program


@pytest.fixture(scope="module")
def program(certificate: Path) -> Iterator[Program]:
    """Shared. Invariant: when the module is done it still serves, and no connection is left."""
    with started(certificate) as program:
        yield program
        assert program.get("/").status == 200
        program.idle_fd_count()


def facts(program: Program) -> dict[str, Any]:
    return json.loads(program.get("/facts").body)  # type: ignore[no-any-return]


def test_many_requests_on_a_connection(program: Program) -> None:
    with program.client() as client:
        for _ in range(20):
            assert client.request().body == b"Hello, World!"
        client.send(request("GET", "/") * 10)
        assert [client.response().body for _ in range(10)] == [b"Hello, World!"] * 10


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_versions_and_the_protocol_that_is_agreed_on(program: Program, certificate: Path, version: str) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    context.set_alpn_protocols(["h2", "http/1.1"])
    with RawClient(program.address) as client:
        client.secure(context)
        assert isinstance(client.socket, ssl.SSLSocket)
        assert client.socket.selected_alpn_protocol() == "http/1.1"
        assert client.request().status == 200


def test_what_is_older_than_1_2_is_refused(program: Program) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with RawClient(program.address) as client, pytest.raises(OSError):
        client.secure(context)


def test_bodies_both_ways(program: Program) -> None:
    body = BLOCK * 48
    with program.client() as client:
        answer = json.loads(client.request("POST", "/iterate", body=body).body)
        assert answer["bytes"] == len(body)
        response = client.request("GET", "/big/8")
        assert hashlib.sha256(response.body).digest() == hashlib.sha256(BLOCK * 128).digest()
        assert client.request("POST", "/echo", body=b"small").body == b"small"
        assert client.request("HEAD", "/head").body == b""


def test_a_request_cut_at_every_byte(program: Program) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    assert program.tls is not None
    tls = program.tls.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with RawClient(program.address) as client:

        def send() -> None:
            data = outgoing.read()
            for i in range(len(data)):
                client.socket.sendall(data[i : i + 1])

        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                send()
                incoming.write(client.socket.recv(65_536))
        send()
        for _ in range(3):
            tls.write(request("POST", "/echo", body=b"cut to pieces"))
            send()
            answer = b""
            while not answer.endswith(b"cut to pieces"):
                incoming.write(client.socket.recv(65_536))
                try:
                    answer += tls.read(65_536)
                except ssl.SSLWantReadError:
                    continue


def test_the_end_is_said(program: Program) -> None:
    with program.client() as client:
        assert client.request("GET", "/", "Connection: close").status == 200
        client.expect_end()  # an end without a goodbye would raise


def test_an_answer_that_is_cut_has_no_goodbye(program: Program) -> None:
    with program.client() as client, pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
        client.request("GET", "/fail-after")


@pytest.mark.parametrize("goes", ["with a goodbye", "without one", "reset"])
def test_a_client_that_leaves_amid_a_body(program: Program, goes: str) -> None:
    program.get("/clear")
    with program.client() as client:
        client.send(request("POST", "/watch-abort", "Content-Length: 1000", body=b"some"))
        eventually(lambda: facts(program)["held"], "the handler has begun")
        if goes == "with a goodbye":
            assert isinstance(client.socket, ssl.SSLSocket)
            client.socket.settimeout(None)
            client.socket.setblocking(False)
            try:
                client.socket.unwrap()
            except (ssl.SSLWantReadError, OSError):
                pass
        elif goes == "reset":
            client.reset()
        client.socket.close()
    eventually(lambda: facts(program)["notes"], "the handler is told")


def test_plain_http_is_refused_and_told_once(certificate: Path) -> None:
    with started(certificate) as program:
        for _ in range(3):
            with RawClient(program.address) as client:
                client.send(request("GET", "/"))
                assert client.rest().startswith(b"HTTP/1.1 400 ")
        for data in (b"\x16\x03\x01\x02\x00garbage" + bytes(600), b"\x80\x2e\x01\x03\x01" + bytes(41), b"\0"):
            with RawClient(program.address) as client:
                client.send(data)
                client.half_close()
                client.rest()
        assert program.get("/").status == 200
        program.idle_fd_count()
        program.signal(15)
        program.wait()
    lines = [line for line in program.stderr.lines if "plain text" in line]
    assert len(lines) == 1
    assert "https://" in lines[0]


def test_handshakes_that_stall_are_within_the_deadline_of_heads(certificate: Path) -> None:
    with started(certificate, headers_s=2.0) as program, ExitStack() as stack:
        assert program.get("/").status == 200
        before = program.idle_fd_count()
        stalled = [stack.enter_context(RawClient(program.address)) for _ in range(200)]
        for client in stalled[::2]:
            client.send(b"\x16\x03\x01\x02")
        assert program.get("/").status == 200
        for client in stalled:
            client.rest()
        eventually(lambda: program.fd_count == before, "all are closed")
        assert program.get("/").status == 200


def test_a_handshake_does_not_make_the_head_late(certificate: Path) -> None:
    # A byte now and then is no progress: the time runs from the connection on.
    with started(certificate, headers_s=1.0) as program, RawClient(program.address) as client:
        hello = ssl.MemoryBIO()
        assert program.tls is not None
        tls = program.tls.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        data = hello.read()
        for i in range(len(data)):
            if not client.try_send(data[i : i + 1]):
                break
            if not client.is_quiet(0.05):
                break
        assert client.rest() == b""


def test_who_reads_nothing_is_cut(certificate: Path) -> None:
    with started(certificate, send_progress_s=0.5) as program:
        client = RawClient(program.address, rcvbuf=4096)
        assert program.tls is not None
        client.secure(program.tls)
        with client:
            client.send(request("GET", "/big/64"))
            eventually(lambda: facts(program)["connections"] == 1, "it is cut")  # the one that asks


def test_memory_is_bounded_for_who_does_not_read(certificate: Path) -> None:
    with started(certificate) as program:
        assert len(program.get("/big/2").body) == 2 * MIB
        memory = program.rss_bytes
        client = RawClient(program.address, rcvbuf=65_536)
        assert program.tls is not None
        client.secure(program.tls)
        with client:
            client.send(request("GET", "/big/64"))
            eventually(lambda: facts(program)["refused_writes"] > 0, "write() says so")
            assert program.rss_bytes - memory < 16 * MIB
            response = client.response()
        assert hashlib.sha256(response.body).digest() == hashlib.sha256(BLOCK * 1024).digest()
        assert program.rss_bytes - memory < 16 * MIB


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not there")
@pytest.mark.parametrize("flags", [[], ["--tls-max", "1.2"], ["--http1.1", "--no-alpn"]])
def test_curl(program: Program, certificate: Path, flags: list[str], tmp_path: Path) -> None:
    assert isinstance(program.address, tuple)
    body = tmp_path / "body"
    body.write_bytes(BLOCK * 16)
    url = f"https://localhost:{program.address[1]}"
    command = ["curl", "-sS", "--cacert", str(certificate), "--resolve", f"localhost:{program.address[1]}:127.0.0.1", *flags]
    command += ["--data-binary", "@" + str(body), f"{url}/echo", f"{url}/echo"]
    bare = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}  # curl's TLS stands still under a sanitizer
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False, env=bare)
    assert done.returncode == 0, done.stderr
    assert done.stdout == BLOCK * 32


def test_the_server_ends_amid_handshakes(certificate: Path) -> None:
    program = started(certificate)
    with program, RawClient(program.address) as silent, RawClient(program.address) as begun:
        begun.send(b"\x16\x03\x01")
        assert program.get("/").status == 200
        program.signal(15)
        assert program.wait() in (0, 143, -15)
        silent.rest()


def test_a_socket_is_not_held_by_half_closed_clients(program: Program) -> None:
    with program.client() as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        client.send(request("GET", "/delay/100"))
        plain = socket.socket(fileno=socket.dup(client.socket.fileno()))
        plain.shutdown(socket.SHUT_WR)  # no goodbye; the answer still comes
        plain.close()
        assert client.response().body == b"/delay/100"


def test_files_are_encrypted_too(certificate: Path, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(BLOCK * 128)
    (tmp_path / "small").write_bytes(b"small")
    with Program.run("secure.py", env={"TLS": str(certificate), "ROOT": str(tmp_path)}) as program:
        program.tls = ssl.create_default_context(cafile=str(certificate))
        with program.client() as client:
            assert client.request("GET", "/small").body == b"small"
            assert client.request("GET", "/large").body == BLOCK * 128
            part = client.request("GET", "/large", "Range: bytes=65536-131071")
            assert part.status == 206
            assert part.body == BLOCK


def test_a_connection_is_not_ended_under_a_request(certificate: Path, tmp_path: Path) -> None:
    # Its time is over while the loop is blocked, and its next request waits in the kernel.
    env = {"TLS": str(certificate), "ROOT": str(tmp_path), "KEEP_ALIVE_S": "0.3"}
    with Program.run("secure.py", env=env) as program:
        program.tls = ssl.create_default_context(cafile=str(certificate))
        with program.client() as client, program.client() as other:
            assert client.request().body == b"hello"
            other.send(request("GET", "/block/900"))
            program.stdout.wait_line("blocked")
            client.send(request("GET", "/"))
            assert other.response().body == b"blocked"
            assert client.response().body == b"hello"
            client.expect_end()


@pytest.mark.parametrize("line", [b"GET /chat HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: echo\r\n", b"CONNECT a:1 HTTP/1.1\r\n"])
def test_a_connection_that_goes_to_somebody_else_stays_encrypted(certificate: Path, tmp_path: Path, line: bytes) -> None:
    with Program.run("secure.py", env={"TLS": str(certificate), "ROOT": str(tmp_path)}) as program:
        program.tls = ssl.create_default_context(cafile=str(certificate))
        with program.client() as client:
            assert isinstance(client.socket, ssl.SSLSocket)
            client.send(line + b"Host: a:1\r\n\r\nbehind it, ")
            client.send(BLOCK)
            wanted = b"Upgrade: TLSSocket\r\n\r\nbehind it, " + BLOCK
            seen = b""
            while not seen.endswith(wanted):
                assert len(seen) < len(wanted) + 200, seen[:200]
                seen += client.socket.recv(65_536)
            client.socket.unwrap()  # both say goodbye
        program.idle_fd_count()
