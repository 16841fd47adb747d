"""Throw random and mutated byte streams at a live server over real sockets, and see that nothing breaks.

Invariants, each a violation when it fails: the process stays the same; a good request between is answered 200 in time;
whatever comes back is valid HTTP and whole, with a status that a malformed request may get (never 500: no handler here
fails); a connection whose client has ended its side ends within the deadline, without a reset; in the end no connection
and no descriptor is left, and memory has not grown since the first fifth.

    python fuzz/http_mutation.py --count 100000 --seed 1
"""

from __future__ import annotations

import argparse
import json
import random
import select
import socket
import sys
import time
from collections import Counter, deque
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from fuzz.mutations import Streams  # noqa: E402
from tests.integration.http.response import BadResponse, Response, ResponseReader  # noqa: E402
from tests.integration.http.vectors import GOOD  # noqa: E402
from tests.integration.support import Program, eventually  # noqa: E402

CONNECTIONS = 64
QUIET_S = 0.03  # without an answer for so long, the server waits for more: then the client ends it
END_S = 15.0  # from there to the end of the connection
STREAMS_PER_CONNECTION = 20
PROBE_EVERY = 250  # streams
PROBE_S = 5.0
GROWTH_BYTES_MAX = 8 * 1024 * 1024  # after warm-up; a leak of 100 bytes a stream would show
VIOLATIONS_MAX = 10  # then it is broken, and more say nothing new
STATUSES = frozenset({200, 400, 405, 408, 413, 414, 417, 431, 501, 505})


class Session:
    """One connection at a time, and on it stream after stream until something ends it."""

    def __init__(self, run: Run, number: int) -> None:
        self.run = run
        self.source = f"127.0.0.{number + 2}"  # each its own, so that ports last
        self.is_done = False
        self._open()

    def _open(self) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        self.socket.bind((self.source, 0))
        self.socket.connect(self.run.address)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = ResponseReader()
        self.said: list[bytes] = []
        self.streams = 0
        self.run.register(self)
        self._begin()

    def _begin(self) -> None:
        """The next stream, on the connection as it is."""
        self.pieces = deque(self.run.take())
        self.streams += 1
        self.answers = 0
        self.is_ending = False
        self.end_s = time.monotonic() + QUIET_S
        self._send()

    def _send(self) -> None:
        if not self.pieces:
            return
        piece = self.pieces[0]
        try:
            sent = self.socket.send(piece)
        except BlockingIOError:
            return
        except OSError:
            self.pieces.clear()  # the server has closed: reading tells how
            return
        self.said.append(piece[:sent])
        if sent < len(piece):
            self.pieces[0] = piece[sent:]
        else:
            self.pieces.popleft()

    def step(self) -> None:
        """Once in each round: send on, or see that it is time to end."""
        if self.pieces:
            self._send()
            if not self.is_ending:
                self.end_s = time.monotonic() + QUIET_S
            return
        if self.answers and not self.is_ending and self.reader.is_idle:
            self._after_answer()
        elif time.monotonic() > self.end_s:
            self._after_silence()

    def _after_answer(self) -> None:
        if self.last.announces_close():  # then the server ends it, whether we do or not
            self.is_ending = True
            self.end_s = time.monotonic() + END_S
            return
        self.run.outcomes["answered, goes on"] += 1
        if self.streams < STREAMS_PER_CONNECTION and self.run.wants_more and self.run.rng.random() < 0.8:
            self._begin()
        else:
            self._half_close()

    def _after_silence(self) -> None:
        if self.is_ending:
            self.run.violate(f"no end within {END_S} s after the client's", self)
            self._close(reset=True)
            return
        self.run.outcomes["waits for more"] += 1
        way = self.run.rng.random()
        if way < 0.6:
            self._half_close()
        elif way < 0.8:
            self.pieces.append(b"\r\n\r\n" + GOOD)
            self._send()
            self._half_close()
        else:
            self._close(reset=way < 0.9)

    def _half_close(self) -> None:
        self.is_ending = True
        self.end_s = time.monotonic() + END_S
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has just been closed: reading tells how

    def receive(self) -> None:
        try:
            data = self.socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            if b"HTTP/1.0" in b"".join(self.said):  # half an answer whose end is that of the connection must not look whole
                self.run.outcomes["cut by a reset"] += 1
            else:
                self.run.violate("a reset instead of an end", self)
            self._close()
            return
        try:
            if data:
                for response in self.reader.feed(data):
                    self._check(response)
                return
            last = self.reader.eof()
            if last is not None:
                self._check(last)
        except BadResponse as error:
            self.run.violate(str(error), self)
        if self.answers and self.last.announces_close():
            self.run.outcomes["answered and closed"] += 1
        elif not self.is_ending:
            self.run.outcomes["closed in silence"] += 1
        self._close()

    def _check(self, response: Response) -> None:
        self.answers += 1
        self.last = response
        self.run.statuses[response.status] += 1
        if response.status not in STATUSES:
            self.run.violate(f"status {response.status}", self)
        elif response.truncated and not response.get("x-may-be-cut") and response.get("x-method"):
            self.run.violate("an answer that is cut off", self)
        elif response.truncated and not response.get("x-method") and b"HEAD" not in b"".join(self.said):
            self.run.violate("an error page that is cut off", self)  # one that answers HEAD has no body

    def _close(self, *, reset: bool = False) -> None:
        self.run.unregister(self)
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()
        if self.run.wants_more:
            self._open()
        else:
            self.is_done = True


