"""Dependencies point down, in .py and .pyx alike; and the checker that says so is able to say no."""

from pathlib import Path

import pytest

from tools.check_layers import Layers, Rows, check, imports_of_cython, imports_of_python

SAMPLE = Layers(
    packages=Rows([["treadle"], ["http"], ["timers", "events"], ["_native"]], sideways=[["timers", "events"]]),
    native=Rows([["tcp", "pool"], ["queues"]]),
)


def test_every_import_points_down() -> None:
    assert [str(offence) for offence in check()] == []


def test_the_layers_hold_each_name_once() -> None:
    layers = Layers.load()
    for table in (layers.packages, layers.native):
        names = [name for row in table.rows for name in row]
        assert sorted(names) == sorted(table.names)
        assert {name for pair in table.sideways for name in pair} <= table.names


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A source tree that obeys SAMPLE."""
    files = {
        "__init__.py": "def __getattr__(name):\n    from treadle import http\n    return http.create_server\n",
        "http/__init__.py": "from treadle.timers import after\nimport treadle._native.tcp\nfrom . import server\n",
        "http/server.py": "import asyncio, struct\nfrom ..events import EventEmitter\n",
        "timers/__init__.py": "from treadle.events import EventEmitter\nfrom treadle._native import queues\n",
        "events/__init__.py": "",
        "_native/__init__.py": "",
        "_native/queues.pyx": '"""\nfrom treadle import http\n"""\nfrom libc cimport stdint\n# import treadle.http\n',
        "_native/queues.pxd": "from cpython.object cimport PyObject\n",
        "_native/tcp.pyx": "from treadle._native.queues cimport (\n    Handle,  # one\n    Ring as R,\n)\nimport os\n",
        "_native/pool.pyx": "from .queues cimport Ring\nfrom . cimport queues\n",
    }
    for name, text in files.items():
        path = tmp_path / "treadle" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_good_tree_passes(sample: Path) -> None:
    assert check(sample, SAMPLE) == []


@pytest.mark.parametrize(
    ("name", "text", "line", "complaint"),
    [
        # upward
        ("timers/late.py", "import os\n\nfrom treadle.http import Server\n", 3, "above"),
        ("timers/late.py", "def f():\n    from treadle import http\n", 2, "above"),
        ("timers/late.py", "import os\nif TYPE_CHECKING:\n    import treadle.http.server as s\n", 3, "above"),
        ("timers/late.py", "from ..http import server\n", 1, "above"),
        ("timers/late.py", "from .. import http\n", 1, "above"),
        ("timers/late.py", "import importlib\nimportlib.import_module('treadle.http')\n", 2, "above"),
        ("timers/late.py", "__import__('treadle.http')\n", 1, "above"),
        ("timers/stub.pyi", "from treadle.http import Server\n", 1, "above"),
        # the front, under whatever name
        ("http/front.py", "import treadle\n", 1, "above"),
        ("http/front.py", "from treadle import run\n", 1, "above"),
        # sideways: one direction is allowed, the other is not
        ("events/back.py", "from treadle.timers import set_timeout\n", 1, "beside"),
        # unknown rooms
        ("attic/__init__.py", "", 1, "no row"),
        ("loose.py", "", 1, "no row"),
        ("_native/ports.pyx", "", 1, "no row"),
        ("http/x.pyx", "", 1, "Cython outside _native"),
        # native
        ("_native/queues.pyx", "import os\nfrom treadle._native.tcp cimport Transport\n", 2, "above"),
        ("_native/queues.pxd", "from treadle._native cimport tcp\n", 1, "above"),
        ("_native/queues.pyx", "cimport cython, treadle._native.tcp as t\n", 1, "above"),
        ("_native/queues.pyx", "cdef f():\n    x = 'a'; from treadle._native.tcp import T\n", 2, "above"),
        ("_native/queues.pyx", "from treadle._native.tcp cimport (\n    A,\n    B)\n", 1, "above"),
        ("_native/queues.pyx", "from treadle._native.tcp \\\n    cimport A\n", 1, "above"),
        ("_native/queues.pyx", "if X: from .tcp cimport A\n", 1, "above"),
        ("_native/tcp.pyx", "from treadle._native.pool cimport Job\n", 1, "beside"),
        ("_native/tcp.pyx", "from treadle.timers import set_timeout\n", 1, "above"),
        ("_native/tcp.pyx", "import treadle\n", 1, "above"),
        ("_native/tcp.pyx", "from treadle._native.ports cimport Port\n", 1, "no row"),
        ("_native/tcp.pyx", 'include "queues.pxi"\n', 1, "pasted"),
        ("_native/tcp.pyx", "cimport treadle-queues\n", 1, "cannot read"),
    ],
)
def test_a_bad_import_is_found(sample: Path, name: str, text: str, line: int, complaint: str) -> None:
    path = sample / "treadle" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    offences = check(sample, SAMPLE)
    assert [(offence.path, offence.line) for offence in offences[:1]] == [(path, line)]
    assert complaint in offences[0].text


def test_a_row_without_its_package_is_found(sample: Path) -> None:
    (sample / "treadle" / "_native" / "pool.pyx").unlink()
    assert ["pool.pyx" in str(offence) for offence in check(sample, SAMPLE)] == [True]


def test_imports_are_read_whole() -> None:
    python = "import a.b as c, d\nfrom .e import f, g as h\n"
    assert [found.target for found in imports_of_python(python, "p.q")] == ["a.b", "d", "p.q.e.f", "p.q.e.g"]
    cython = "cimport a.b as c, d\nfrom .e cimport f, g as h\nfrom .. import i\ncdef extern from 'x.h':\n    int j\n"
    assert [found.target for found in imports_of_cython(cython, "p.q")] == ["a.b", "d", "p.q.e.f", "p.q.e.g", "p.i"]
