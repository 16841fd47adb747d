"""What integration tests stand on: a program in a process of its own, a raw client with deadlines, counters of /proc.

Invariants: no call waits without a deadline; a program is ended by its own process id, and always; nothing here looks
into the server's memory. Not here: what a response may look like (tests.integration.http.response).
"""

from __future__ import annotations

import importlib.util
import os
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.integration.http.response import Response, ResponseReader

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).resolve().parent / "http" / "programs"
COUNTED = Path(__file__).resolve().parent / "counted"

DEADLINE_S = 15.0  # for anything that a working server does in milliseconds; two busy cores are slow at times
START_DEADLINE_S = 30.0  # an interpreter, and FastAPI to import
LINES_KEPT = 5_000  # of each output; a server that logs a flood must not fill the tests' memory
LISTENING = re.compile(r"^LISTENING (\S+)(?: (\d+))?$")

Address = tuple[str, int] | str  # host and port, or the path of a Unix socket
T = TypeVar("T")


def treadle_command() -> list[str]:
    """How the command line is started by this very interpreter: the module if it can be run, else the script beside it."""
    if importlib.util.find_spec("treadle.__main__") is not None:
        return [sys.executable, "-m", "treadle"]
    script = Path(sysconfig.get_path("scripts")) / "treadle"
    if script.exists():
        return [str(script)]
    return [sys.executable, "-c", "import sys; from treadle.cli import main; sys.argv[0] = 'treadle'; sys.exit(main())"]


