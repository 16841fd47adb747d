"""curl as the client: each style of upload, both ways of framing, Expect, HTTP/1.0, connections that are kept or shared."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import Program

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("curl") is None, reason="no curl: apt install curl")]

DEADLINE_S = 20
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[Program]:
    with Program.serve("uploads:app") as program:
        yield program


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 MiB and a bit, of all bytes: more than any buffer, and more than curl sends without asking (1 MiB)."""
    path = tmp_path_factory.mktemp("curl") / "data.bin"
    path.write_bytes(random.Random(1).randbytes(3 * MIB + 17))
    return path


def curl(server: Program, *arguments: str | Path, stdin: bytes | None = None) -> bytes:
    """What it writes; it must end well. A target begins with a slash."""
    host, port = server.address
    words = [
        f"http://{host}:{port}{word}" if str(word).startswith("/") and not os.path.exists(word) else word for word in arguments
    ]
    command = ["curl", "-sS", "--fail-with-body", "--max-time", str(DEADLINE_S), *map(str, words)]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=2 * DEADLINE_S, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}{done.stdout[:500]!r}"
    return done.stdout


def told(server: Program, *arguments: str | Path, stdin: bytes | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(curl(server, *arguments, stdin=stdin))
    return found


def is_whole(answer: dict[str, Any], content: bytes) -> bool:
    return answer["size"] == len(content) and answer["digest"] == hashlib.sha256(content).hexdigest()


def test_data(server: Program) -> None:
    answer = told(server, "-d", "a=1", "-d", "b=2", "/told?q=x")
    assert is_whole(answer, b"a=1&b=2")
    assert (answer["method"], answer["query"], answer["content-length"]) == ("POST", "q=x", "7")
    assert told(server, "-d", "a=1", "--data-urlencode", "b=ä &", "/form") == {"a": "1", "b": "ä &"}


def test_data_from_a_file(server: Program, file: Path) -> None:
    answer = told(server, "--data-binary", f"@{file}", "/told")
    assert is_whole(answer, file.read_bytes())
    assert answer["content-length"] == str(3 * MIB + 17)


def test_form_with_a_file(server: Program, file: Path) -> None:
    answer = told(server, "-F", "name=value", "-F", f"upload=@{file};type=image/x-test;filename=ü.bin", "/form")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert answer == {"name": "value", "upload": ["ü.bin", "image/x-test", 3 * MIB + 17, digest]}


def test_form_from_a_pipe_is_chunked(server: Program) -> None:
    answer = told(server, "-H", "Transfer-Encoding: chunked", "-F", "upload=@-;filename=x", "/form", stdin=b"piped" * 10_000)
    assert answer["upload"][2] == 50_000


def test_upload_of_a_file(server: Program, file: Path) -> None:
    answer = told(server, "-T", file, "/put/")
    assert is_whole(answer, file.read_bytes())
    assert (answer["method"], answer["content-length"]) == ("PUT", str(3 * MIB + 17))


def test_upload_of_a_pipe_is_chunked(server: Program, file: Path) -> None:
    answer = told(server, "-T", "-", "/put/piped", stdin=file.read_bytes())
    assert is_whole(answer, file.read_bytes())
    assert answer["transfer-encoding"] == "chunked"
    assert "content-length" not in answer


def test_an_upload_that_is_resumed_sends_the_rest(server: Program, file: Path) -> None:
    answer = told(server, "-C", "1048576", "-T", file, "/put/rest")
    assert is_whole(answer, file.read_bytes()[MIB:])


@pytest.mark.parametrize("framing", [["-T", "FILE"], ["-T", "-"]], ids=["length", "chunked"])
def test_expectation(server: Program, file: Path, framing: list[str]) -> None:
    """curl says how long it has waited for 100 Continue; without it, it would send after 20 s, past its time."""
    words = [str(file) if word == "FILE" else word for word in framing]
    answer = told(server, "--expect100-timeout", "60", "-H", "Expect: 100-continue", *words, "/put/x", stdin=file.read_bytes())
    assert is_whole(answer, file.read_bytes())
    assert answer["expect"] == "100-continue"


def test_an_answer_before_the_body_spares_sending_it(server: Program, file: Path) -> None:
    host, port = server.address
    command = ["curl", "-sS", "--max-time", str(DEADLINE_S), "--expect100-timeout", "60", "-H", "Expect: 100-continue"]
    command += ["-T", str(file), "-w", " %{http_code} %{size_upload}", f"http://{host}:{port}/refused"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * DEADLINE_S, check=True)
    assert done.stdout == "no 413 0"


def test_http_1_0(server: Program, file: Path) -> None:
    answer = told(server, "--http1.0", "--data-binary", f"@{file}", "/told")
    assert is_whole(answer, file.read_bytes())
    assert answer["http"] == "1.0"
    lines = curl(server, "--http1.0", "/streamed").splitlines()
    assert len(lines) == 1_000  # no chunks for it: the end of the connection is the end of the body


def test_methods(server: Program) -> None:
    assert b"200 OK" in curl(server, "-I", "/streamed")
    assert told(server, "-X", "DELETE", "/told")["method"] == "DELETE"
    assert told(server, "-X", "PATCH", "-d", "x", "/told")["size"] == 1
    assert told(server, "-G", "-d", "a=1", "/told")["query"] == "a=1"


def test_streamed_answer(server: Program) -> None:
    assert len(curl(server, "/streamed").splitlines()) == 1_000
    assert len(curl(server, "--compressed", "--raw", "/streamed")) > 9_000


def test_one_connection_for_all(server: Program, file: Path) -> None:
    uploads = [["-T", file, f"/put/{index}", "-o", "-"] for index in range(4)]
    answers = curl(server, *[word for index, words in enumerate(uploads) for word in (["--next", *words] if index else words)])
    ports = [json.loads(line)["port"] for line in answers.decode().replace("}{", "}\n{").splitlines()]
    assert len(ports) == 4
    assert len(set(ports)) == 1


def test_many_at_once(server: Program) -> None:
    done = curl(server, "-Z", "--parallel-max", "20", *[f"/told?{index}" for index in range(100)])
    assert sorted(int(one["query"]) for one in map(json.loads, done.decode().replace("}{", "}\n{").splitlines())) == [*range(100)]


def test_slow_upload(server: Program) -> None:
    content = b"x" * 60_000
    answer = told(server, "--limit-rate", "30K", "-T", "-", "/put/slow", stdin=content)
    assert is_whole(answer, content)
