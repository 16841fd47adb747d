"""From when until when a certificate is good, read from its file: Python's ssl tells that of a peer's alone.

Invariant: what cannot be read says nothing; OpenSSL is who refuses a file. Not here: whether anybody trusts it. Source: RFC 5280,
section 4.1; ITU-T X.690.
"""

import datetime
import os
import ssl
from typing import Final

__all__ = ["complaint"]

_MARK: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0  # [0] EXPLICIT
_TIMES: Final = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}  # UTCTime, GeneralizedTime


def complaint(path: str | os.PathLike[str]) -> str | None:
    """Why clients refuse the first certificate of a file today, in words; None: they do not for its age."""
    try:
        since, until = _validity(_first(path))
    except (OSError, ValueError, IndexError):
        return None
    now = datetime.datetime.now(datetime.UTC)
    if now > until:
        return f"it has expired on {until:%Y-%m-%d %H:%M} UTC: clients refuse it, get a new one"
    if now < since:
        return f"it is not good before {since:%Y-%m-%d %H:%M} UTC: clients refuse it; is the clock right?"
    return None


def _first(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as file:
        data = file.read()
    start = data.index(_MARK)
    return ssl.PEM_cert_to_DER_cert(data[start : data.index(_END, start) + len(_END)].decode("ascii"))


def _validity(der: bytes) -> tuple[datetime.datetime, datetime.datetime]:
    body, _ = _value(_value(der, 0, _SEQUENCE)[0], 0, _SEQUENCE)  # Certificate, TBSCertificate
    at = 0
    if body[0] == _VERSION:
        _, at = _value(body, at)
    for _ in ("serialNumber", "signature", "issuer"):
        _, at = _value(body, at)
    both, _ = _value(body, at, _SEQUENCE)
    since, at = _time(both, 0)
    until, _ = _time(both, at)
    return since, until


def _time(data: bytes, at: int) -> tuple[datetime.datetime, int]:
    pattern = _TIMES.get(data[at])
    text, end = _value(data, at)
    if pattern is None:
        raise ValueError("no time")
    moment = datetime.datetime.strptime(text.decode("ascii"), pattern).replace(tzinfo=datetime.UTC)
    if data[at] == 0x17 and moment.year >= 2050:  # RFC 5280, section 4.1.2.5.1; Python's two digits turn at 69
        moment = moment.replace(year=moment.year - 100)
    return moment, end


def _value(data: bytes, at: int, kind: int | None = None) -> tuple[bytes, int]:
    """What stands at a place, and where the next begins. Raises ValueError, IndexError."""
    if kind is not None and data[at] != kind:
        raise ValueError("another kind")
    size = data[at + 1]
    start = at + 2
    if size & 0x80:
        count = size & 0x7F
        size = int.from_bytes(data[start : start + count])
        start += count
    if start + size > len(data):
        raise ValueError("cut")
    return data[start : start + size], start + size
