"""The access log: a line for each exchange, whatever its client sends; and that it holds nobody up."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import PROGRAMS, START_DEADLINE_S, Program, RawClient, eventually, request, treadle_command

COMMON = re.compile(
    r'(?P<client>\S+) - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(?P<request>(?:[^"\\]|\\.)*)" '
    r"(?P<status>\d{3}) (?P<bytes>\d+)"
)
COMBINED = re.compile(COMMON.pattern + r' "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"')


def edge(log: Path, **env: str) -> Program:
    return Program.run("edge.py", env={"LOG": str(log), **env})


def lines_of(log: Path, count: int) -> list[str]:
    eventually(lambda: log.read_bytes().count(b"\n") >= count, f"{count} lines are written")
    lines = log.read_text("ascii").splitlines()
    assert len(lines) == count
    return lines


def records_of(log: Path, count: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(log, count)]


def test_common(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with edge(log) as program:
        body = program.get("/?q=1").body
        program.get("/", method="HEAD")
        program.get("/stream")
        program.get("/not-modified")
        lines = [COMMON.fullmatch(line) for line in lines_of(log, 4)]
    assert all(lines)
    assert [line["request"] for line in lines if line] == [
        "GET /?q=1 HTTP/1.1", "HEAD / HTTP/1.1", "GET /stream HTTP/1.1", "GET /not-modified HTTP/1.1",
    ]  # fmt: skip
    assert [line["status"] for line in lines if line] == ["200", "200", "200", "304"]
    assert [line["bytes"] for line in lines if line] == [str(len(body)), "0", "8", "0"]
    assert {line["client"] for line in lines if line} == {"127.0.0.1"}


def test_combined(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with edge(log, FORMAT="combined") as program:
        program.get("/", "Referer: http://x/", "User-Agent: agent/1 (x)")
        program.get("/")
        lines = [COMBINED.fullmatch(line) for line in lines_of(log, 2)]
    assert all(lines)
    assert [(line["referer"], line["agent"]) for line in lines if line] == [("http://x/", "agent/1 (x)"), ("-", "-")]


def test_json(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with edge(log, FORMAT="json", REQUEST_IDS="on", TRUSTED="127.0.0.1") as program:
        body = program.get("/?q=1", "Referer: r", "User-Agent: u", "X-Request-Id: abc").body
        program.get("/", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https")
        first, second = records_of(log, 2)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert 0 <= first.pop("duration_ms") < 20_000
    assert first == {
        "client": "127.0.0.1", "request": "GET /?q=1 HTTP/1.1", "status": 200, "bytes": len(body), "complete": True,
        "scheme": "http", "host": "test", "referer": "r", "user_agent": "u", "request_id": "abc",
    }  # fmt: skip
    assert (second["client"], second["scheme"], len(second["request_id"])) == ("192.0.2.1", "https", 32)


EVIL = [
    b'GET /"%20HTTP/1.1"%20200%201 HTTP/1.1\r\nHost: t\r\nUser-Agent: "\\" - [x]\r\nReferer: \\\r\n\r\n',
    b"GET /\xff\xe9\x80 HTTP/1.1\r\nHost: t\r\nUser-Agent: \xff\xfe \t\x80\r\nReferer: \xe2\x80\xa8\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: t\r\nUser-Agent: " + b'"' * 5_000 + b"\r\nReferer: " + b"\xff" * 5_000 + b"\r\n\r\n",
    b"GET /" + b"\\" * 7_000 + b" HTTP/1.1\r\nHost: t\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: t\r\nX: a\nb\r\n\r\n",
    b"GET / HTTP/1.1\x1b[31m\r\nHost: t\r\n\r\n",
    b"GET  HTTP/1.1\r\n\r\n",
    b"\x00\n\x00\r\n\r\n",
    b"GET /" + b"a" * 20_000,
]


@pytest.mark.parametrize("format", ["common", "combined", "json"])
def test_whatever_a_client_sends_is_one_line_of_its_form(tmp_path: Path, format: str) -> None:
    log = tmp_path / "log"
    with edge(log, FORMAT=format) as program:
        for data in EVIL:
            with program.client() as client:
                client.send(data)
                client.half_close()
                client.rest()
        lines = lines_of(log, len(EVIL))
    for data, line in zip(EVIL, lines, strict=True):
        assert line.isprintable()
        if format == "json":
            record = json.loads(line)
            said = record["request"]
        else:
            match = (COMMON if format == "common" else COMBINED).fullmatch(line)
            assert match, line
            said = match["request"]
        assert len(line) < 64 * 1024
        assert said.startswith("GET") or not data.startswith(b"GET")


def test_refused_failed_cut_and_left(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with edge(log, FORMAT="json") as program:
        program.get("/", "Bad Name: x")
        program.get("/raise")
        program.get("/cut")
        with program.client() as client:
            client.send(request("GET", "/hang"))
            eventually(lambda: program.connection_count == 1, "it is there")
            assert client.is_quiet(0.1)
            client.reset()
        records = records_of(log, 4)
    assert [(one["status"], one["complete"]) for one in records] == [(400, True), (500, True), (200, False), (499, False)]
    assert [one["request"] for one in records][1:] == ["GET /raise HTTP/1.1", "GET /cut HTTP/1.1", "GET /hang HTTP/1.1"]
    assert records[1]["bytes"] > 0
    assert records[2]["bytes"] == 4
    assert all(one["duration_ms"] > 0 for one in records)


def test_pipelined_and_kept_alive_each_have_their_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with edge(log) as program, program.client() as client:
        client.send(b"".join(request("GET", f"/{index}") for index in range(500)))
        for _ in range(500):
            assert client.response().status == 200
        assert [line.split()[6] for line in lines_of(log, 500)] == [f"/{index}" for index in range(500)]


def test_a_line_is_written_before_the_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with edge(log) as program:
        assert program.get("/").status == 200
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
    assert len(log.read_text().splitlines()) == 1


# ---- request ids


def test_ids(tmp_path: Path) -> None:
    with Program.run("edge.py", env={"REQUEST_IDS": "on"}) as program, program.client() as client:
        seen = [json.loads(client.request("GET", "/").body) for _ in range(50)]
        for one in seen:
            assert re.fullmatch("[0-9a-f]{32}", one["id"])
            assert one["id"] == one["variable"] == one["before"] == one["task"] == one["header"]
            assert one["headers"] == [one["id"]]
        assert len({one["id"] for one in seen}) == 50
        response = client.request("GET", "/", "X-Request-Id: a.B-9_~+/=:@")
        assert json.loads(response.body)["id"] == "a.B-9_~+/=:@"
        assert response.get("x-request-id") is None


@pytest.mark.parametrize(
    "fields", [["X-Request-Id: "], ["X-Request-Id: a b"], ["X-Request-Id: " + "a" * 129], ['x-request-id: "'], ["X-Request-Id: \xe9"],
               ["X-Request-Id: a", "x-request-id: b"]]
)  # fmt: skip
def test_an_id_that_is_none_is_replaced_everywhere(fields: list[str]) -> None:
    with Program.run("edge.py", env={"REQUEST_IDS": "echo"}) as program:
        response = program.get("/", *fields)
        seen = json.loads(response.body)
        assert re.fullmatch("[0-9a-f]{32}", seen["id"])
        assert seen["headers"] == [seen["id"]]
        assert response.all("x-request-id") == [seen["id"]]


def test_an_id_is_echoed_once() -> None:
    with Program.run("edge.py", env={"REQUEST_IDS": "echo"}) as program:
        longest = "a" * 128
        response = program.get("/", f"X-Request-Id: {longest}")
        assert response.all("x-request-id") == [longest]
        assert program.get("/own-id", "X-Request-Id: theirs").all("x-request-id") == ["mine"]
        failed = program.get("/raise", "X-Request-Id: theirs")
        assert (failed.status, failed.all("x-request-id")) == (500, ["theirs"])
        assert program.get("/stream", "X-Request-Id: theirs").all("x-request-id") == ["theirs"]


def test_a_refusal_behind_the_head_tells_it_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with edge(log, REQUEST_IDS="echo", RESPONSE_S="0.1", FORMAT="json") as program:
        response = program.get("/hang", "X-Request-Id: theirs")
        assert (response.status, response.all("x-request-id")) == (504, ["theirs"])
        (record,) = records_of(log, 1)
    assert (record["status"], record["bytes"], record["request_id"]) == (504, len(response.body), "theirs")


def test_without_ids_nothing_is_added() -> None:
    with Program.run("edge.py") as program:
        response = program.get("/", "X-Request-Id: theirs")
        seen = json.loads(response.body)
        assert (seen["id"], seen["variable"], seen["header"]) == (None, None, "theirs")
        assert response.get("x-request-id") is None


def test_applications_and_their_logs_have_the_id(tmp_path: Path) -> None:
    """An application that knows nothing of treadle reads the field; a logging configuration names the filter."""
    config = tmp_path / "logging.json"
    config.write_text(
        json.dumps(
            {
                "version": 1,
                "filters": {"id": {"()": "treadle.http.RequestIdFilter"}},
                "formatters": {"line": {"format": "[%(request_id)s] %(message)s"}},
                "handlers": {
                    "err": {"class": "logging.StreamHandler", "filters": ["id"], "formatter": "line"},
                },
                "root": {"handlers": ["err"], "level": "INFO"},
            }
        )
    )
    with Program.serve("asgi_app:app", "--request-id", "echo", "--log-config", str(config)) as program:
        response = program.get("/scope", "X-Request-Id: abc")
        headers = json.loads(response.body)["headers"]
        assert ["tuple", ["bytes", "x-request-id"], ["bytes", "abc"]] in headers
        assert response.all("x-request-id") == ["abc"]
        assert program.get("/raise-before", "X-Request-Id: abc").status == 500
        program.stderr.wait_line(r"\[-\] serving asgi_app:app")


# ---- `treadle serve`


def test_serve_on_stdout() -> None:
    with Program.serve("asgi_app:app", "--access-log", "-", "--access-log-format", "json") as program:
        program.get("/")
        match = program.stdout.wait_line(r"^(\{.*\})$")
        assert json.loads(match[1])["request"] == "GET / HTTP/1.1"


def test_a_file_that_cannot_be_opened_is_one_clear_line(tmp_path: Path) -> None:
    with Program.serve("asgi_app:app", "--access-log", str(tmp_path / "no" / "log")) as program:
        assert program.wait(START_DEADLINE_S) == 1
        assert "--access-log" in program.stderr.text
        assert "Traceback" not in program.stderr.text


def test_rotation(tmp_path: Path) -> None:
    log, old = tmp_path / "log", tmp_path / "log.1"
    with Program.serve("asgi_app:app", "--access-log", str(log)) as program:
        program.get("/first")
        lines_of(log, 1)
        log.rename(old)
        program.get("/still-the-old-one")
        program.signal(signal.SIGUSR1)
        eventually(log.exists, "it is opened anew")
        program.get("/second")
        assert [line.split()[6] for line in lines_of(log, 1)] == ["/second"]
        assert [line.split()[6] for line in lines_of(old, 2)] == ["/first", "/still-the-old-one"]
        log.rename(old)
        tmp_path.joinpath("log").mkdir()  # it cannot be opened: the old file goes on
        program.signal(signal.SIGUSR1)
        program.stderr.wait_line("stays in its old file")
        program.get("/third")
        assert [line.split()[6] for line in lines_of(old, 2)] == ["/second", "/third"]


def test_a_pipe_that_nobody_reads_holds_up_neither_requests_nor_the_end() -> None:
    read_end, write_end = os.pipe()
    command = [*treadle_command(), "serve", "asgi_app:app", "--app-dir", str(PROGRAMS), "--port", "0", "--access-log", "-"]
    env = {**os.environ, "PYTHONUNBUFFERED": "1", "LIFESPAN": "unsupported"}  # without one the application prints nothing
    process = subprocess.Popen(command, stdout=write_end, stderr=subprocess.PIPE, env=env)
    os.close(write_end)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if match := re.search(rb"http://127\.0\.0\.1:(\d+)", line):
                port = int(match[1])
                break
        batch = b"".join(request("GET", "/" + "x" * 7_000) for _ in range(50))
        with RawClient(("127.0.0.1", port)) as client:
            for _ in range(30):  # 10 MB of lines: the pipe, what the thread holds, and the buffer are full
                client.send(batch)
                for _ in range(50):
                    assert client.response().status == 404
        process.terminate()
        errors = process.stderr.read()
        assert process.wait(START_DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(read_end)
        if process.stderr is not None:
            process.stderr.close()
    assert b"takes nothing" in errors


def test_lines_that_find_no_room_are_counted_and_told(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    count = 0
    with Program.serve("asgi_app:app", "--access-log", str(pipe)) as program, program.client() as client:
        batch = b"".join(request("GET", "/" + "x" * 7_000) for _ in range(50))
        for _ in range(30):  # 10 MB
            client.send(batch)
            for _ in range(50):
                assert client.response().status == 404
                count += 1
        seen = [b""]

        def is_told() -> bool:
            try:
                seen[0] += os.read(reader, 1_000_000)
            except BlockingIOError:
                pass
            return "were dropped" in program.stderr.text

        eventually(is_told, "somebody reads on, and the log says what is lost")
        program.signal(signal.SIGTERM)
        eventually(lambda: is_told() and not program.is_alive, "it ends")
        is_told()
    os.close(reader)
    told = sum(int(number) for number in re.findall(r"(\d+) lines of the access log were dropped", program.stderr.text))
    assert 0 < told < count
    assert seen[0].count(b"\n") == count - told
    assert all(COMMON.fullmatch(line.decode()) for line in seen[0].splitlines())


def test_the_log_may_be_shared_closed_and_asked(tmp_path: Path) -> None:
    program = (
        "import treadle, sys\nfrom treadle import http\n"
        "async def main():\n"
        "    log = http.access_log(sys.argv[1])\n"
        "    assert log.statistics() == http.AccessLogStatistics(0, 0, 0)\n"
        "    servers = [http.create_server(lambda q, s: s.end(b'x'), access_log=log).listen(0) for _ in range(2)]\n"
        "    for server in servers:\n"
        "        import asyncio\n"
        "        reader, writer = await asyncio.open_connection(*server.address())\n"
        "        writer.write(b'GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')\n"
        "        await reader.read()\n"
        "        writer.close()\n"
        "        server.close()\n"
        "        await server.wait_closed()\n"
        "    log.close()\n"
        "    log.close()\n"
        "    assert log.statistics() == http.AccessLogStatistics(2, 0, 0), log\n"
        "    assert 'closed' in repr(log)\n"
        "    try:\n"
        "        http.access_log('-', 'apache')\n"
        "    except treadle.TreadleError as error:\n"
        "        assert error.code == 'ERR_INVALID_ARG_VALUE'\n"
        "treadle.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "log")], check=True, timeout=START_DEADLINE_S)
    assert (tmp_path / "log").read_text().count("\n") == 2
