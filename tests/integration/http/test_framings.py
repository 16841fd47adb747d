"""What counts as a failure of the differential fuzz, what is excused, and what each oracle makes of streams that all know."""

from collections.abc import Iterator

import pytest

from fuzz.framings import Difference, End, Framing, Message, difference, is_failure
from fuzz.http_differential import the_oracles
from fuzz.known_differences import KNOWN, without_known
from fuzz.oracles import Oracle
from tests.integration.http.vectors import GOOD, GOOD_CHUNKED, GOOD_POST

A, B = Message.of("GET", b"/a", b""), Message.of("POST", b"/b", b"hello")
NONE, STRICTER, REFUSES, CLOSES, FRAMES = Difference


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (Framing((A, B), End.DONE), Framing((A, B), End.DONE), NONE),
        (Framing((A,), End.REFUSED), Framing((A,), End.REFUSED), NONE),
        (Framing((A,), End.REFUSED), Framing((A, B), End.DONE), STRICTER),
        (Framing((A,), End.REFUSED), Framing((A,), End.DONE), STRICTER),
        (Framing((A,), End.CLOSED), Framing((A, B), End.DONE), STRICTER),
        (Framing((A, B), End.DONE), Framing((A,), End.REFUSED), REFUSES),
        (Framing((A, B), End.REFUSED), Framing((A,), End.REFUSED), REFUSES),
        (Framing((A, B), End.DONE), Framing((A,), End.CLOSED), CLOSES),
        (Framing((A, B), End.DONE), Framing((A,), End.UPGRADED), NONE),
        (Framing((A, B), End.DONE), Framing((A,), End.DONE), FRAMES),
        (Framing((A,), End.DONE), Framing((A, B), End.DONE), FRAMES),
        (Framing((A,), End.REFUSED), Framing((B,), End.DONE), FRAMES),
        (Framing((B,), End.DONE), Framing((Message.of("POST", b"/b", b"hell"),), End.DONE), FRAMES),
        (Framing((A, A), End.REFUSED), Framing((A, B), End.UPGRADED), FRAMES),
    ],
)
def test_the_first_difference_counts(ours: Framing, theirs: Framing, expected: Difference) -> None:
    assert difference(ours, theirs) is expected


@pytest.mark.parametrize(
    ("found", "fails"),
    [
        ((NONE, NONE, NONE), False),
        ((STRICTER, STRICTER, STRICTER), False),
        ((REFUSES, NONE, NONE), False),
        ((REFUSES, REFUSES, NONE), True),
        ((REFUSES, CLOSES, NONE), True),
        ((CLOSES, NONE, CLOSES), True),
        ((FRAMES, NONE, NONE), True),
    ],
)
def test_two_that_refuse_or_one_that_frames_otherwise(found: tuple[Difference, ...], fails: bool) -> None:
    assert is_failure(dict(zip("abc", found, strict=True))) is fails


def test_what_is_known_is_excused_by_its_sign_alone() -> None:
    theirs = {"h11": Framing((A,), End.CLOSED), "node 24": Framing((A,), End.CLOSED)}
    differences = dict.fromkeys(theirs, CLOSES)
    assert without_known(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", theirs, differences) == (differences, [])
    left, reasons = without_known(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", theirs, differences)
    assert left == {"h11": NONE, "node 24": CLOSES}
    assert len(reasons) == 1


def test_no_other_framing_is_ever_excused() -> None:
    assert all(known.difference in (REFUSES, CLOSES) for known in KNOWN)
    framed = {name: Framing((), End.DONE, known.said) for known in KNOWN for name in known.oracles}
    differences = dict.fromkeys(framed, FRAMES)
    assert without_known(b"HTTP/1.0\r\nProxy-Connection: close\r\nContent-Length:\t5\r\n\r\n", framed, differences) == (
        differences,
        [],
    )


@pytest.fixture(scope="module")
def oracles() -> Iterator[list[Oracle]]:
    with the_oracles(must_have_node=False) as found:
        yield found


GET, POST = Message.of("GET", b"/good", b""), Message.of("POST", b"/good", b"hello")
HEAD = b"POST / HTTP/1.1\r\nHost: test\r\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stream", "messages", "end"),
    [
        (GOOD + GOOD_POST + GOOD_CHUNKED, (GET, POST, POST), End.DONE),
        (GOOD + GOOD_POST[:-1], (GET,), End.DONE),
        (GOOD + HEAD + b"Content-Length: +5\r\n\r\nhello", (GET,), End.REFUSED),
        (GOOD + b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", (GET,), End.REFUSED),
        (b"GET /good HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n" + GOOD, (GET,), End.CLOSED),
        (b"GET /good HTTP/1.0\r\n\r\n" + GOOD, (GET,), End.CLOSED),
        (b"GET /good HTTP/1.0\r\n\r\n" + HEAD + b"Upgrade: x\r\nConnection: Upgrade\r\n\r\n", (GET,), End.CLOSED),
        (b"\xff" + GOOD, (), End.REFUSED),
        (b"", (), End.DONE),
    ],
)
def test_all_oracles_know_the_plain_cases(oracles: list[Oracle], stream: bytes, messages: tuple[Message, ...], end: End) -> None:
    for oracle in oracles:
        oracle.ask([stream])
        (framing,) = oracle.answers(1)
        assert (framing.messages, framing.end) == (messages, end), oracle.name
