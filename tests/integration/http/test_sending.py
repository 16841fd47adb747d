"""Answers and a peer that reads them slowly, in bits, or not at all: what it gets, what it costs, and when it is cut."""

from __future__ import annotations

import json
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.support import DEADLINE_S, Program, RawClient, eventually, request

pytestmark = pytest.mark.slow

KIB = 1024
MIB = 1024 * KIB
SIZE_KIB = 4 * KIB  # far more than two kernels hold of it
SNDBUF = 32 * KIB  # what that of the server takes
LINGER_S, PROGRESS_S = 0.2, 0.3


def sending(sndbuf: int = SNDBUF, limits: dict[str, int | None] | None = None, **timeouts: float) -> Program:
    env = {"TIMEOUTS": json.dumps(timeouts), "LIMITS": json.dumps(limits or {}), "SNDBUF": str(sndbuf)}
    return Program.run("sending.py", env=env)


def read_steadily(client: RawClient, piece: int, pause_s: float) -> bytes:
    """A piece, a pause, a piece, until the end. The pauses are the point: the peer is slow, but it never stops."""
    received = bytearray()
    while data := client.socket.recv(piece):
        received += data
        select.select([], [], [], pause_s)
    return bytes(received)


def states_of_peer(program: Program, client: RawClient) -> list[tuple[str, int]]:
    """State and bytes to be sent of the server's side of it, as the kernel has it; empty where that is gone."""
    mine, theirs = client.socket.getsockname()[1], program.address[1]
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = f":{theirs:04X}", f":{mine:04X}"
    return [(f[3], int(f[4][:8], 16)) for f in lines if (f[1][-5:], f[2][-5:]) == ports]


def queued_at_peer(program: Program, client: RawClient) -> int:
    return sum(queued for _, queued in states_of_peer(program, client))


def wait_until_blocked(program: Program, client: RawClient) -> None:
    """Until the kernel takes no more for it: the same figure for a while."""
    seen: list[int] = []

    def is_steady() -> bool:
        seen.append(queued_at_peer(program, client))
        return seen[-1] > 0 and len(seen) > 30 and len(set(seen[-30:])) == 1

    eventually(is_steady, "what waits for it waits")


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    """Short lingering, and all the time that a slow reader may need."""
    with sending(linger_s=LINGER_S) as program:
        yield program
        assert program.is_alive


LAST_ANSWERS = {
    "close asked": b"GET /kib/%d HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
    "close asked, streamed": b"GET /stream/%d HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
    "http10": b"GET /kib/%d HTTP/1.0\r\n\r\n",
    "http10, ended by the connection": b"GET /stream/%d HTTP/1.0\r\n\r\n",
}


@pytest.mark.parametrize("kind", LAST_ANSWERS)
@pytest.mark.parametrize("is_half_closed", [False, True])
def test_a_slow_reader_gets_all_of_the_last_answer(program: Program, kind: str, is_half_closed: bool) -> None:
    """Lingering begins when all is sent, not when the handler is done: reading this takes several times linger_s."""
    with program.client(rcvbuf=16 * KIB) as client:
        client.send(LAST_ANSWERS[kind] % SIZE_KIB)
        if is_half_closed:
            client.half_close()
        raw = read_steadily(client, 16 * KIB, 0.002)  # 256 pieces and more: half a second
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    if b"chunked" in head:
        assert body.endswith(b"\r\n0\r\n\r\n")
        assert body.count(b"x" * (KIB - 8) + b"\r\n") == SIZE_KIB
    else:
        assert len(body) == SIZE_KIB * KIB


@pytest.fixture(scope="module")
def fast() -> Iterator[Program]:
    """Kernel buffers as they come: small ones, filled again and again, make loopback a slow link."""
    with Program.run("sending.py") as program:
        yield program
        assert program.is_alive