class Run:
    """All sessions of one run, and what came of them."""

    def __init__(self, program: Program, count: int, seed: int, seconds: float) -> None:
        address = program.address
        assert isinstance(address, tuple)
        self.program, self.address, self.count, self.seconds = program, address, count, seconds
        self.streams = Streams(seed)
        self.rng = random.Random(seed + 1)
        self.taken = 0
        self.bytes = 0
        self.outcomes: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.violations: list[str] = []
        self._poller = select.epoll()
        self._sessions: dict[int, Session] = {}

    @property
    def wants_more(self) -> bool:
        return self.taken < self.count and len(self.violations) < VIOLATIONS_MAX

    def take(self) -> list[bytes]:
        self.taken += 1
        pieces = self.streams.next()
        self.bytes += sum(map(len, pieces))
        return pieces

    def register(self, session: Session) -> None:
        self._sessions[session.socket.fileno()] = session
        self._poller.register(session.socket.fileno(), select.EPOLLIN)

    def unregister(self, session: Session) -> None:
        self._poller.unregister(session.socket.fileno())
        del self._sessions[session.socket.fileno()]

    def violate(self, what: str, session: Session | None = None) -> None:
        said = f"\n    said {b''.join(session.said)[-400:]!r}" if session else ""
        self.violations.append(f"stream {self.taken}: {what}{said}")

    def probe(self) -> int:
        """A good request, answered in time. Returns the connections that the server counts."""
        began = time.monotonic()
        response = self.program.get("/facts")
        if response.status != 200 or time.monotonic() - began > PROBE_S:
            self.violate(f"a good request got {response.status} after {time.monotonic() - began:.1f} s: {response.body[:200]!r}")
            return -1
        return int(json.loads(response.body)["connections"])

    def go(self) -> None:
        self.probe()
        program = self.program
        pid, descriptors, began = program.pid, program.idle_fd_count(), time.monotonic()
        cpu = program.cpu_ticks
        sessions = [Session(self, number) for number in range(min(CONNECTIONS, self.count))]
        warm_bytes, probed = 0, 0
        while self._sessions:
            for descriptor, _ in self._poller.poll(0.005):
                if descriptor in self._sessions:
                    self._sessions[descriptor].receive()
            for session in list(self._sessions.values()):
                session.step()
            if self.taken - probed >= PROBE_EVERY:
                probed = self.taken
                if not program.is_alive:
                    self.violate(f"the server ended with {program.wait()}:\n{program.stderr.text[-2000:]}")
                    return
                self.probe()
            if not warm_bytes and self.taken >= self.count // 5:
                warm_bytes = program.rss_bytes
            if time.monotonic() - began > self.seconds:
                self.violate(f"not done within {self.seconds} s")
                break
        elapsed = time.monotonic() - began
        for session in sessions:
            session.socket.close()
        self._look_at_what_is_left(pid, descriptors)
        growth = program.rss_bytes - warm_bytes
        if growth > GROWTH_BYTES_MAX:
            self.violate(f"memory grew by {growth:,} bytes after warm-up")
        self._print(elapsed, warm_bytes, growth, program.cpu_ticks - cpu)

    def _look_at_what_is_left(self, pid: int, descriptors: int) -> None:
        try:
            eventually(lambda: self.probe() == 1, "only the probe is connected", END_S)
            eventually(lambda: self.program.fd_count <= descriptors, "the descriptors are back", END_S)
        except AssertionError as error:
            self.violate(f"{error}: {self.probe()} connections, {self.program.fd_count} descriptors, {descriptors} before")
        if not self.program.is_alive or self.program.pid != pid:
            self.violate("it is no longer the same process")

    def _print(self, elapsed_s: float, warm_bytes: int, growth: int, cpu_ticks: int) -> None:
        print(f"streams      {self.taken:,} ({self.bytes:,} bytes) in {elapsed_s:.1f} s, {self.taken / elapsed_s:,.0f} a second")
        print(f"server CPU   {cpu_ticks / 100:.1f} s")
        print(f"outcomes     {', '.join(f'{name} {count:,}' for name, count in self.outcomes.most_common())}")
        print(f"statuses     {', '.join(f'{status}: {count:,}' for status, count in sorted(self.statuses.items()))}")
        print(f"memory       {warm_bytes / 2**20:.1f} MiB when warm, {growth / 2**20:+.1f} MiB since")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="streams (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=600.0, help="it must be done by then (default %(default)s)")
    options = parser.parse_args(arguments)
    with Program.run(Path(__file__).with_name("target.py")) as program:
        run = Run(program, options.count, options.seed, options.seconds)
        run.go()
    print(f"violations   {len(run.violations)} (seed {options.seed})")
    for violation in run.violations:
        print(f"  {violation}")
    return 1 if run.violations else 0


if __name__ == "__main__":
    sys.exit(main())
