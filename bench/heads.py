#!/usr/bin/env python3
"""Reading a head: the plain reader of treadle (_native/http1_plain.pyx) beside httptools' parser, in one process, interleaved.

    python3 bench/heads.py [--rounds 9]

Both end with the same list of fields. httptools calls a Python object per field here; called from native code, as a server does
where it needs the parser, it is about a third cheaper.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from harness import environment
from harness.table import number, table

FIELDS = [
    ("Host", "example.org"),
    ("Connection", "keep-alive"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "https://example.org/a/page/that/links/here"),
    ("Cookie", "session=" + 24 * "0123456789abcdef" + "; theme=dark"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("If-None-Match", '"0123456789abcdef"'),
    ("Cache-Control", "max-age=0"),
]
CALLS = 20_000


class Collector:
    """What a server needs of a head."""

    def on_message_begin(self) -> None:
        """Forget the head before."""
        self.fields: list[tuple[bytes, bytes]] = []

    def on_url(self, target: bytes) -> None:
        """Keep the target."""
        self.target = target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field."""
        self.fields.append((name, value))


def measure(rounds: int) -> None:
    """Print nanoseconds per head, the median over the rounds."""
    from httptools import HttpRequestParser

    from treadle._native.http1_plain import read_plain_head

    rows = []
    for count in (1, 4, 12):
        head = "".join(["GET / HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in FIELDS[:count]), "\r\n"]).encode()
        collector = Collector()
        feed = HttpRequestParser(collector).feed_data
        readers: list[Callable[[bytes], object]] = [read_plain_head, feed]
        found = read_plain_head(head)
        feed(head)
        assert found is not None
        assert found[2] == collector.fields
        times: list[list[float]] = [[], []]
        for _ in range(rounds):
            for reader, spent in zip(readers, times, strict=True):
                start = time.process_time_ns()
                for _ in range(CALLS):
                    reader(head)
                spent.append((time.process_time_ns() - start) / CALLS)
        plain, parser = map(statistics.median, times)
        rows.append((str(count), str(len(head)), number(plain), number(parser), f"{plain / parser:.2f}"))
    print(table(("fields", "bytes", "plain ns", "httptools ns", "ratio"), rows, texts=0))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure in the bench's environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.inside:
        measure(args.rounds)
        return 0
    python = environment.prepare(peers=False).venv / "bin" / "python"
    return subprocess.run([str(python), __file__, "--inside", "--rounds", str(args.rounds)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
