"""`treadle serve --tls-cert`: the scope, names, clients' certificates, and other certificates without a restart."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import PROGRAMS, START_DEADLINE_S, Program, RawClient, eventually, request

pytestmark = pytest.mark.slow


def served(certificate: Path, *flags: str, client: Path | None = None) -> Program:
    program = Program.serve("asgi_app:app", "--tls-cert", str(certificate), *flags)
    program.tls = ssl.create_default_context(cafile=str(certificate))
    if client is not None:
        program.tls.load_cert_chain(client)
    return program


def scope_of(program: Program) -> dict[str, Any]:
    with program.client() as client:
        client.send(request("GET", "/scope"))
        client.send(request("GET", "/scope"))
        first, second = (json.loads(client.response().body) for _ in range(2))
    assert first["tls"] == second["tls"]
    return first  # type: ignore[no-any-return]


def test_the_scope_says_https(certificate: Path) -> None:
    with served(certificate) as program:
        scope = scope_of(program)
        assert scope["scheme"] == "https"
        facts = scope["tls"]
        assert facts["tls_version"] == 0x0304
        assert facts["cipher_suite"] in (0x1301, 0x1302, 0x1303)
        assert facts["server_cert"] is None
        assert facts["client_cert_chain"] == ["list"]
        assert facts["client_cert_name"] is None
        assert facts["client_cert_error"] is None
        program.stderr.wait_line(r"serving asgi_app:app on https://127\.0\.0\.1:\d+")


def test_clients_certificates(certificate: Path, other_certificate: Path, authority: Path) -> None:
    with served(certificate, "--tls-client-ca", str(authority), client=authority) as program:
        facts = scope_of(program)["tls"]
        assert facts["client_cert_name"] == "CN=client.example"
        assert facts["client_cert_chain"][1].startswith("-----BEGIN CERTIFICATE-----")
        for own in (None, other_certificate):
            context = ssl.create_default_context(cafile=str(certificate))
            if own is not None:
                context.load_cert_chain(own)
            with pytest.raises(OSError), RawClient(program.address) as client:
                client.secure(context)
                client.request()


def test_a_certificate_for_each_name(certificate: Path, other_certificate: Path) -> None:
    with served(certificate, "--tls-sni", f"other.example={other_certificate}") as program:
        assert program.get("/").status == 200
        with RawClient(program.address) as client:
            client.secure(ssl.create_default_context(cafile=str(other_certificate)), "other.example")
            assert client.request().status == 200


def put(new: Path, at: Path) -> None:
    shutil.copy(new, at.with_suffix(".new"))
    os.replace(at.with_suffix(".new"), at)


def test_other_certificates_without_a_restart(certificate: Path, other_certificate: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    shutil.copy(certificate, own)
    both = ssl.create_default_context()
    both.load_verify_locations(certificate)
    both.load_verify_locations(other_certificate)
    both.check_hostname = False
    stop = threading.Event()
    failures: list[BaseException] = []
    answers = [0]

    def load() -> None:
        # A connection each, and requests on one that stays.
        try:
            with RawClient(program.address) as lasting:
                lasting.secure(both)
                while not stop.is_set():
                    assert lasting.request().status == 200
                    with RawClient(program.address) as client:
                        client.secure(both)
                        assert client.request("GET", "/", "Connection: close").status == 200
                        client.expect_end()
                    answers[0] += 1
        except BaseException as error:
            failures.append(error)

    def names() -> set[str]:
        with RawClient(program.address) as client:
            client.secure(both)
            assert isinstance(client.socket, ssl.SSLSocket)
            shown: Any = client.socket.getpeercert()
            return {value for part in shown["subject"] for _, value in part}

    with served(own) as program:
        assert program.address
        thread = threading.Thread(target=load)
        thread.start()
        try:
            for new in (other_certificate, certificate, other_certificate):
                put(new, own)
                program.signal(signal.SIGHUP)
                name = "localhost" if new is certificate else "other.example"
                eventually(lambda name=name: names() == {name}, "the new one is shown")
            own.with_suffix(".bad").write_text("no certificate")
            put(own.with_suffix(".bad"), own)
            program.signal(signal.SIGHUP)
            program.stderr.wait_line(r"the certificates stay as they were.*own\.pem")
            assert names() == {"other.example"}
            seen = answers[0]
            eventually(lambda: failures or answers[0] > seen + 3, "it goes on")
        finally:
            stop.set()
            thread.join()
        assert not failures, failures
        assert program.is_alive


def refused(*flags: str) -> tuple[int, str]:
    with Program("serve", "asgi_app:app", "--port", "0", "--app-dir", str(PROGRAMS), *flags) as program:
        code = program.wait(START_DEADLINE_S)
        return code, program.stderr.text + program.stdout.text


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--tls-key", "k.pem"], 2, "--tls-key says nothing without --tls-cert"),
        (["--tls-cert", "CERT", "--tls-client-cert", "required"], 2, "needs --tls-client-ca"),
        (["--tls-cert", "CERT", "--tls-sni", "a.example"], 2, "HOST=CERT"),
        (["--tls-cert", "/nowhere.pem"], 3, "/nowhere.pem"),
        (["--tls-cert", "CERT", "--tls-key", "OTHER"], 3, "the key is not the certificate's"),
        (["--tls-cert", "CERT", "--tls-ciphers", "none such"], 3, "ciphers"),
        (["--tls-cert", "CERT", "--tls-passphrase-file", "/nowhere"], 1, "/nowhere"),
    ],
)
def test_what_makes_no_sense_is_told(certificate: Path, other_certificate: Path, flags: list[str], code: int, words: str) -> None:
    paths = {"CERT": str(certificate), "OTHER": str(other_certificate)}
    ended, text = refused(*(paths.get(flag, flag) for flag in flags))
    assert ended == code, text
    assert words in text
    assert "Traceback" not in text


def test_a_stop_lets_connections_end(certificate: Path) -> None:
    with served(certificate) as program, program.client() as idle, program.client() as busy:
        assert idle.request().status == 200
        busy.send(request("GET", "/delay/300"))
        with contextlib.suppress(TimeoutError):
            program.stderr.wait_line("serving")
        program.signal(signal.SIGTERM)
        idle.expect_end()
        busy.response()
        busy.expect_end()
        assert program.wait() == 0


def test_behind_the_header_of_a_proxy(certificate: Path) -> None:
    proxied = served(certificate, "--forwarded-allow-ips", "127.0.0.1", "--proxy-protocol")
    with proxied as program, RawClient(program.address) as client:
        client.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n")
        assert program.tls is not None
        client.secure(program.tls)
        scope = json.loads(client.request("GET", "/scope").body)
        assert scope["client"][1:] == ["192.0.2.1", 1234]
        assert scope["server"][1:] == ["192.0.2.2", 443]
        assert scope["scheme"] == "https"
