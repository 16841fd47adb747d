"""What a Django project needs of its server: log-in to the admin, static files, a form, an upload, a stream; by ASGI and by WSGI.

Run by `make http-suites` in its own environment, where Django is; not collected by `make test`.
"""

import concurrent.futures
import hashlib
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from live_server import IS_TREADLE, command

HERE = Path(__file__).parent
START_S = 30.0
CONTENT = bytes(range(256)) * 12_000  # 3 MB: past the 2.5 MB that Django holds in memory


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def url(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "SITE_DATABASE": str(folder / "database")}
    subprocess.run([sys.executable, "django_site.py"], cwd=HERE, env=environment, check=True, timeout=2 * START_S)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    name = {"asgi": "application", "wsgi": "wsgi"}[request.param]
    flags = ["--interface", "wsgi"] if request.param == "wsgi" and not IS_TREADLE else []
    with open(folder / "log", "w+") as log:
        process = subprocess.Popen(
            command(f"django_site:{name}", "--port", str(port), *flags), cwd=HERE, env=environment, stdout=log, stderr=log
        )
        try:
            _wait(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(START_S)


def _wait(process, port, log):
    end_s = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < end_s:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    log.seek(0)
    raise RuntimeError(f"the server did not start: {(log.read().strip().splitlines() or ['without a word'])[-1]}")


@pytest.fixture
def client(url):
    with httpx.Client(base_url=url, follow_redirects=True, timeout=START_S) as client:
        yield client


def token(page):
    found = re.search(r"csrfmiddlewaretoken\"? value=\"?(\w+)", page.text)
    assert found, page.text[:500]
    return found[1]


def log_in(client):
    page = client.get("/admin/")
    assert page.url.path == "/admin/login/"
    return client.post(
        page.url, data={"username": "admin", "password": "secret", "next": "/admin/", "csrfmiddlewaretoken": token(page)}
    )


def test_log_in_to_the_admin(client):
    page = log_in(client)
    assert page.status_code == 200
    assert "Site administration" in page.text
    assert [response.status_code for response in page.history] == [302]
    assert {"csrftoken", "sessionid"} <= set(client.cookies)


def test_a_wrong_password_and_a_missing_token(client):
    page = client.get("/admin/login/")
    wrong = client.post(page.url, data={"username": "admin", "password": "x", "csrfmiddlewaretoken": token(page)})
    assert wrong.status_code == 200
    assert "Please enter the correct" in wrong.text
    assert client.post("/admin/login/", data={"username": "admin", "password": "secret"}).status_code == 403


def test_the_admin_adds_a_user_and_logs_out(client):
    log_in(client)
    page = client.get("/admin/auth/user/add/")
    name = f"user{time.monotonic_ns()}"
    data = {"username": name, "usable_password": "true", "password1": "Extraordinary-1", "password2": "Extraordinary-1"}
    added = client.post(page.url, data={**data, "csrfmiddlewaretoken": token(page)})
    assert added.status_code == 200
    assert "was added successfully" in added.text
    assert name in client.get("/admin/auth/user/").text
    page = client.get("/admin/")
    client.post("/admin/logout/", data={"csrfmiddlewaretoken": token(page)})
    assert client.get("/admin/").url.path == "/admin/login/"


def test_static_files(client):
    found = client.get("/static/admin/css/base.css")
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("text/css")
    assert int(found.headers["content-length"]) == len(found.content) > 10_000
    again = client.get("/static/admin/css/base.css", headers={"If-Modified-Since": found.headers["last-modified"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head("/static/admin/css/base.css").content == b""
    assert client.get("/static/admin/nothing.css").status_code == 404
    assert client.get("/static/%2e%2e/%2e%2e/django_site.py").status_code != 200


def test_form(client):
    page = client.get("/letter")
    sent = client.post("/letter", data={"subject": "ä & b", "count": "3", "csrfmiddlewaretoken": token(page)})
    assert sent.json() == {"subject": "ä & b", "count": 3}
    sent = client.post("/letter", data={"subject": "x" * 30, "count": "y", "csrfmiddlewaretoken": token(page)})
    assert sent.status_code == 422
    assert sent.json().keys() == {"subject", "count"}


@pytest.mark.parametrize("content", [b"small", CONTENT], ids=["in memory", "on disk"])
def test_upload(client, content):
    sent = client.post("/upload", data={"note": "hello"}, files={"file": ("ü.bin", content)})
    digest = hashlib.sha256(content).hexdigest()
    expected = {"name": "ü.bin", "size": len(content), "digest": digest, "on_disk": content is CONTENT, "note": "hello"}
    assert sent.json() == expected


def test_streamed(client):
    with client.stream("GET", "/streamed") as response:
        assert "content-length" not in response.headers
        assert "".join(response.iter_text()) == "".join(f"{index}\n" for index in range(100))


def test_a_view_that_fails(client):
    found = client.get("/failing")
    assert found.status_code == 500
    assert "as it should" in found.text  # Django's own page
    assert client.get("/letter").status_code == 200


def test_many_at_once(client):
    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        pages = list(threads.map(lambda _: client.get("/letter"), range(200)))
    assert {page.status_code for page in pages} == {200}
