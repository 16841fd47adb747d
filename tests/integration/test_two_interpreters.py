"""Two interpreters with a GIL of their own run a native loop each, at once, in one process.

Each makes its log while the other waits for it in the kernel, at a barrier of pipes: so both loops exist and run at the
same time, whatever the machine's load. Not here: workers, which put a face on this.
"""

import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROUNDS = 20  # two interpreters each: past the 32nd, where Cython's table of modules takes another form

PROGRAM = """
import os, sys
sys.path[:0] = PATHS
from treadle._native.faces import Faces
from treadle._native.file_jobs import read_file
from treadle._native.fs_jobs import OPERATIONS, start as start_operation
from treadle._native.loop import LoopCore
from treadle._native.pool import Pool
from treadle._native.readable import ReadableCore
from treadle._native.stream_pipe import Pipe
from treadle._native.transform import TransformCore
from treadle._native.writable import WritableCore
from treadle.events import EventEmitter

log = []
loop = LoopCore()
loop.pool = Pool(loop, 2)
here = Faces(lambda: loop, LookupError, None, None, None)

def meet(name):
    # Tell the other one, and block until it has told us: a loop that is not there would never answer.
    os.write(TELL, name)
    assert os.read(HEAR, 1) == name
    log.append("met " + name.decode())

def on_data(error, data):
    log.append(error or data.decode())
    here.set_timeout(on_timeout, 0)
    here.set_immediate(log.append, "immediate of the read")
    here.queue_microtask(lambda: log.append("microtask of the read"))
    here.next_tick(log.append, "tick of the read")

def on_timeout():
    log.append("timeout of the read")
    read_file(loop.pool, LARGE, on_large)

def on_large(error, data):
    log.append(error or len(data))
    ask("stat", on_stats, path=LARGE)

def on_stats(stats):
    log.append(stats.size)
    ask("open", on_file, path=FILE)

def ask(operation, then, **arguments):
    start_operation(loop.pool, OPERATIONS[operation], lambda error, answer: then(error or answer), **arguments)

def on_file(descriptor):
    def on_content(content):
        log.append(content)
        ask("close", lambda _: ask("readdir_types", on_entries, path=FOLDER), descriptor=descriptor)
    ask("read", on_content, descriptor=descriptor, size=4, position=3)

def on_entries(entries):
    log.append([(entry.name, entry.is_file()) for entry in entries])
    ask("unlink", lambda error: log.append(type(error).__name__), path=FOLDER + b"/none")

def start():
    loop.set_immediate(on_immediate)
    loop.queue_microtask(lambda: log.append("microtask"))
    loop.next_tick(log.append, "tick")
    meet(b"a")

class Stream(EventEmitter):
    _faces = here
    _construct = None

    def on(self, event, listener):
        super().on(event, listener)
        if event == "data":
            self._heard(event)
        return self

class Source(ReadableCore, Stream):
    def __init__(self):
        self._make_readable(16, True, "utf8", None)
        self._begin(True, True, None, None)
        self.left = 1000

    def _read(self, size):
        self.push(self.left or None)
        self.left -= 1

class Double(TransformCore, ReadableCore, WritableCore, Stream):
    def __init__(self):
        self._make_readable(16, True, "utf8", None)
        self._make_writable(16, True, "utf8", True, None, None, None)
        self._begin(True, True, None, None)
        self._set_transform(None, None)

    def _new_readable_state(self):
        return self._new_transform_readable()

    def _new_writable_state(self, write):
        return self._new_transform_writable()

    def _transform(self, chunk, encoding, callback):
        callback(None, 2 * chunk)

    def unpipe(self, destination=None):
        return self

class Sink(WritableCore, Stream):
    def __init__(self):
        self._make_writable(16, True, "utf8", True, None, None, None)
        self._begin(True, True, None, None)
        self.total = 0

    def _write(self, chunk, encoding, callback):
        self.total += chunk
        callback()

Source.unpipe = Double.unpipe

def on_immediate():
    meet(b"b")
    double, sink = Double(), Sink()
    sink.on("finish", lambda: log.append(f"streamed {sink.total}"))
    Pipe(double, sink).begin(True)
    Pipe(Source(), double).begin(True)
    read_file(loop.pool, FILE, on_data)

loop.next_tick(start)
loop.run_turns(True)
meet(b"c")
loop.pool.close()
loop.close_core()
left = sorted({"asyncio", "_asyncio", "selectors"} & sys.modules.keys())
os.write(REPORT, repr((log, left)).encode())
os.close(REPORT)
"""

