"""`treadle serve` on the command line: flags that carry uvicorn's names, and clear words where something is wrong."""

from __future__ import annotations

import json
import re
import signal
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


def serve_at(path: Path, *flags: str, **env: str) -> Program:
    return Program("serve", "asgi_app:app", "--app-dir", str(PROGRAMS), "--uds", str(path), *flags, env=env)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_socket_file_goes_with_its_server(tmp_path: Path, number: int) -> None:
    path = tmp_path / "serve.sock"
    with serve_at(path) as program:
        program.stderr.wait_line("serving asgi_app:app on unix:", START_DEADLINE_S)
        assert path.is_socket()
        program.signal(number)
        assert program.wait() == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("kind", "flags"), [("fail", ()), ("raise", ("--lifespan", "on")), ("unsupported", ("--lifespan", "on"))]
)
def test_the_socket_file_goes_when_the_application_does_not_start(tmp_path: Path, kind: str, flags: tuple[str, ...]) -> None:
    path = tmp_path / "serve.sock"
    with serve_at(path, *flags, LIFESPAN=kind) as program:
        assert program.wait(START_DEADLINE_S) == 3
    assert not path.exists()


def test_a_socket_path_that_is_taken_is_one_clear_line_and_stays(tmp_path: Path) -> None:
    """Its owner serves on: neither the check nor the end of the second may touch the file."""
    path = tmp_path / "serve.sock"
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind(str(path))
        owner.listen()
        with serve_at(path) as program:
            assert program.wait(START_DEADLINE_S) == 3
            assert "in use" in program.stderr.text.lower()
            assert str(path) in program.stderr.text
            assert "Traceback" not in program.stderr.text
        assert path.is_socket()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "serve.sock"
    path.write_text("mine")
    with serve_at(path) as program:
        assert program.wait(START_DEADLINE_S) == 3
    assert path.read_text() == "mine"


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
    assert code == 1
    assert words in text
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(("Usage:", "Try "))]
    assert len(lines) <= 2, text


def test_a_factory_that_cannot_be_called_so() -> None:
    code, text = refused("serve", "asgi_app:needs_argument", "--factory", "--app-dir", str(PROGRAMS), "--port", "0")
    assert code == 1
    assert "needs_argument" in text


def test_an_error_inside_the_module_is_shown_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "broken_app.py").write_text("import a_module_that_is_not_there\n")
    code, text = refused("serve", "broken_app:app", "--port", "0", cwd=tmp_path)
    assert code == 1
    assert "a_module_that_is_not_there" in text
    assert "broken_app.py" in text, "the module is there; what it lacks, and where, is what helps"


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, text = refused("serve", "asgi_app:app", "--app-dir", str(PROGRAMS), "--port", port)
    assert code == 3
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


@pytest.mark.parametrize(
    ("suffix", "in_file", "flag", "logged"),
    [
        ("json", "INFO", None, {"ended", "marker-asgi-before"}),
        ("json", "CRITICAL", "info", {"ended", "marker-asgi-before"}),
        ("json", "INFO", "critical", set()),
        ("ini", "ERROR", None, {"marker-asgi-before"}),
        ("ini", "CRITICAL", "error", {"marker-asgi-before"}),
    ],
)
def test_the_level_of_log_config_holds_unless_log_level_is_given(
    tmp_path: Path, suffix: str, in_file: str, flag: str | None, logged: set[str]
) -> None:
    log, config = tmp_path / "log", tmp_path / f"logging.{suffix}"
    if suffix == "json":
        handler = {"class": "logging.FileHandler", "filename": str(log)}
        treadle = {"handlers": ["file"], "level": in_file}
        config.write_text(json.dumps({"version": 1, "handlers": {"file": handler}, "loggers": {"treadle": treadle}}))
    else:
        config.write_text(
            "[loggers]\nkeys=root,treadle\n[handlers]\nkeys=file\n[formatters]\nkeys=\n[logger_root]\nhandlers=\n"
            f"[logger_treadle]\nlevel={in_file}\nhandlers=file\nqualname=treadle\n"
            f"[handler_file]\nclass=FileHandler\nargs=({str(log)!r},)\n"
        )
    with Program.serve("asgi_app:app", "--log-config", str(config), *(["--log-level", flag] if flag else [])) as program:
        assert program.get("/raise-before").status == 500
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
    text = log.read_text()
    assert {word for word in ("ended", "marker-asgi-before") if word in text} == logged


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
    said = re.sub(r"\s+", " ", text)
    assert re.search(r"--max-connections N [^-]*\[default: no limit\]", said)
    assert re.search(r"--max-requests-per-socket N [^-]*\[default: 0\]", said)
    assert re.search(r"--min-body-rate BYTES A second[^-]*\[default: 240", said)


def test_a_limit_of_connections() -> None:
    with Program.serve("asgi_app:app", "--max-connections", "2") as program:
        with program.client() as first, program.client() as second:
            assert first.request().status == second.request().status == 200
            for _ in range(2):
                with program.client() as third:
                    assert third.rest() == b""
            assert first.request().status == 200
        program.stderr.wait_line(r"WARNING +treadle\.asgi: 2 connections are open, which is the limit: that of 127\.0\.0\.1:\d+ was")
        assert program.stderr.text.count("which is the limit") == 1
        eventually(lambda: program.connection_count == 0, "both are closed")
        assert program.get().status == 200


def test_a_limit_of_requests_of_a_connection() -> None:
    with Program.serve("asgi_app:app", "--max-requests-per-socket", "2") as program, program.client() as client:
        assert not client.request().announces_close()
        assert client.request().announces_close()
        client.expect_end()


FLAGS_OUT_OF_RANGE = [["--max-connections", "0"], ["--max-requests-per-socket", "-1"], ["--min-body-rate", "-1"]]


@pytest.mark.parametrize("flags", [["--port", "no"], ["--port", "70000"], ["--no-such-flag"], *FLAGS_OUT_OF_RANGE])
def test_flags_that_make_no_sense(flags: list[str]) -> None:
    code, text = refused("serve", "asgi_app:app", "--app-dir", str(PROGRAMS), *flags)
    assert code == 2
    assert "Traceback" not in text
