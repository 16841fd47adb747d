"""What ASGI's extension "tls" says, of connections that are made up. Source: RFC 4514 for names."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from treadle.asgi.tls_extension import tls_extension

DER = b"not looked at"


class Connection:
    """As much of an ssl.SSLObject as is asked."""

    def __init__(self, subject: Any = None, *, is_verified: bool = True) -> None:
        self._subject = subject
        self._is_verified = is_verified

    def getpeercert(self, binary_form: bool = False) -> Any:
        if self._subject is None:
            return None
        if binary_form:
            return DER
        return {"subject": self._subject} if self._is_verified else {}

    def cipher(self) -> tuple[str, str, int]:
        return "ECDHE-RSA-AES128-GCM-SHA256", "TLSv1.2", 128

    def version(self) -> str:
        return "TLSv1.2"


def facts(*args: Any, **options: Any) -> dict[str, Any]:
    connection: Any = Connection(*args, **options)
    return tls_extension(connection)


def test_without_a_client_certificate() -> None:
    assert facts() == {
        "server_cert": None,
        "client_cert_chain": [],
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": 0x0303,
        "cipher_suite": 0xC02F,
    }


def test_with_one() -> None:
    found = facts(((("countryName", "DE"),), (("organizationName", "Wheels"),), (("commonName", "a client"),)))
    assert found["client_cert_name"] == "CN=a client,O=Wheels,C=DE"
    assert found["client_cert_chain"] == [ssl.DER_cert_to_PEM_cert(DER)]


def test_one_that_was_not_verified_has_no_name() -> None:
    found = facts(((("commonName", "a client"),),), is_verified=False)
    assert found["client_cert_name"] is None
    assert len(found["client_cert_chain"]) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ('a,b+c"d\\e<f>g;h', 'a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h'),
        ("#first", "\\#first"),
        (" both ", "\\ both\\ "),
        (" ", "\\ "),
        ("a\0b", "a\\00b"),
        ("\xe9", "\xe9"),
    ],
)
def test_names_are_escaped(value: str, text: str) -> None:
    assert facts(((("commonName", value),),))["client_cert_name"] == f"CN={text}"


def test_parts_of_several_and_kinds_that_have_no_short_name() -> None:
    subject = ((("commonName", "a"), ("emailAddress", "a@b")),)
    assert facts(subject)["client_cert_name"] == "CN=a+emailAddress=a@b"
