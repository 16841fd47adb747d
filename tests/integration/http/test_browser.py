"""Chromium loads a page from `treadle serve`, over HTTP and over HTTPS: pages/page.html says what it does there, and reports it.

One browser for each of the two; it holds an answer back until the page has asked for it by another request, so no test waits for
time to pass. Skipped where there is no Chromium (Debian: apt install chromium). Chromium streams a request body over HTTP/2 alone,
so that is not tried here.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import brotli
import pytest

from tests.integration.support import Program

pytestmark = pytest.mark.slow

PAGES = Path(__file__).resolve().parent / "pages"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REPORT_S = 90.0  # a browser to start, on two busy cores
SECONDS, RATE = 60, 8_000  # of a tone that is all silence
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root, and in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--mute-audio",
    "--password-store=basic",
    "--use-mock-keychain",
    "--ignore-certificate-errors",
)


class Visit(NamedTuple):
    """What the page has reported, and the lines of the access log."""

    report: dict[str, Any]
    log: list[str]
    is_secure: bool

    def lines(self, target: str) -> list[int]:
        """The statuses that this target was answered with, in order."""
        return [int(line.split('" ')[1].split()[0]) for line in self.log if f" {target} HTTP/1.1" in line]


def find_browser() -> str:
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is there")


def make_assets(folder: Path) -> None:
    folder.mkdir()
    (folder / "digits.txt").write_text("0123456789" * 100)
    (folder / "kept.txt").write_text("kept")
    (folder / "coded.txt").write_text("plain")
    (folder / "coded.txt.gz").write_bytes(gzip.compress(b"by gzip"))
    (folder / "coded.txt.br").write_bytes(brotli.compress(b"by brotli"))
    with wave.open(str(folder / "tone.wav"), "wb") as tone:
        tone.setnchannels(1)
        tone.setsampwidth(2)
        tone.setframerate(RATE)
        tone.writeframes(bytes(2 * RATE * SECONDS))


@pytest.fixture(scope="module", params=["http", "https"])
def visit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    browser = find_browser()
    folder = tmp_path_factory.mktemp("browser")
    make_assets(folder / "assets")
    flags = ["--static", f"/assets={folder / 'assets'}", "--access-log", str(folder / "log"), "--lifespan", "off"]
    if request.param == "https":
        flags += ["--tls-cert", str(request.getfixturevalue("certificate"))]
    with Program.serve("browser_app:app", *flags, env={"PAGE": str(PAGES), "BUILT": str(folder / "assets")}) as program:
        address = program.address
        url = f"{request.param}://localhost:{address[1]}/"
        command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", url]
        environment = {**os.environ, "HOME": str(folder)}
        with open(folder / "said", "wb") as said:
            running = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment, start_new_session=True
            )
        try:
            told = program.stdout.wait_line("^REPORT (.*)", REPORT_S)
        except AssertionError as error:
            error.add_note(f"the browser said:\n{(folder / 'said').read_text(errors='replace')[-3_000:]}")
            raise
        finally:
            os.killpg(running.pid, signal.SIGKILL)  # it leads a session of its own
            running.wait()
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
        assert "Traceback" not in program.stderr.text
        yield Visit(json.loads(told[1]), (folder / "log").read_text().splitlines(), request.param == "https")


def test_an_answer_arrives_piece_by_piece(visit: Visit) -> None:
    """The server sent each piece only when the page had read the one before it, and had asked for the next."""
    assert visit.report["streaming"] == [f"piece {index}" for index in range(5)]


def test_an_abort_is_a_disconnect(visit: Visit) -> None:
    assert visit.report["abort"] == ["begun", "AbortError", "it has left"]


def test_a_form_with_a_file(visit: Visit) -> None:
    assert visit.report["form"] == {"text": "grüße", "file": hashlib.sha256(b"a" * 300_000).hexdigest()}


def test_a_request_is_not_streamed_over_http_1_1(visit: Visit) -> None:
    """By Chromium, which wants HTTP/2 for it: nothing that a server of HTTP/1.1 could do."""
    assert visit.report["duplex"] == "TypeError"


def test_a_source_of_events_comes_again_with_the_last_id(visit: Visit) -> None:
    assert visit.report["events"] == ["first", "second", "after 2"]


def test_a_range(visit: Visit) -> None:
    assert visit.report["range"] == [206, "bytes 10-19/1000", "0123456789", 416, "bytes */1000"]


def test_a_player_seeks(visit: Visit) -> None:
    assert visit.report["audio"] == [SECONDS, SECONDS, 50]
    assert 206 in visit.lines("/assets/tone.wav")


def test_the_best_coding_that_the_browser_takes(visit: Visit) -> None:
    coding, vary, text = visit.report["codings"]
    assert (coding, text) in ([("br", "by brotli")] if visit.is_secure else [("br", "by brotli"), ("gzip", "by gzip")])
    assert vary == "Accept-Encoding"


def test_what_is_kept_is_asked_for_again(visit: Visit) -> None:
    assert visit.report["revalidation"] == ["kept", 200, "kept"]
    # Chromium keeps nothing that came with a certificate which it does not trust.
    assert visit.lines("/assets/kept.txt") == [200, 200 if visit.is_secure else 304]


def test_a_connection_serves_many_requests(visit: Visit) -> None:
    assert visit.report["connections"] == 1
