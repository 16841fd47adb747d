"""http.response.pathsend, and the folders of `treadle serve --static`."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.support import START_DEADLINE_S, Program, eventually, request

pytestmark = pytest.mark.slow

CONTENT = {"large": bytes(index * 7 % 251 for index in range(300_000)), "small": b"0123456789", "empty": b""}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "folder" / "index.html").write_bytes(b"index")
    return folder


@pytest.fixture(scope="module")
def served(files: Path) -> Iterator[Program]:
    with Program.serve(
        "path_send:app", "--static", f"/assets={files}", "--static", f"/assets/deep={files / 'folder'}", env={"FILES": str(files)}
    ) as program:
        program.get("/sized/small")
        before = program.idle_fd_count()
        yield program
        assert program.get("/sized/small").status == 200
        assert program.idle_fd_count() == before


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("kind", ["sized", "unsized"])
def test_a_file_is_sent(served: Program, kind: str, name: str) -> None:
    with served.client() as client:
        for _ in range(2):
            answer = client.request("GET", f"/{kind}/{name}")
            assert (answer.status, answer.framing, answer.body) == (200, "length", CONTENT[name])
            assert answer.get("x-kind") == kind
            head = client.request("HEAD", f"/{kind}/{name}")
            assert (head.status, head.body, head.get("content-length")) == (200, b"", str(len(CONTENT[name])))


@pytest.mark.parametrize("name", ["large", "small"])
def test_less_than_all_of_it(served: Program, name: str) -> None:
    assert served.get(f"/part/{name}").body == CONTENT[name][:5]


@pytest.mark.parametrize("name", CONTENT)
def test_in_chunks(served: Program, name: str) -> None:
    answer = served.get(f"/chunked/{name}")
    assert (answer.framing, answer.body) == ("chunked", CONTENT[name])


@pytest.mark.parametrize("name", ["large", "small"])
def test_without_a_length_of_http_1_0(served: Program, name: str) -> None:
    with served.client() as client:
        client.send(f"GET /unsized/{name} HTTP/1.0\r\n\r\n".encode())
        assert client.rest().endswith(CONTENT[name])


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/unsized/nothing", f"FileNotFoundError {errno.ENOENT}"),
        ("/unsized/folder", f"IsADirectoryError {errno.EISDIR}"),
        ("/unsized/fifo", f"OSError {errno.ENODEV}"),
        ("/more/large", "TreadleError ERR_HTTP_CONTENT_LENGTH_MISMATCH"),
        ("/more/small", "TreadleError ERR_HTTP_CONTENT_LENGTH_MISMATCH"),
        ("/relative/small", "TreadleError ERR_INVALID_ARG_VALUE"),
        ("/early/small", "TreadleError ERR_ASGI_UNEXPECTED_MESSAGE"),
    ],
)
def test_what_cannot_be_sent_is_raised_before_anything_is(served: Program, target: str, told: str) -> None:
    assert served.get(target).status == 500
    served.stdout.wait_line(f"^told .*{told.rpartition(' ')[2]}$")


def test_what_is_no_regular_file_is_told_in_words(served: Program) -> None:
    served.get("/unsized/fifo")
    served.stderr.wait_line(r"No regular file: '.*/fifo'")


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize(
    ("kind", "method", "framing"),
    [
        ("trailed", "GET", "chunked"),
        ("announced", "GET", "chunked"),
        ("sized-trailed", "GET", "length"),
        ("trailed", "HEAD", "none"),
    ],
)
def test_trailers_behind_a_file(served: Program, kind: str, method: str, framing: str, name: str) -> None:
    """They need chunks, so a file without a Content-Length is sent in some; beside one they are dropped, as behind any body."""
    told = served.stdout.text.count("told")
    with served.client() as client:
        for _ in range(2):
            answer = client.request(method, f"/{kind}/{name}")
            assert (answer.status, answer.body) == (200, b"" if method == "HEAD" else CONTENT[name])
            assert method == "HEAD" or answer.framing == framing
            assert answer.trailers == ([("x-sum", "1")] if framing == "chunked" else [])
    assert served.stdout.text.count("told") == told


def test_trailers_behind_a_file_of_http_1_0(served: Program) -> None:
    with served.client() as client:
        client.send(b"GET /trailed/small HTTP/1.0\r\n\r\n")
        assert client.rest().endswith(b"\r\n\r\n" + CONTENT["small"])


def test_it_is_the_whole_body(served: Program) -> None:
    with served.client() as client:
        client.send(request("GET", "/late/small"))
        assert not client.rest().endswith(b"\r\n0\r\n\r\n")
    assert served.get("/twice/small").body == CONTENT["small"]
    served.stdout.wait_line("^told .*ERR_ASGI_UNEXPECTED_MESSAGE$")


def test_a_body_beside_it_is_refused_and_does_it_no_harm(served: Program) -> None:
    answer = served.get("/beside/large")
    assert (answer.body, answer.truncated) == (CONTENT["large"], False)
    served.stdout.wait_line("^told .*ERR_ASGI_UNEXPECTED_MESSAGE$")


def test_it_is_offered_and_nobody_sees_what_another_has_written_there(served: Program) -> None:
    for _ in range(2):
        offered = json.loads(served.get("/extensions/").body)
        assert "http.response.pathsend" in offered
        assert "mine" not in offered


@pytest.mark.parametrize("name", CONTENT)
def test_starlette_takes_the_offer(served: Program, name: str) -> None:
    pytest.importorskip("starlette")
    answer = served.get(f"/starlette/{name}")
    assert (answer.status, answer.body) == (200, CONTENT[name])
    part = served.get(f"/starlette/{name}", "Range: bytes=0-0")
    assert part.body == CONTENT[name][:1]


# ---- --static


def test_a_folder_in_front_of_the_application(served: Program) -> None:
    assert served.get("/assets/large").body == CONTENT["large"]
    assert served.get("/assets/small", "Range: bytes=2-3").body == b"23"
    assert served.get("/assets/small", method="HEAD").get("content-length") == "10"
    assert served.get("/assets/nothing").status == 404
    assert served.get("/assets/../small").status == 404
    assert served.get("/assets/folder").get("location") == "/assets/folder/"
    assert served.get("http://elsewhere/assets/small").body == CONTENT["small"]


def test_the_longest_prefix_counts(served: Program) -> None:
    assert served.get("/assets/deep/").body == b"index"
    assert served.get("/assets/deep/small").status == 404


@pytest.mark.parametrize("target", ["/assetsx/small", "/unsized/small", "/sized/small"])
def test_the_rest_is_the_applications(served: Program, target: str) -> None:
    assert served.get(target).get("x-kind") is not None


def test_many_on_one_connection(served: Program) -> None:
    with served.client() as client:
        for _ in range(20):
            assert client.request("GET", "/assets/small").body == CONTENT["small"]
            assert client.request("GET", "/unsized/large").body == CONTENT["large"]
            assert client.request("GET", "/extensions/").status == 200


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("/assets", "PREFIX=DIR"),
        ("assets=.", "PREFIX=DIR"),
        ("/a=", "PREFIX=DIR"),
        ("/a=/nothing/there", "Not a directory"),
        ("/a//b=.", "segments"),
    ],
)
def test_flags_that_are_wrong(flag: str, said: str) -> None:
    with Program("serve", "path_send:app", "--static", flag) as program:
        assert program.wait(START_DEADLINE_S) == 2
        assert said in program.stderr.text


@pytest.mark.parametrize("kind", ["/sized/huge", "/starlette/huge", "/assets/huge"])
def test_a_client_that_leaves(served: Program, files: Path, kind: str) -> None:
    """At once, or in the middle; by an end or a reset. The fixture counts descriptors."""
    with open(files / "huge", "wb") as file:
        file.truncate(200_000_000)  # a hole: far more than both kernels hold of it
    said_before = served.stderr.text
    for place in (0, 1, 500, 1_000_000):
        for resets in (False, True):
            with served.client(rcvbuf=16_384) as client:
                client.send(request("GET", kind))
                left = place
                while left > 0:
                    left -= len(client.socket.recv(min(left, 65_536)))
                if resets:
                    client.reset()
    eventually(lambda: served.connection_count == 0, "no connection is left")
    assert served.get("/sized/small").body == CONTENT["small"]
    assert "Traceback" not in served.stderr.text.removeprefix(said_before)