def test_a_peer_that_pipelines_and_does_not_read_is_not_worked_for(fast: Program) -> None:
    """However many it asks for, the next is begun only while it takes what it has been answered; then all come, in order."""
    count = 2_000
    with fast.client() as warm_up:
        for _ in range(3):
            assert len(warm_up.request("GET", f"/kib/{KIB}").body) == MIB
    memory, calls = fast.rss_bytes, int(fast.get("/calls").body)
    with fast.client() as client:
        stream = request("GET", f"/kib/{KIB}") * count
        sent = client.send_until_blocked(stream)
        answered = int(fast.get("/calls").body) - calls
        assert 1 <= answered <= 16, "one that waits, and what two kernels took"
        assert fast.rss_bytes - memory < 32 * MIB
        answers = client.socket.makefile("rb", buffering=MIB)
        for index in range(count):
            while sent < len(stream) and (more := client.send_until_blocked(stream[sent : sent + 64 * KIB], quiet_s=0.0)):
                sent += more
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            head = b"".join(iter(answers.readline, b"\r\n"))
            assert b"Content-Length: %d\r\n" % MIB in head
            assert b"x-index: %d\r\n" % (calls + index) in head.lower()
            assert answers.read(MIB).startswith(b"%08d" % (calls + index))
        answers.close()
        assert client.request("GET", "/calls").body == b"%d" % (calls + count)
    assert fast.rss_bytes - memory < 32 * MIB


def test_a_pipelining_peer_that_ends_its_side_gets_all_its_answers(fast: Program) -> None:
    count = 40
    with fast.client() as client:
        client.send(request("GET", f"/kib/{KIB}") * count)
        client.half_close()
        eventually(lambda: not client.is_quiet(0.0), "the first answer comes")
        assert [len(client.response().body) for _ in range(count)] == [MIB] * count
        client.expect_end()


# the deadline of sending


def ask(target: str, *headers: str) -> Callable[[RawClient], None]:
    return lambda client: client.send(request("GET", target, *headers))


def ask_and_half_close(client: RawClient) -> None:
    client.send(request("GET", f"/kib/{SIZE_KIB}"))
    client.half_close()


def ask_with_half_a_body(client: RawClient) -> None:
    client.send(request("POST", f"/kib/{SIZE_KIB}", "Content-Length: 10", body=b"hello"))


STALLS: dict[str, Callable[[RawClient], None]] = {
    "idle, unsent": ask(f"/kib/{SIZE_KIB}"),
    "idle, a request waits": lambda client: client.send(request("GET", f"/kib/{SIZE_KIB}") * 2),
    "answering": ask(f"/stream/{SIZE_KIB}"),
    "half-closed": ask_and_half_close,
    "its body unfinished": ask_with_half_a_body,
    "lingering": ask(f"/kib/{SIZE_KIB}", "Connection: close"),
    "answering for the last time": ask(f"/stream/{SIZE_KIB}", "Connection: close"),
}


@pytest.mark.parametrize("stall", STALLS)
@pytest.mark.parametrize("is_closing", [False, True])
def test_a_peer_that_stops_reading_is_cut(stall: str, is_closing: bool) -> None:
    """Whatever the connection does meanwhile; the server can close then. All other deadlines are far longer than the test's."""
    with sending(send_progress_s=PROGRESS_S, linger_s=100.0) as program, program.client(rcvbuf=16 * KIB) as client:
        STALLS[stall](client)
        assert client.socket.recv(1) == b"H"
        if is_closing:
            assert program.get("/close").body == b"closing"
        else:
            eventually(lambda: program.connection_count == 0, "the connection is cut")
            assert program.get("/close").body == b"closing"
        assert program.wait() == 0, "nothing holds it"
        said = [line for line in program.stdout.lines if not line.startswith("LISTENING")]
        assert sorted(said) == ["close", *(["told ERR_HTTP_REQUEST_ABORTED"] if "answering" in stall else [])]
        assert len(client.rest()) < SIZE_KIB * KIB
        assert "Traceback" not in program.stderr.text


