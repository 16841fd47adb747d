"""Options, and the contexts that follow from them: defaults, and errors that say which file."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.integration.tls import make_certificate
from treadle import tls
from treadle._base.errors import TreadleError


def test_defaults_are_safe(certificate: Path) -> None:
    context = tls.ServerOptions(cert=certificate).load()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.verify_mode is ssl.CERT_NONE
    client = tls.ClientOptions(ca=certificate).load()
    assert client.check_hostname
    assert client.verify_mode is ssl.CERT_REQUIRED
    assert client.minimum_version is ssl.TLSVersion.TLSv1_2
    assert client.options & ssl.OP_NO_RENEGOTIATION


def test_a_context_of_the_users_keeps_all_but_renegotiation(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    context = tls.server_context(contexts[0], alpn_protocols=("http/1.1",))
    assert context is contexts[0]
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_the_key_may_be_in_another_file_and_encrypted(tmp_path: Path) -> None:
    make_certificate(tmp_path, "locked.example", passphrase="a secret")
    cert, key = tmp_path / "locked.example.crt", tmp_path / "locked.example.key"
    tls.ServerOptions(cert=cert, key=key, passphrase="a secret").load()
    with pytest.raises(ssl.SSLError, match="no passphrase was given"):
        tls.ServerOptions(cert=cert, key=key).load()
    with pytest.raises(ssl.SSLError, match=r"the passphrase does not open the key in .*locked\.example\.key"):
        tls.ServerOptions(cert=cert, key=key, passphrase="another").load()
    with pytest.raises(ssl.SSLError, match=r"no key in .*locked\.example\.crt; where is it"):
        tls.ServerOptions(cert=cert).load()
    with pytest.raises(ssl.SSLError, match=r"no certificate in .*locked\.example\.key"):
        tls.ServerOptions(cert=key, key=cert).load()
    assert "a secret" not in repr(tls.ServerOptions(cert=cert, key=key, passphrase="a secret"))


@pytest.mark.parametrize("field", ["cert", "key", "client_ca", "sni"])
def test_a_missing_file_is_named(certificate: Path, tmp_path: Path, field: str) -> None:
    missing = tmp_path / "missing.pem"
    given: dict[str, Any] = {"cert": certificate, "client_ca": certificate, "client_cert": "required"}
    given[field] = {"a.example": (missing, None)} if field == "sni" else missing
    with pytest.raises(FileNotFoundError) as caught:
        tls.ServerOptions(**given).load()
    assert caught.value.filename == str(missing)


def test_what_is_in_a_file_is_told(certificate: Path, other_certificate: Path, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(ssl.SSLError, match=r"the key is not the certificate's: .*localhost"):
        tls.ServerOptions(cert=certificate, key=other_certificate).load()
    for path in (garbage, empty):
        with pytest.raises(ssl.SSLError, match=path.name):
            tls.ServerOptions(cert=path).load()
        with pytest.raises(ssl.SSLError, match=path.name):
            tls.ClientOptions(ca=path).load()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"client_cert": "maybe"}, "ERR_INVALID_ARG_VALUE"),
        ({"min_version": "TLSv1"}, "ERR_INVALID_ARG_VALUE"),
        ({"client_cert": "required"}, "ERR_MISSING_ARGS"),
        ({"ciphers": "no such"}, "ERR_INVALID_ARG_VALUE"),
        ({"sni": {"a..b": (__file__, None)}}, "ERR_INVALID_ARG_VALUE"),
    ],
)
def test_what_makes_no_sense_is_refused(certificate: Path, given: dict[str, Any], code: str) -> None:
    with pytest.raises(TreadleError) as caught:
        tls.ServerOptions(cert=certificate, **given).load()
    assert caught.value.code == code


def test_all_files_are_known(certificate: Path, other_certificate: Path, authority: Path) -> None:
    options = tls.ServerOptions(cert="a", key="b", sni={"x": ("c", "d"), "y": ("e", None)}, client_cert="optional", client_ca="f")
    assert options.files() == ["a", "b", "c", "d", "e", "f"]
