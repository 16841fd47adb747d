"""Names of servers that clients ask for, and that are none: they fill no log."""

from __future__ import annotations

import logging
import ssl
import sys
from pathlib import Path

import pytest

from tests.integration import openssl
from treadle import tls


def test_a_name_that_is_none_is_not_told_on_stderr(
    certificate: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    context = tls.ServerOptions(cert=certificate).load()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    caplog.set_level(logging.DEBUG, "treadle.tls")
    with openssl.client() as client:
        client.ask_for(b"\xff\xfe.example")
        incoming.write(client.shake_hands())
        with pytest.raises(ssl.SSLError):
            server.do_handshake()
    assert told == []
    assert "a name that is none" in caplog.text

    class Other:
        def __del__(self) -> None:
            raise UnicodeDecodeError("ascii", b"\xff", 0, 1, "of somebody else")

    Other()
    assert len(told) == 1