EXPECTED = [
    "met a",
    "tick",
    "microtask",
    "met b",
    "streamed 1001000",
    "content",
    "tick of the read",
    "microtask of the read",
    "immediate of the read",
    "timeout of the read",
    1_000_000,
    1_000_000,
    b"tent",
    [(b"file", True), (b"large", True)],
    "FileNotFoundError",
    "met c",
]


pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13),
    reason=f"interpreters with a GIL of their own need CPython 3.13, this is {sys.version.split()[0]}",
)


class Isolate(threading.Thread):
    """A thread with an interpreter of its own, which runs PROGRAM."""

    def __init__(self, files: dict[str, object], tell: int, hear: int) -> None:
        super().__init__()
        self.tell = tell
        self.report, report = os.pipe()
        names = {**files, "TELL": tell, "HEAR": hear, "REPORT": report}
        self.program = "".join(f"{name} = {value!r}\n" for name, value in names.items()) + PROGRAM
        self.failure: object = None

    def run(self) -> None:
        _interpreters = importlib.import_module("_interpreters")  # so called in 3.13 and 3.14
        interpreter = _interpreters.create("isolated")
        try:
            self.failure = _interpreters.exec(interpreter, self.program)
        finally:
            _interpreters.destroy(interpreter)
            if self.failure is not None:
                os.write(self.tell, b"!!!")  # nobody should wait for it

    def result(self) -> tuple[list[object], list[str]]:
        """Its log, and what it imported although it must not."""
        self.join(timeout=60)
        assert not self.is_alive()
        assert self.failure is None, getattr(self.failure, "errdisplay", self.failure)
        with open(self.report, encoding="utf-8") as report:
            log, left = eval(report.read())
        return log, left


@pytest.fixture
def files(tmp_path: Path) -> Iterator[dict[str, object]]:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "large").write_bytes(bytes(1_000_000))
    before = sorted(os.listdir("/proc/self/fd"))
    yield {
        "PATHS": [path for path in sys.path if path],
        "FILE": os.fsencode(tmp_path / "file"),
        "LARGE": os.fsencode(tmp_path / "large"),
        "FOLDER": os.fsencode(tmp_path),
    }
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.slow
def test_two_loops_in_two_interpreters_at_once(files: dict[str, object]) -> None:
    for _ in range(ROUNDS):
        there, back = os.pipe(), os.pipe()
        first = Isolate(files, there[1], back[0])
        second = Isolate(files, back[1], there[0])
        first.start()
        second.start()
        assert first.result() == (EXPECTED, [])
        assert second.result() == (EXPECTED, [])
        for fd in (*there, *back):
            os.close(fd)


ENDS_UNDER_WAY = """
import importlib
interpreters = importlib.import_module("_interpreters")
interpreter = interpreters.create("isolated")
failure = interpreters.exec(interpreter, '''
import threading, time
from treadle._native.loop import LoopCore
from treadle._native.pool import Pool
from treadle._native.python_jobs import run

loop = LoopCore()
loop.pool = Pool(loop, 2)
begun = threading.Event()

def work():
    begun.set()
    time.sleep(0.2)
    print("through", flush=True)

run(loop.pool, "work", work, (), print)
begun.wait()
IF_CLOSED
''')
interpreters.destroy(interpreter)
print("destroyed", failure)
"""


@pytest.mark.parametrize("end", ["loop.close_core()", "pass"], ids=["closed", "left"])
def test_an_interpreter_ends_behind_the_calls_on_its_threads(end: str) -> None:
    """CPython ends the process where a thread of an interpreter that ends has anything of it still."""
    program = ENDS_UNDER_WAY.replace("IF_CLOSED", end)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "through\ndestroyed None\n", "")
