"""Servers and clients over TLS: who is called, who is refused, which certificate is shown."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tls.support import DEADLINE_S, content, descriptors, run, until, within
from treadle import events, net, tls
from treadle._base.errors import TreadleError

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


def port_of(server: tls.Server) -> int:
    address = server.address()
    assert isinstance(address, net.Address)
    return address.port


def options(certificate: Path, **more: Any) -> tls.ServerOptions:
    return tls.ServerOptions(cert=certificate, **more)


async def ask(server: tls.Server, **more: Any) -> tuple[bytes, tls.TLSSocket]:
    """What a client reads, and its socket."""
    more.setdefault("servername", "localhost")
    async with tls.connect(port_of(server), "localhost", **more) as client:
        return b"".join([chunk async for chunk in client]), client


def open_sockets() -> int:
    return sum(name.startswith("socket:") for name in descriptors().values())


def test_an_echo_over_it(certificate: Path) -> None:
    async def main() -> None:
        async def echo(sock: tls.TLSSocket) -> None:
            async for chunk in sock:
                sock.write(chunk)
                await sock.ready()
            sock.end()

        async with tls.create_server(echo, tls=options(certificate)).listen() as server:
            data = content(1_000_000)
            async with tls.connect(port_of(server), "localhost", tls=tls.ClientOptions(ca=certificate)) as client:
                assert client.encrypted
                assert client.authorized
                assert client.get_protocol() == "TLSv1.3"
                assert client.get_peer_certificate()["subject"] == ((("commonName", "localhost"),),)
                client.end(data)
                assert b"".join([chunk async for chunk in client]) == data

    run(main)


def test_who_listens_is_called_once_hands_are_shaken(certificate: Path) -> None:
    async def main() -> None:
        trace: list[str] = []
        server = tls.create_server(tls=options(certificate))
        server.on("connection", lambda _: trace.append("connection"))
        accepted = events.once(server, "secure_connection")
        server.listen()
        client = tls.connect(port_of(server), "localhost", tls=tls.ClientOptions(ca=certificate))
        for event in ("connect", "secure_connect"):
            client.on(event, lambda event=event: trace.append(event))
        [sock] = await within(accepted)
        await client.wait_connected()
        assert trace == ["connect", "secure_connect"]
        assert sock.servername == "localhost"
        assert not sock.authorized
        assert server.connections == 1
        client.destroy()
        sock.destroy()
        server.close()
        await within(server.wait_closed())

    run(main)


def test_a_server_that_is_somebody_else_is_refused(certificate: Path, other_certificate: Path) -> None:
    async def main() -> None:
        failures: list[Any] = []
        async with tls.create_server(tls=options(other_certificate)).listen() as server:
            server.on("tls_client_error", lambda error, _: failures.append(error))
            for ca in (certificate, other_certificate):  # nobody known; a name that is not this one's
                with pytest.raises(ssl.SSLCertVerificationError):
                    await ask(server, tls=tls.ClientOptions(ca=ca))
            await until(lambda: len(failures) == 2, "two failures")
            assert all(isinstance(error, ssl.SSLError) for error in failures)
            await until(lambda: server.connections == 0, "closed")

    run(main)


def test_verify_false_trusts_everybody(other_certificate: Path) -> None:
    async def main() -> None:
        async with tls.create_server(lambda sock: sock.end(b"hello"), tls=options(other_certificate)).listen() as server:
            data, client = await ask(server, tls=tls.ClientOptions(verify=False))
            assert data == b"hello"
            assert not client.authorized

    run(main)


def test_the_name_that_is_asked_for_chooses_the_certificate(certificate: Path, other_certificate: Path, tmp_path: Path) -> None:
    async def main() -> None:
        other = (other_certificate, None)
        shown = options(certificate, sni={"Other.Example": other, "*.wild.example": other, "b\xfccher.example": other})
        names: list[str | None] = []

        def greet(sock: tls.TLSSocket) -> None:
            names.append(sock.servername)
            sock.end(b"hello")

        async with tls.create_server(greet, tls=shown).listen() as server:
            for name in ("localhost", "other.example", "OTHER.example"):
                ca = certificate if name == "localhost" else other_certificate
                data, client = await ask(server, servername=name, tls=tls.ClientOptions(ca=ca))
                assert data == b"hello"
                assert client.authorized
            context = ssl.create_default_context(cafile=str(other_certificate))
            context.check_hostname = False  # it is for another name, but it is that one
            for name in ("a.wild.example", "b\xfccher.example"):
                await ask(server, servername=name, tls=context)
            for stranger in ("a.b.wild.example", "wild.example", "stranger.example"):
                with pytest.raises(ssl.SSLCertVerificationError):
                    await ask(server, servername=stranger, tls=context)
            assert names == ["localhost", "other.example", "OTHER.example", "a.wild.example", "xn--bcher-kva.example"]

    run(main)


@pytest.mark.parametrize("wanted", ["none", "optional", "required"])
@pytest.mark.parametrize("shows", ["nothing", "a good one", "a strange one"])
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_client_certificates(
    certificate: Path, other_certificate: Path, authority: Path, wanted: Any, shows: str, version: str
) -> None:
    good = wanted == "none" or shows == "a good one" or (wanted == "optional" and shows == "nothing")
    own = {"nothing": None, "a good one": authority, "a strange one": other_certificate}[shows]

    async def main() -> None:
        names: list[Any] = []
        failures: list[Any] = []

        def greet(sock: tls.TLSSocket) -> None:
            found = sock.get_peer_certificate()
            names.append(found and found["subject"][0][0][1])
            sock.end(b"hello")

        asked = options(certificate, client_cert=wanted, client_ca=None if wanted == "none" else authority)
        context = tls.ClientOptions(ca=certificate, cert=own).load()
        context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
        async with tls.create_server(greet, tls=asked).listen() as server:
            server.on("tls_client_error", lambda error, _: failures.append(error))
            if good:
                data, _ = await ask(server, tls=context)
                assert data == b"hello"
                assert names == ["client.example" if shows == "a good one" and wanted != "none" else None]
            else:
                with pytest.raises(OSError):  # an alert; or a reset that overtakes it
                    await ask(server, tls=context)
                assert names == []
                await until(lambda: failures, "the failure")

    run(main)


def test_other_certificates_count_for_new_connections(certificate: Path, other_certificate: Path) -> None:
    async def main() -> None:
        async def echo(sock: tls.TLSSocket) -> None:
            async for chunk in sock:
                sock.write(chunk)

        server = tls.create_server(echo, tls=options(certificate)).listen()
        async with server, tls.connect(port_of(server), "localhost", tls=tls.ClientOptions(ca=certificate)) as old:
            server.set_secure_context(options(other_certificate))
            with pytest.raises(FileNotFoundError):
                server.set_secure_context(options(Path("/nowhere")))
            new = tls.connect(port_of(server), tls=tls.ClientOptions(ca=other_certificate), servername="other.example")
            async with new:
                for sock in (old, new):
                    sock.write(b"still there")
                    [chunk] = await within(events.once(sock, "data"))
                    assert chunk == b"still there"

    run(main)


@pytest.mark.slow  # a handshake that is none of them must have its time
def test_many_stalled_handshakes_end_and_others_are_served(certificate: Path) -> None:
    async def main() -> None:
        failures: list[Any] = []
        server = tls.create_server(lambda sock: sock.end(b"hello"), tls=options(certificate), handshake_timeout=1500)
        server.on("tls_client_error", lambda error, _: failures.append(error.code))
        server.listen()
        before = open_sockets()
        stalled = [socket.create_connection(("127.0.0.1", port_of(server)), DEADLINE_S) for _ in range(100)]
        try:
            for sock in stalled[::2]:
                sock.send(b"\x16\x03\x01")
            data, _ = await ask(server, tls=tls.ClientOptions(ca=certificate))
            assert data == b"hello"
            await until(lambda: len(failures) == 100, "all of them have had their time")
            assert set(failures) == {"ERR_TLS_HANDSHAKE_TIMEOUT"}
            await until(lambda: open_sockets() == before + 100, "our ends are closed")
        finally:
            for sock in stalled:
                sock.close()
        server.close()
        await within(server.wait_closed())

    run(main)


def test_max_connections_counts_those_that_shake_hands(certificate: Path) -> None:
    async def main() -> None:
        server = tls.create_server(tls=options(certificate))
        server.max_connections = 1
        dropped = events.once(server, "drop")
        server.listen()
        with (
            socket.create_connection(("127.0.0.1", port_of(server)), DEADLINE_S),
            socket.create_connection(("127.0.0.1", port_of(server)), DEADLINE_S),
        ):
            await within(dropped)
        server.close()
        await within(server.wait_closed())

    run(main)


def test_a_cancelled_connect_leaves_nothing_open(certificate: Path) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            before = set(descriptors())
            client = tls.connect(silent.getsockname()[1], tls=tls.ClientOptions(ca=certificate), servername="localhost")
            task = asyncio.ensure_future(client.wait_connected())
            await until(lambda: not client.connecting, "connected")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            client.destroy()
            await until(lambda: set(descriptors()) <= before, "nothing more is open")

    run(main)


def test_over_a_unix_socket(certificate: Path, tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "s"
        server = tls.create_server(lambda sock: sock.end(b"hello"), tls=options(certificate)).listen(path=path)
        async with server, tls.connect(path=path, tls=tls.ClientOptions(ca=certificate)) as client:
            assert b"".join([chunk async for chunk in client]) == b"hello"

    run(main)


def test_protocols_are_agreed_on(contexts: Contexts) -> None:
    async def main() -> None:
        contexts[0].set_alpn_protocols(["http/1.1"])
        contexts[1].set_alpn_protocols(["h2", "http/1.1"])
        async with tls.create_server(lambda sock: sock.end(sock.alpn_protocol), tls=contexts[0]).listen() as server:
            data, client = await ask(server, tls=contexts[1])
            assert data == b"http/1.1"
            assert client.alpn_protocol == "http/1.1"

    run(main)


def test_a_failure_that_nobody_hears_of_is_logged_and_harmless(certificate: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        with caplog.at_level(logging.DEBUG, "treadle.tls"):
            async with tls.create_server(tls=options(certificate)).listen() as server:
                with socket.create_connection(("127.0.0.1", port_of(server)), DEADLINE_S) as sock:
                    sock.send(b"GET / HTTP/1.1\r\n\r\n")
                    await until(lambda: caplog.records, "the log")
        assert "no handshake with 127.0.0.1" in caplog.text

    run(main)


def test_what_is_no_context_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(TreadleError, match="ERR_INVALID_ARG_TYPE"):
            tls.create_server(tls="cert.pem")
        with pytest.raises(TreadleError, match="ERR_INVALID_ARG_TYPE"):
            tls.connect(1, tls="cert.pem")

    run(main)
