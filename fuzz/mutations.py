"""Byte streams for an HTTP server to survive: good requests and malformed ones, mutated at random from a seed.

Pure: `Streams(seed)` gives the same streams in the same order for ever. A stream is a list of pieces, since where the
bytes are cut is part of what a parser must survive. Not here: sockets (http_mutation.py).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from tests.integration.http.vectors import GOOD, GOOD_CHUNKED, GOOD_POST, VECTORS

STREAM_BYTES_MAX = 20_000  # long floods are the vectors' business; here the number of streams counts
SEED_BYTES_MAX = 2_000

GOOD_STREAMS: tuple[bytes, ...] = (
    GOOD,
    GOOD_POST,
    GOOD_CHUNKED,
    GOOD + GOOD_CHUNKED + GOOD_POST,
    b"HEAD /x HTTP/1.1\r\nHost: test\r\n\r\n" + GOOD,
    b"PUT /a/b?c=d HTTP/1.1\r\nHost: test:80\r\nAccept: */*\r\nCookie: a=1; b=2\r\nContent-Length: 12\r\n\r\nhello, world",
    b"POST /e HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /t HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"GET /c HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
    b"GET /o HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2,
)

_TOKENS: tuple[bytes, ...] = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\x00", b" ", b"\t", b"\x0b", b":", b",", b";", b"=", b'"', b"\xff", b"\x7f",
    b"0\r\n\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"chunked",
    b"Host: test\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"Transfer-Encoding: identity\r\n", b"TE: trailers\r\n",
    b"GET ", b"POST ", b"HEAD ", b"CONNECT ", b"OPTIONS * ", b"PRI * ", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"http://a/",
    b"-1", b"+1", b"0x10", b"1_0", b"ffffffffffffffff", b"18446744073709551616", b"2147483648", b"4294967296",
    b"X-Forwarded-For: 10.0.0.1, a\r\n", b"X-Request-Id: a\r\n", b'Referer: "\\\x01\r\n', b"%00", b"%", b"..", b"[::1]", b"@", b"\xc3\xa9", b"\r\n ", b"A" * 300, b"X: y\r\n" * 30,
)  # fmt: skip

_NUMBERS = (b"0", b"1", b"2", b"4", b"5", b"6", b"7", b"9", b"a", b"F", b"10", b"00005", b"65536", b"-1", b"+5", b"0x5", b"5_", b"1e1",
            b"9223372036854775807", b"9223372036854775808", b"18446744073709551615", b"18446744073709551616", b"")  # fmt: skip


class Streams:
    """The generator. `next()` gives the pieces of the next stream."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._corpus: Sequence[bytes] = [
            *GOOD_STREAMS,
            *(vector.data for vector in VECTORS if 0 < len(vector.data) <= SEED_BYTES_MAX),
        ]
        self._mutations: Sequence[Callable[[bytearray], None]] = (
            self._flip_bits,
            self._flip_bits,
            self._replace_byte,
            self._replace_byte,
            self._insert_token,
            self._insert_token,
            self._insert_token,
            self._delete,
            self._duplicate,
            self._truncate,
            self._splice,
            self._repeat_line,
            self._swap_lines,
            self._drop_line,
            self._edit_number,
            self._edit_number,
            self._edit_line_end,
            self._change_case,
            self._overwrite_random,
        )

    def next(self) -> list[bytes]:
        rng = self._rng
        kind = rng.random()
        if kind < 0.04:
            stream = rng.randbytes(rng.randint(1, 400))
        elif kind < 0.12:
            stream = rng.choice(GOOD_STREAMS)
        else:
            stream = self._mutated()
        return self._cut(stream)

    def _mutated(self) -> bytes:
        rng = self._rng
        stream = bytearray(rng.choice(GOOD_STREAMS) if rng.random() < 0.6 else rng.choice(self._corpus))
        if rng.random() < 0.2:
            stream[:0] = rng.choice(GOOD_STREAMS)
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
            if not stream:
                break
            rng.choice(self._mutations)(stream)
        if rng.random() < 0.2:
            stream += rng.choice(GOOD_STREAMS)
        return bytes(stream[:STREAM_BYTES_MAX])

    def _cut(self, stream: bytes) -> list[bytes]:
        rng = self._rng
        if rng.random() < 0.5 or len(stream) < 2:
            return [stream]
        cuts = sorted({rng.randrange(1, len(stream)) for _ in range(rng.choice((1, 1, 2, 3)))})
        return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    def _at(self, stream: bytearray) -> int:
        return self._rng.randrange(len(stream))

    def _span(self, stream: bytearray) -> slice:
        start = self._at(stream)
        return slice(start, start + self._rng.choice((1, 1, 2, 3, 5, 10, 40)))

    def _flip_bits(self, stream: bytearray) -> None:
        for _ in range(self._rng.choice((1, 1, 1, 2, 4))):
            stream[self._at(stream)] ^= 1 << self._rng.randrange(8)

    def _replace_byte(self, stream: bytearray) -> None:
        stream[self._at(stream)] = self._rng.choice(b'\r\n\0 \t:;,0159afF_+-x"\\/\x7f\x80\xff')

    def _insert_token(self, stream: bytearray) -> None:
        at = self._at(stream)
        stream[at:at] = self._rng.choice(_TOKENS)

    def _delete(self, stream: bytearray) -> None:
        del stream[self._span(stream)]

    def _duplicate(self, stream: bytearray) -> None:
        span = self._span(stream)
        stream[span.start : span.start] = stream[span] * self._rng.choice((1, 1, 2, 10))

    def _truncate(self, stream: bytearray) -> None:
        del stream[self._at(stream) :]

    def _splice(self, stream: bytearray) -> None:
        other = self._rng.choice(self._corpus)
        at = self._rng.randrange(len(other))
        stream[self._at(stream) :] = other[at:]

    def _lines(self, stream: bytearray) -> list[bytes]:
        return bytes(stream).split(b"\r\n")

    def _repeat_line(self, stream: bytearray) -> None:
        lines = self._lines(stream)
        at = self._rng.randrange(len(lines))
        lines[at:at] = [lines[at]] * self._rng.choice((1, 1, 2, 110))
        stream[:] = b"\r\n".join(lines)

    def _swap_lines(self, stream: bytearray) -> None:
        lines = self._lines(stream)
        one, two = self._rng.randrange(len(lines)), self._rng.randrange(len(lines))
        lines[one], lines[two] = lines[two], lines[one]
        stream[:] = b"\r\n".join(lines)

    def _drop_line(self, stream: bytearray) -> None:
        lines = self._lines(stream)
        del lines[self._rng.randrange(len(lines))]
        stream[:] = b"\r\n".join(lines)

    def _edit_number(self, stream: bytearray) -> None:
        """Lengths, chunk sizes, versions, ports: whatever looks like a number of its own."""
        found = list(re.finditer(rb"\b[0-9A-Fa-f]{1,20}\b", bytes(stream)))
        if found:
            match = self._rng.choice(found)
            stream[match.start() : match.end()] = self._rng.choice(_NUMBERS)

    def _edit_line_end(self, stream: bytearray) -> None:
        found = [match.start() for match in re.finditer(rb"\r\n", bytes(stream))]
        if found:
            at = self._rng.choice(found)
            stream[at : at + 2] = self._rng.choice((b"\n", b"\r", b"\r\r\n", b"\n\n", b"\r\n\r\n", b" \r\n", b"\r\n ", b""))

    def _change_case(self, stream: bytearray) -> None:
        span = self._span(stream)
        stream[span] = bytes(stream[span]).swapcase()

    def _overwrite_random(self, stream: bytearray) -> None:
        span = self._span(stream)
        stream[span] = self._rng.randbytes(len(stream[span]))
