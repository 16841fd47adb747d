"""``make rivals``: what other servers answer to the vectors, and treadle through the same eyes, written into rivals.json.

Each server runs as it comes, with an application that answers what arrives whole by 200; over Unix sockets, where an answer is
never lost to a reset. What cannot be had here keeps the answers that are recorded, and is told.
"""

from __future__ import annotations

import contextlib
import json
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tests import nodes
from tests.integration.http import rivals
from tests.integration.http.response import BadResponse, ResponseReader
from tests.integration.http.vectors import GOOD, VECTORS, Vector
from tests.integration.support import treadle_command
from tests.suites.environment import Environment, Unavailable
from tests.suites.http import REQUIREMENTS

PROGRAMS = Path(__file__).with_name("rival_programs")
AT_ONCE = 32  # connections; gunicorn gives each a thread
QUIET_S = 1.5  # without a byte: it has said what it has to say
START_S = 20.0
END_S = 5.0

Start = Callable[[Path], Sequence[str | Path]]  # the command, given a folder where `socket` shall be listened on


@dataclass(frozen=True)
class Rival:
    name: str
    version: str
    start: Start


def rivals_here(environment: Environment) -> Iterator[Rival | Unavailable]:
    """Every server, or why it cannot be asked."""
    tools = environment.python.parent
    version = environment.version_of

    def uvicorn(parser: str) -> Rival:
        return Rival(f"uvicorn, {parser}", f"{version('uvicorn')}, {parser} {version(parser)}", lambda folder: [
            tools / "uvicorn", "asgi:app", "--uds", folder / "socket", "--http", parser, "--log-level", "critical",
        ])  # fmt: skip

    def gunicorn(worker: str, *more: str) -> Rival:
        return Rival(f"gunicorn, {worker}", version("gunicorn"), lambda folder: [
            tools / "gunicorn", "-k", worker, *more, "-b", f"unix:{folder / 'socket'}", "--log-level", "critical",
        ])  # fmt: skip

    yield uvicorn("httptools")
    yield uvicorn("h11")
    yield gunicorn("gthread", "--threads", str(AT_ONCE * 2), "wsgi:app")
    yield gunicorn("asgi", "asgi:app")
    yield Rival("granian", version("granian"), lambda folder: [
        tools / "granian", "--interface", "asgi", "--uds", folder / "socket", "--no-log", "asgi:app",
    ])  # fmt: skip
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    yield Rival("nginx", _version([nginx, "-v"]), _nginx(nginx)) if nginx else Unavailable("nginx: apt install nginx-light")
    for major in nodes.MAJORS:
        yield _node(major)
    treadle = _version([*treadle_command(), "--version"])
    yield Rival("treadle", treadle, lambda folder: [*treadle_command(), "serve", "asgi:app", "--uds", folder / "socket"])


def _node(major: int) -> Rival | Unavailable:
    program = nodes.find(major)
    if program is None:
        return Unavailable(f"Node {major}: NODE{major}=/path/to/node names one")
    return Rival(
        f"Node {major}", _version([program, "--version"]), lambda folder: [program, PROGRAMS / "node.js", folder / "socket"]
    )


def _nginx(program: str) -> Start:
    def start(folder: Path) -> Sequence[str | Path]:
        settings = (PROGRAMS / "nginx.conf").read_text().replace("FOLDER", str(folder))
        (folder / "nginx.conf").write_text(settings)
        return [program, "-e", folder / "error.log", "-p", folder, "-c", folder / "nginx.conf"]

    return start


