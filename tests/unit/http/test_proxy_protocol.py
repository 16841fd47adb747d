"""PROXY headers, cut at every byte, and everything that must not pass for one."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.http.proxy_protocol import FIXED_BYTES, REST_MAX, SIGNATURE, Preface, read_preface

BEHIND = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def binary(command: int, family: int, rest: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest)) + rest


def ipv4(*records: bytes) -> bytes:
    return binary(0x21, 0x11, bytes([192, 0, 2, 1, 198, 51, 100, 2]) + struct.pack("!HH", 4711, 443) + b"".join(records))


def ipv6(*records: bytes) -> bytes:
    addresses = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    return binary(0x21, 0x21, addresses + struct.pack("!HH", 4711, 443) + b"".join(records))


def record(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


V4 = ("192.0.2.1", 4711), ("198.51.100.2", 443)
V6 = ("2001:db8::1", 4711), ("2001:db8::2", 443)
MAPPED_V4 = (
    socket.inet_pton(socket.AF_INET6, "::ffff:192.0.2.1") + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    + struct.pack("!HH", 4711, 443)
)  # fmt: skip
TLS = record(0x20, b"\x01\0\0\0\0" + record(0x21, b"TLSv1.3"))

GOOD = [
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n", *V4, False),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n", *V6, False),
    (b"PROXY TCP6 2001:0db8:0:0::0001 2001:db8::2 4711 443\r\n", *V6, False),
    (b"PROXY TCP4 192.0.2.1 198.51.100.2 0 65535\r\n", ("192.0.2.1", 0), ("198.51.100.2", 65535), False),
    (b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 4711 443\r\n", V4[0], V6[1], False),
    (b"PROXY TCP6 ::192.0.2.1 2001:db8::2 4711 443\r\n", ("::192.0.2.1", 4711), V6[1], False),
    (binary(0x21, 0x21, MAPPED_V4), V4[0], V6[1], False),
    (b"PROXY UNKNOWN\r\n", None, None, False),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None, None, False),
    (ipv4(), *V4, False),
    (ipv6(), *V6, False),
    (ipv4(TLS), *V4, True),
    (ipv4(record(0x20, b"\0\0\0\0\0")), *V4, False),
    (ipv6(record(0x02, b"example.com"), record(0x04, bytes(300)), TLS), *V6, True),
    (binary(0x20, 0x00, b""), None, None, False),
    (binary(0x20, 0x11, bytes(12)), None, None, False),
    (binary(0x21, 0x00, b"whatever"), None, None, False),
    (binary(0x21, 0x31, bytes(216)), None, None, False),
    (binary(0x21, 0x11, bytes([192, 0, 2, 1, 198, 51, 100, 2]) + struct.pack("!HH", 4711, 443)), *V4, False),
]


@pytest.mark.parametrize(("header", "client", "server", "is_tls"), GOOD)
@pytest.mark.parametrize("behind", [b"", BEHIND, SIGNATURE, b"\n", b"PROXY UNKNOWN\r\n"])
def test_a_header_is_read_whole_and_nothing_behind_it(
    header: bytes, client: object, server: object, is_tls: bool, behind: bytes
) -> None:
    for size in range(len(header)):
        assert read_preface(header[:size]) is None
    assert read_preface(header + behind) == Preface(len(header), client, server, is_tls)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        BEHIND,
        b"\x16\x03\x01\x02",
        b"X",
        b"PROXY\r\n",
        b"PROXY \r\n",
        b"proxy TCP4 192.0.2.1 198.51.100.2 4711 443\r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 4711\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443 1\r\n",
        b"PROXY TCP4  192.0.2.1 198.51.100.2 4711 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443 \r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.2 4711 443\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 4711 443\r\n",
        b"PROXY TCP6 192.0.2.1 198.51.100.2 4711 443\r\n",
        b"PROXY TCP4 localhost 198.51.100.2 4711 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 0080 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 ٤ 443\r\n".encode(),
        b"PROXY TCP6 fe80::1%eth0 2001:db8::2 4711 443\r\n",
        b"PROXY TCP6 [2001:db8::1] 2001:db8::2 4711 443\r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.2 4711 443\r\n",
        b"PROXY TCP4 192.0.2.1\x00 198.51.100.2 4711 443\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.2 4711 443\r\n",
        b"PROXY " + b"x" * 101,
        b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
        SIGNATURE[:-1] + b"x",
        binary(0x11, 0x11, bytes(12)),
        binary(0x22, 0x11, bytes(12)),
        binary(0x21, 0x12, bytes(12)),
        binary(0x21, 0x41, bytes(12)),
        binary(0x21, 0x11, bytes(11)),
        binary(0x21, 0x21, bytes(35)),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, REST_MAX + 1),
        ipv4(b"\x20"),
        ipv4(b"\x20\x00\x05\x01"),
        ipv4(record(0x04, b"x"), b"\x20\xff\xff\x01"),
    ],
)
def test_what_is_none_is_refused_as_soon_as_it_shows(data: bytes) -> None:
    with pytest.raises(ValueError, match="PROXY header"):
        read_preface(data)


@settings(deadline=None)
@given(
    st.sampled_from([header for header, *_ in GOOD]),
    st.binary(max_size=3),
    st.integers(0, 40),
    st.integers(0, 3),
    st.binary(max_size=9),
)
def test_a_mutated_one_is_whole_at_one_size_or_at_none(header: bytes, put: bytes, at: int, over: int, behind: bytes) -> None:
    data = header[:at] + put + header[at + over :] + behind
    try:
        found = read_preface(data)
    except ValueError:
        return
    if found is not None:
        assert 0 < found.size <= len(data)
        assert (found.client is None) == (found.server is None)
        assert read_preface(data[: found.size]) == found
        assert all(read_preface(data[:size]) is None for size in range(1, found.size))


def test_a_header_of_version_2_may_be_as_long_as_the_bound() -> None:
    header = ipv4(record(0x04, bytes(REST_MAX - 15)))
    assert len(header) == FIXED_BYTES + REST_MAX
    assert read_preface(header) == Preface(len(header), *V4)
    assert read_preface(header[:-1]) is None