def eventually(probe: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Ask until the answer is true. For facts of another process that announce themselves in no other way."""
    end = time.monotonic() + deadline_s
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s} s: {what}")
        select.select([], [], [], 0.01)


class Output:
    """The lines of one pipe, read by a thread so that the program never blocks on it."""

    def __init__(self, pipe: object) -> None:
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe) -> None:  # type: ignore[no-untyped-def]
        with pipe:
            for raw in pipe:
                with self._changed:
                    self.lines.append(raw.decode("utf-8", "replace").rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def text(self) -> str:
        with self._changed:
            return "\n".join(self.lines)

    def wait_line(self, pattern: str | re.Pattern[str], deadline_s: float = DEADLINE_S) -> re.Match[str]:
        """The first line that matches, whether it has come already or still comes."""
        expression = re.compile(pattern)

        def found() -> re.Match[str] | None:
            return next((match for line in self.lines if (match := expression.search(line))), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._ended, deadline_s)
            match = found()
        if match is None:
            raise AssertionError(f"no line matches {expression.pattern!r} in:\n{self.text}")
        return match

    def wait_end(self, deadline_s: float = DEADLINE_S) -> str:
        self._thread.join(deadline_s)
        return self.text


class Program:
    """`treadle run file` or `treadle serve app` as a real process. A context manager: it is gone afterwards, and if it ended by
    itself or was asked to, no native object of it was left."""

    def __init__(self, *arguments: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
        self.arguments = [str(argument) for argument in arguments]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(COUNTED), environment.get("PYTHONPATH")]))
        self._left = tempfile.NamedTemporaryFile("r", prefix="treadle-left-", encoding="utf-8")  # noqa: SIM115  # closed by stop()
        environment["TREADLE_TEST_LEFT"] = self._left.name
        self._process = subprocess.Popen(
            [*treadle_command(), *self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
        )
        self.pid = self._process.pid
        self.stdout = Output(self._process.stdout)
        self.stderr = Output(self._process.stderr)
        self._address: Address | None = None
        self.tls: ssl.SSLContext | None = None  # what its clients speak; set by a test

    @classmethod
    def run(cls, file: str | Path, *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> Self:
        """`treadle run`; a bare name is one of the programs of this suite."""
        path = PROGRAMS / file if isinstance(file, str) and not os.path.isabs(file) else file
        return cls("run", path, *arguments, cwd=cwd, env=env)

    @classmethod
    def serve(cls, app: str, *flags: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> Self:
        """`treadle serve app --port 0`, the modules of this suite's programs importable."""
        return cls("serve", app, "--port", "0", "--app-dir", str(PROGRAMS), *flags, cwd=cwd, env=env)

    @property
    def address(self) -> Address:
        """Where it listens: the line `LISTENING host port` (or a path) it printed, else what /proc says of the process."""
        if self._address is None:
            self._address = self._printed_address() if self.arguments[0] == "run" else self._found_address()
        return self._address

    def _printed_address(self) -> Address:
        try:
            match = self.stdout.wait_line(LISTENING, START_DEADLINE_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\nstderr:\n{self.stderr.wait_end(1.0)}") from None
        host, port = match.groups()
        return (host, int(port)) if port else host

    def _found_address(self) -> Address:
        def listening() -> int:
            if not self.is_alive:
                raise AssertionError(f"it ended before it listened, stderr:\n{self.stderr.wait_end(1.0)}")
            ports = listening_ports(self.pid)
            return ports[0] if ports else 0

        return "127.0.0.1", eventually(listening, "a listening socket", START_DEADLINE_S)

    def client(self, *, rcvbuf: int | None = None) -> RawClient:
        client = RawClient(self.address, rcvbuf=rcvbuf)
        if self.tls is not None:
            client.secure(self.tls)
        return client

    def get(self, target: str = "/", *headers: str, method: str = "GET", body: bytes = b"") -> Response:
        """One request on a connection of its own."""
        with self.client() as client:
            return client.request(method, target, *headers, "Connection: close", body=body)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def rss_bytes(self) -> int:
        resident_pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return resident_pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def fd_count(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def connection_count(self) -> int:
        """TCP connections that it holds a descriptor of, in whatever state; not its listening sockets."""
        return sum(1 for is_listening, _ in tcp_sockets(self.pid) if not is_listening)

    def idle_fd_count(self) -> int:
        """Descriptors while nobody is connected: what a test must find again when its clients have gone."""
        eventually(lambda: self.connection_count == 0, "no connection is left")
        return self.fd_count

    @property
    def cpu_ticks(self) -> int:
        """User and system time so far, in clock ticks: what shows a busy loop."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """The exit code; negative for a signal, as subprocess has it."""
        code = self._process.wait(deadline_s)
        self.stdout.wait_end()
        self.stderr.wait_end()
        return code

    def stop(self) -> None:
        if self.is_alive:
            self.signal(signal.SIGTERM)
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        with self._left:
            self.left = self._left.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()
        if error is None:
            assert not self.left, f"native objects are alive at the end of {self.left}"
        elif text := self.stderr.wait_end(1.0):
            error.add_note(f"stderr of `treadle {' '.join(self.arguments)}`:\n{text[-4_000:]}")


def listening_ports(pid: int) -> list[int]:
    """TCP ports that this process listens on, oldest descriptor first."""
    return [port for is_listening, port in tcp_sockets(pid) if is_listening]


def tcp_sockets(pid: int) -> list[tuple[bool, int]]:
    """Whether it listens, and its local port, for each TCP socket of this process, oldest descriptor first."""
    known: dict[str, tuple[bool, int]] = {}
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            is_listening = columns[3] == "0A"  # TCP_LISTEN
            known[f"socket:[{columns[9]}]"] = is_listening, int(columns[1].rpartition(":")[2], 16)
    sockets = []
    try:
        for descriptor in sorted(os.listdir(f"/proc/{pid}/fd"), key=int):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            except OSError:
                continue  # closed since the listing
            if target in known:
                sockets.append(known[target])
    except OSError:
        pass  # the process is gone
    return sockets


class RawClient:
    """One connection that says exactly the bytes it is given. Every operation has a deadline."""

    def __init__(self, address: Address, *, deadline_s: float = DEADLINE_S, rcvbuf: int | None = None) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(deadline_s)
        if rcvbuf is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._deadline_s = deadline_s
        self._reader = ResponseReader()
        self._is_eof = False

    def secure(self, context: ssl.SSLContext, name: str = "localhost") -> None:
        """Speak TLS from here on. A connection that is cut without a goodbye then raises ssl.SSLEOFError."""
        try:
            self.socket = context.wrap_socket(self.socket, server_hostname=name, suppress_ragged_eofs=False)
        except BaseException:
            self.socket.close()
            raise

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def try_send(self, data: bytes) -> bool:
        """Like send, but a peer that has closed is no failure: False."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def send_until_blocked(self, data: bytes, quiet_s: float = 0.5) -> int:
        """How much of it the path to the server takes while nobody there reads: until no byte moves for quiet_s."""
        view, sent = memoryview(data), 0
        self.socket.setblocking(False)
        try:
            while sent < len(view):
                _, writable, _ = select.select([], [self.socket], [], quiet_s)
                if not writable:
                    break
                sent += self.socket.send(view[sent : sent + 65_536])
        finally:
            self.socket.settimeout(self._deadline_s)
        return sent

    def request(self, method: str = "GET", target: str = "/", *headers: str, body: bytes = b"") -> Response:
        self.send(request(method, target, *headers, body=body))
        return self.response(method)

    def response(self, method: str = "GET") -> Response:
        """The next final response; one that the end of the connection cut off has `truncated` set."""
        self._reader.expect_method(method)
        end = time.monotonic() + self._deadline_s
        while (response := self._reader.pop()) is None:
            if not self._is_eof:
                if time.monotonic() > end:
                    raise TimeoutError(f"no whole response within {self._deadline_s} s")
                data = self.socket.recv(262_144)
                self._is_eof = not data
                self._reader.push(data)
            elif (response := self._reader.eof()) is not None:
                return response
            else:
                raise ConnectionError("the server closed the connection without an answer")
        return response

    def rest(self) -> bytes:
        """Everything until the server closes, unparsed. A reset counts as an end."""
        pieces = []
        end = time.monotonic() + self._deadline_s
        while time.monotonic() < end:
            try:
                data = self.socket.recv(262_144)
            except ConnectionResetError:
                data = b""
            if not data:
                return b"".join(pieces)
            pieces.append(data)
        raise TimeoutError("the server goes on sending")

    def expect_end(self) -> None:
        """The server closes now, and not a byte comes before that."""
        assert self._reader.is_idle, "bytes after the last response"
        if not self._is_eof:
            rest = self.rest()
            assert rest == b"", f"bytes after the last response: {rest[:200]!r}"

    def is_quiet(self, seconds: float) -> bool:
        """Neither bytes nor an end arrive within that time."""
        return not select.select([self.socket], [], [], seconds)[0]

    def data_segments_in(self) -> int:
        """TCP segments with payload that have arrived here: tcpi_data_segs_in of Linux's struct tcp_info."""
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
        return int(struct.unpack_from("I", info, 152)[0])

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End it with RST, as a crashed client does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    """A good HTTP/1.1 request. Content-Length comes by itself where there is a body and no Transfer-Encoding."""
    lines: Sequence[str] = [f"{method} {target} HTTP/1.1", "Host: test", *headers]
    if body and not any(line.lower().startswith(("transfer-encoding:", "content-length:")) for line in lines):
        lines = [*lines, f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