def _version(command: Sequence[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=True)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    assert found, done
    return found[0]


@contextlib.contextmanager
def running(rival: Rival) -> Iterator[str]:
    """The server, until it has been ended. The path of its socket. Raises TimeoutError if it does not answer."""
    with tempfile.TemporaryDirectory(prefix="rival-") as folder:
        path = str(Path(folder) / "socket")
        with open(Path(folder) / "log", "w") as log:
            process = subprocess.Popen(rival.start(Path(folder)), cwd=PROGRAMS, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            end_s = time.monotonic() + START_S
            while not _answers(path):
                if time.monotonic() > end_s or process.poll() is not None:
                    raise TimeoutError(f"{rival.name} does not answer: {(Path(folder) / 'log').read_text()[-2_000:]}")
                time.sleep(0.05)
            yield path
        finally:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(QUIET_S)
        try:
            client.connect(path)
            client.sendall(GOOD)
            return client.recv(4_096).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


@dataclass
class Question:
    """A vector on a connection of its own, and what comes back."""

    vector: Vector
    connection: socket.socket
    unsent: memoryview = field(init=False)
    reader: ResponseReader = field(default_factory=ResponseReader)
    statuses: list[str] = field(default_factory=list)
    is_ended: bool = False
    is_quiet: bool = False
    last_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.unsent = memoryview(self.vector.data)

    def send(self) -> None:
        try:
            self.unsent = self.unsent[self.connection.send(self.unsent) :]
            self.last_s = time.monotonic()
        except BlockingIOError:
            return
        except OSError:
            self.unsent = memoryview(b"")  # it has closed: reading tells
        if not self.unsent and self.vector.eof:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)

    def receive(self) -> None:
        try:
            data = self.connection.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.last_s = time.monotonic()
        try:
            if data:
                self.statuses += [str(response.status) for response in self.reader.feed(data)]
                return
            self.is_ended = True
            if (last := self.reader.eof()) is not None:
                self.statuses.append(str(last.status))
        except BadResponse:
            self.is_ended = True
            self.statuses.append("200" if not data.startswith(b"HTTP/") else "?")  # HTTP/0.9: a body alone

    @property
    def is_over(self) -> bool:
        """It has ended, or says nothing any more; once so, always so."""
        self.is_quiet = self.is_quiet or time.monotonic() - self.last_s > QUIET_S
        return self.is_ended or self.is_quiet

    def answer(self) -> str:
        if self.statuses and not self.statuses[-1].startswith("2"):
            return " ".join(self.statuses)
        return " ".join([*self.statuses, "closed" if self.is_ended else "open"])


def ask(path: str, vectors: Sequence[Vector]) -> dict[str, str]:
    """What comes back for each vector."""
    answers = {}
    pending = iter(vectors)
    while batch := list(islice(pending, AT_ONCE)):
        with contextlib.ExitStack() as stack:
            questions = [Question(vector, stack.enter_context(_connected(path))) for vector in batch]
            _exchange(questions)
            answers.update({question.vector.name: question.answer() for question in questions})
    return answers


def _connected(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    connection.setblocking(False)
    return connection


def _exchange(questions: Sequence[Question]) -> None:
    with selectors.DefaultSelector() as selector:
        for question in questions:
            question.send()
            selector.register(question.connection, selectors.EVENT_READ, question)
        waiting = list(questions)
        while waiting:
            for key, _ in selector.select(0.02):
                key.data.receive()
            for question in waiting:
                if question.unsent:
                    question.send()
                if question.is_over:
                    selector.unregister(question.connection)
                    question.connection.close()  # at once: gunicorn's thread waits for that, and nobody else is served
            waiting = [question for question in waiting if not question.is_over]


def main() -> int:
    environment = Environment("http", REQUIREMENTS)
    environment.prepare()
    nodes.fetch()
    known = json.loads(rivals.RECORDED.read_text()) if rivals.RECORDED.exists() else {"servers": {}, "answers": {}}
    versions: dict[str, str] = {}
    answers: dict[str, dict[str, str]] = {}
    for rival in rivals_here(environment):
        if isinstance(rival, Unavailable):
            print(f"not asked: {rival}")
            continue
        began_s = time.monotonic()
        with running(rival) as path:
            answers[rival.name] = ask(path, VECTORS)
        versions[rival.name] = rival.version
        print(f"{rival.name} {rival.version}: {len(VECTORS)} vectors in {time.monotonic() - began_s:.0f} s", flush=True)
    for index, server in enumerate(known["servers"]):
        if server not in versions:
            versions[server] = known["servers"][server]
            answers[server] = {vector.name: (known["answers"].get(vector.name) or ["?"] * 99)[index] for vector in VECTORS}
    lines = [
        f"    {json.dumps(vector.name)}: {json.dumps([answers[server][vector.name] for server in versions])}"
        for vector in VECTORS
    ]
    rows = ",\n".join(lines)
    rivals.RECORDED.write_text(f'{{\n  "servers": {json.dumps(versions)},\n  "answers": {{\n{rows}\n  }}\n}}\n')
    print(rivals.table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
