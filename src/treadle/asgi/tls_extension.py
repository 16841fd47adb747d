"""What is known of a TLS connection, as ASGI's extension "tls" says it.

Source: https://asgi.readthedocs.io/en/latest/specs/tls.html. Not here: who asks (core.py)."""

import functools
import ssl
from typing import Any, Final

__all__ = ["tls_extension"]

_VERSIONS: Final = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_SHORT_NAMES: Final = {  # RFC 4514, section 3; any other type is given by OpenSSL's name
    "commonName": "CN", "localityName": "L", "stateOrProvinceName": "ST", "organizationName": "O",
    "organizationalUnitName": "OU", "countryName": "C", "streetAddress": "STREET", "domainComponent": "DC", "userId": "UID",
}  # fmt: skip
_SPECIAL: Final = ',+"\\<>;'


def tls_extension(tls: ssl.SSLObject) -> dict[str, Any]:
    """The extension's fields. server_cert is None, since ssl does not show it; the chain has the client's own certificate
    alone."""
    der = tls.getpeercert(True)
    shown = tls.getpeercert() if der is not None else None
    cipher = tls.cipher()
    return {
        "server_cert": None,
        "client_cert_chain": [] if der is None else [ssl.DER_cert_to_PEM_cert(der)],
        "client_cert_name": _distinguished_name(shown["subject"]) if shown and "subject" in shown else None,
        "client_cert_error": None,  # a client whose certificate is not good does not get so far
        "tls_version": _VERSIONS.get(tls.version() or ""),
        "cipher_suite": None if cipher is None else _numbers().get(cipher[0]),
    }


@functools.cache
def _numbers() -> dict[str, int]:
    # As IANA numbers them: the lower half of OpenSSL's id. Once: it takes as long as a tenth of a handshake.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    return {cipher["name"]: int(cipher["id"]) & 0xFFFF for cipher in context.get_ciphers()}


def _distinguished_name(subject: Any) -> str:
    # RFC 4514: the last part first, a comma between parts, a plus within one.
    parts = [[f"{_SHORT_NAMES.get(kind, kind)}={_escaped(value)}" for kind, value in part] for part in subject[::-1]]
    return ",".join(map("+".join, parts))


def _escaped(value: str) -> str:
    # RFC 4514, section 2.4.
    text = "".join("\\" + sign if sign in _SPECIAL else "\\00" if sign == "\0" else sign for sign in value)
    if text[:1] in ("#", " "):
        text = "\\" + text
    return text[:-1] + "\\ " if text.endswith(" ") and len(text) > 1 and not text.endswith("\\ ") else text
