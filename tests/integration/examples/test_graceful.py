"""examples/graceful.py: what a container's SIGTERM finds under way is answered, and the process is gone."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.integration.support import Program, RawClient, eventually, request

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "graceful.py"


def is_refused(program: Program) -> bool:
    try:
        RawClient(program.address).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_a_request(number: signal.Signals) -> None:
    with Program.run(EXAMPLE, env={"PORT": "0", "WORK_S": "2"}) as program, program.client() as idle, program.client() as busy:
        assert idle.request().body == b"done\n"
        busy.send(request("GET", "/"))
        eventually(lambda: not unread_bytes(program), "the request has arrived")
        program.signal(number)
        program.stdout.wait_line("^stopping$")
        idle.expect_end()
        idle.close()
        assert is_refused(program)
        answer = busy.response()
        assert (answer.status, answer.body) == (200, b"done\n")
        assert answer.announces_close()
        busy.close()  # until then the connection lingers
        assert program.wait() == 0
        assert program.stdout.text.splitlines()[-1] == "stopped"
        assert program.stderr.text == ""


def test_a_second_signal_does_not_wait() -> None:
    with Program.run(EXAMPLE, env={"PORT": "0", "WORK_S": "60"}) as program, program.client() as busy:
        busy.send(request("GET", "/"))
        eventually(lambda: not unread_bytes(program), "the request has arrived")
        program.signal(signal.SIGTERM)
        program.stdout.wait_line("^stopping$")
        program.signal(signal.SIGTERM)
        assert program.wait() == 1


def unread_bytes(program: Program) -> int:
    """What the kernel holds for the server's connections: /proc's rx_queue, of those of its port."""
    port = f":{program.address[1]:04X}"
    rows = [line.split() for line in Path(f"/proc/{program.pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].partition(":")[2], 16) for row in rows if row[1].endswith(port))
