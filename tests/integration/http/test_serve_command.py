"""`treadle serve` on the command line: flags that carry uvicorn's names, and clear words where something is wrong."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from tests.integration.support import PROGRAMS, START_DEADLINE_S, Program, RawClient, eventually

pytestmark = pytest.mark.slow


def refused(*arguments: str, cwd: Path | None = None) -> tuple[int, str]:
    """Exit code and everything it said. It must not have started to serve."""
    with Program(*arguments, cwd=cwd) as program:
        code = program.wait(START_DEADLINE_S)
        return code, program.stderr.text + program.stdout.text


def test_it_says_where_it_listens() -> None:
    with Program.serve("asgi_app:app") as program:
        assert isinstance(program.address, tuple)
        url = re.compile(rf"http://127\.0\.0\.1:{program.address[1]}\b")
        eventually(lambda: url.search(program.stderr.text + program.stdout.text), "the URL, with the real port")


def test_host_and_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    arguments = ("serve", "asgi_app:app", "--app-dir", str(PROGRAMS), "--host", "127.0.0.2", "--port", str(port))
    with Program(*arguments) as program:
        assert program.address
        with RawClient(("127.0.0.2", port)) as client:
            assert client.request().body == b"hello"


def test_uds(tmp_path: Path) -> None:
    path = tmp_path / "serve.sock"
    with Program("serve", "asgi_app:app", "--app-dir", str(PROGRAMS), "--uds", str(path)) as program:
        program.stderr.wait_line("serving asgi_app:app on unix:", START_DEADLINE_S)
        with RawClient(str(path)) as client:
            assert client.request().body == b"hello"
            scope = json.loads(client.request("GET", "/scope").body)
        assert scope["server"] in (None, ["list", str(path), None], ["tuple", str(path), None])


def test_app_dir_is_the_working_directory_unless_given() -> None:
    with Program("serve", "asgi_app:app", "--port", "0", cwd=PROGRAMS) as program:
        assert program.get().body == b"hello"


def test_factory() -> None:
    with Program.serve("asgi_app:make_app", "--factory") as program:
        assert program.get().body == b"hello"


def test_a_nested_attribute(tmp_path: Path) -> None:
    (tmp_path / "nested.py").write_text("from asgi_app import app as inner\nclass holder:\n    app = staticmethod(inner)\n")
    with Program.serve("nested:holder.app", env={"PYTHONPATH": _with(tmp_path)}) as program:
        assert program.get().body == b"hello"


def _with(folder: Path) -> str:
    import os

    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.parametrize(
    ("flags", "word"), [(["--workers", "2"], "workers"), (["--workers", "4"], "workers"), (["--reload"], "reload")]
)
def test_what_does_not_exist_yet_is_refused(flags: list[str], word: str) -> None:
    code, text = refused("serve", "asgi_app:app", "--app-dir", str(PROGRAMS), "--port", "0", *flags)
    assert code == 2
    assert word in text
    assert "Traceback" not in text


def test_one_worker_is_what_there_is() -> None:
    with Program.serve("asgi_app:app", "--workers", "1") as program:
        assert program.get().body == b"hello"


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ("no_such_module:app", "no_such_module"),
        ("asgi_app:no_such_name", "no_such_name"),
        ("asgi_app", "asgi_app"),
        ("asgi_app:", "asgi_app:"),
        (":app", ":app"),
        ("asgi_app:not_callable", "not_callable"),
    ],
)
def test_an_application_that_cannot_be_found_is_one_clear_line(app: str, words: str) -> None:
    code, text = refused("serve", app, "--app-dir", str(PROGRAMS), "--port", "0")
    assert code not in (0, -11)
    assert words in text
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("Usage:", "Try "))]
    assert len(lines) <= 2, text


def test_a_factory_that_cannot_be_called_so() -> None:
    code, text = refused("serve", "asgi_app:needs_argument", "--factory", "--app-dir", str(PROGRAMS), "--port", "0")
    assert code not in (0, -11)
    assert "needs_argument" in text


def test_an_error_inside_the_module_is_shown_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "broken_app.py").write_text("import a_module_that_is_not_there\n")
    code, text = refused("serve", "broken_app:app", "--port", "0", cwd=tmp_path)
    assert code not in (0, -11)
    assert "a_module_that_is_not_there" in text
    assert "broken_app.py" in text, "the module is there; what it lacks, and where, is what helps"


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, text = refused("serve", "asgi_app:app", "--app-dir", str(PROGRAMS), "--port", port)
    assert code not in (0, -11)
    assert "in use" in text.lower()
    assert port in text
    assert "Traceback" not in text


def test_log_config_is_applied(tmp_path: Path) -> None:
    log, config = tmp_path / "log", tmp_path / "logging.json"
    config.write_text(
        json.dumps(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "handlers": {"file": {"class": "logging.FileHandler", "filename": str(log)}},
                "loggers": {"treadle": {"handlers": ["file"], "level": "INFO"}},
            }
        )
    )
    with Program.serve("asgi_app:app", "--log-config", str(config)) as program:
        assert program.get("/raise-before").status == 500
        eventually(lambda: "marker-asgi-before" in log.read_text(), "the traceback is in the file")


def test_log_level_silences() -> None:
    with Program.serve("asgi_app:app", "--log-level", "critical") as program:
        assert program.get("/raise-before").status == 500
        program.signal(15)
        program.wait()
        assert "marker-asgi-before" not in program.stderr.text


def test_help_names_its_flags() -> None:
    code, text = refused("serve", "--help")
    assert code == 0
    for flag in ("--host", "--port", "--uds", "--app-dir", "--factory", "--log-level", "--log-config", "--lifespan"):
        assert flag in text


@pytest.mark.parametrize("flags", [["--port", "no"], ["--port", "70000"], ["--no-such-flag"]])
def test_flags_that_make_no_sense(flags: list[str]) -> None:
    code, text = refused("serve", "asgi_app:app", "--app-dir", str(PROGRAMS), *flags)
    assert code == 2
    assert "Traceback" not in text
