"""FastAPI and Starlette, unchanged, under `treadle serve`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.integration.support import PROGRAMS, Program, eventually

pytest.importorskip("fastapi")


@pytest.fixture(scope="module")
def served() -> Iterator[Program]:
    with Program.serve("frameworks:app") as program:
        assert program.get().status == 200
        yield program
        assert program.is_alive


def test_json(served: Program) -> None:
    with served.client() as client:
        for _ in range(50):
            response = client.request()
            assert json.loads(response.body) == {"hello": "world"}
            assert response.get("x-stamp") == "stamped"


def test_parameters_and_dependencies(served: Program) -> None:
    response = json.loads(served.get("/items/7?a=1&b=%20x", "X-Token: secret").body)
    assert response == {"item": 7, "token": "secret", "query": {"a": "1", "b": " x"}, "url": "http://test/items/7?a=1&b=%20x"}


def test_a_model_in_and_out(served: Program) -> None:
    response = served.get("/items", "Content-Type: application/json", method="POST", body=b'{"name": "a"}')
    assert json.loads(response.body) == {"name": "a", "count": 1}


@pytest.mark.parametrize(("target", "status"), [("/items/x", 422), ("/nothing", 404), ("/raise-handled", 418)])
def test_errors_of_the_framework(served: Program, target: str, status: int) -> None:
    assert served.get(target).status == status


def test_sync_endpoints_run_in_threads_with_their_context(served: Program) -> None:
    assert json.loads(served.get("/thread").body) == {"is_main": False, "variable": "/thread"}


@pytest.mark.parametrize("target", ["/threads", "/background", "/timeout"])
def test_machinery(served: Program, target: str) -> None:
    assert served.get(target).status == 200


def test_task_groups_and_cancel_scopes(served: Program) -> None:
    assert json.loads(served.get("/task-group").body) == {"cancelled": True}


@pytest.mark.parametrize("target", ["/stream", "/stream-sync"])
def test_streams(served: Program, target: str) -> None:
    response = served.get(target)
    assert (response.framing, response.body) == ("chunked", b"piece 0;piece 1;piece 2;piece 3;piece 4;")


def test_files(served: Program) -> None:
    assert served.get("/file").body == (PROGRAMS / "frameworks.py").read_bytes()


def test_background_tasks_run_after_the_answer(served: Program) -> None:
    served.get("/background")
    eventually(lambda: b"async" in served.get("/background-done").body, "they ran")


def test_uploads(served: Program) -> None:
    assert json.loads(served.get("/upload", method="POST", body=b"x" * 3_000_000).body) == {"size": 3_000_000}


def test_state_of_the_lifespan(served: Program) -> None:
    assert json.loads(served.get("/state").body) == {"word": "from lifespan"}


def test_middleware_of_starlette_that_reads_the_body(served: Program) -> None:
    response = served.get("/below/wrapped", method="POST", body=b"hello")
    assert (response.body, response.get("x-body"), response.get("x-stamp")) == (b"hello", "5", "stamped")


@pytest.mark.slow
def test_an_exception_is_500_with_a_traceback_and_the_lifespan_ends_well() -> None:
    with Program.serve("frameworks:app") as program:
        assert program.get("/raise").status == 500
        program.stderr.wait_line("RuntimeError: marker-framework")
        assert program.get().status == 200
        program.signal(15)
        assert program.wait() == 0
        assert list(program.stdout.lines)[-1] == "framework stopped"


@pytest.mark.slow
def test_many_clients_of_every_kind(served: Program) -> None:
    targets = ["/", "/thread", "/stream", "/task-group", "/items/1", "/below/wrapped"]
    clients = [served.client() for _ in range(30)]
    try:
        from tests.integration.support import request

        for client, target in zip(clients, targets * 5, strict=True):
            client.send(request("GET", target) * 5)
        assert {client.response().status for client in clients for _ in range(5)} == {200}
    finally:
        for client in clients:
            client.close()