@pytest.mark.parametrize("target", [f"/kib/{SIZE_KIB}", f"/stream/{SIZE_KIB}"])
@pytest.mark.parametrize("close", [(), ("Connection: close",)], ids=["persistent", "last"])
def test_a_peer_that_reads_a_little_again_and_again_is_not_cut(target: str, close: tuple[str, ...]) -> None:
    """The deadline is for progress, not for the whole: this takes longer than send_progress_s."""
    progress_s = 1.0
    with sending(send_progress_s=progress_s, linger_s=PROGRESS_S) as program, program.client(rcvbuf=16 * KIB) as client:
        client.send(request("GET", target, *close))
        received = bytearray()
        for _ in range(50):  # at 0.04 s each that is two seconds
            received += client.socket.recv(8 * KIB)
            select.select([], [], [], 0.04)
        client._reader.push(bytes(received))
        assert len(client.response().body) == SIZE_KIB * KIB
        if close:
            client.expect_end()
        else:
            assert client.request("GET", "/kib/1").status == 200


@pytest.mark.parametrize("target", [f"/kib/{SIZE_KIB}", f"/stream/{SIZE_KIB}"])
def test_a_peer_that_reads_on_but_too_slowly_is_cut(target: str) -> None:
    """Half of what it has to take, in small pieces: each is progress, and none buys time."""
    rate = 400 * KIB
    with sending(send_progress_s=1.0, limits={"answer_bytes_per_s": rate}) as program, program.client(rcvbuf=16 * KIB) as client:
        client.send(request("GET", target))
        with pytest.raises(ConnectionResetError):
            while client.socket.recv(rate // 80):
                select.select([], [], [], 1 / 40)


def test_a_peer_that_reads_what_the_kernel_holds_is_not_cut() -> None:
    """The kernel takes more only when a third of its buffer is free: long before that the peer is seen to read."""
    timeouts = {"send_progress_s": 0.5, "linger_s": 100.0}
    with sending(2 * MIB, {"answer_bytes_per_s": 16 * KIB}, **timeouts) as program, program.client(rcvbuf=16 * KIB) as client:
        client.send(request("GET", f"/kib/{8 * KIB}"))
        received = bytearray()
        while len(received) < 8 * MIB:
            received += client.socket.recv(MIB if len(received) > 3 * MIB // 2 else 32 * KIB)
            select.select([], [], [], 0.05 if len(received) < 3 * MIB // 2 else 0)
    assert received.count(b"x") > 8 * MIB - 1_000


def test_a_peer_that_is_cut_is_reset_and_leaves_nothing_with_the_kernel() -> None:
    """An end would stand behind bytes that it does not read, and the kernel would keep both for minutes."""
    with sending(send_progress_s=PROGRESS_S) as program, program.client(rcvbuf=16 * KIB) as client:
        client.send(request("GET", f"/stream/{SIZE_KIB}"))
        poller = select.poll()
        poller.register(client.socket, 0)  # errors and hang-ups alone: nothing is read
        assert poller.poll(DEADLINE_S * 1000), "it is told, although it reads nothing"
        assert not states_of_peer(program, client), "the other side of it is gone"


# what the kernel holds


def test_a_peer_that_reads_nothing_is_given_little(fast: Program) -> None:
    """Of what may be megabytes for each, and is the container's memory."""
    with fast.client(rcvbuf=4 * KIB) as client:
        client.send(request("GET", f"/kib/{SIZE_KIB}"))
        wait_until_blocked(fast, client)
        assert queued_at_peer(fast, client) <= 256 * KIB


def test_a_peer_that_reads_is_given_what_the_kernel_thinks_fit(fast: Program) -> None:
    with fast.client() as client:
        client.send(request("GET", f"/kib/{16 * SIZE_KIB}"))
        read = 0
        while read < 4 * MIB:
            read += len(client.socket.recv(64 * KIB))
        wait_until_blocked(fast, client)
        assert queued_at_peer(fast, client) > 512 * KIB
