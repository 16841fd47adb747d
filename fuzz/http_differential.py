"""Ask httptools, h11 and Node's http what they make of mutated byte streams, and a live server of ours: who accepts what, and where
each message ends.

A failure is what two of them refuse and we accept (or behind which two close, and we go on), and any other framing than that of one
of them: the number of messages, their methods, targets and bodies. A stream is a number of a seed: both are printed, and

    python fuzz/http_differential.py --seed 1 --stream 4711

shows what each makes of that one alone. What differs for a reason that is known is counted under its name (known_differences.py).
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from fuzz.framings import Difference, End, Framing, Message, difference, is_failure  # noqa: E402
from fuzz.known_differences import without_known  # noqa: E402
from fuzz.mutations import Streams  # noqa: E402
from fuzz.oracles import H11, Httptools, Node, Oracle  # noqa: E402
from tests import nodes  # noqa: E402
from tests.integration.http.response import BadResponse, Response, ResponseReader  # noqa: E402
from tests.integration.support import Address, Program  # noqa: E402

BATCH = 64  # streams asked about at a time, each on a connection of its own
DEADLINE_S = 20.0  # for one connection
PROGRESS_S = 10.0
FAILURES_MAX = 20  # then something is broken, and more say nothing new


class Ours:
    """The live server."""

    name = "treadle"

    def __init__(self, address: Address) -> None:
        assert isinstance(address, str)
        self._address = address

    def examine(self, batch: Sequence[Sequence[bytes]]) -> list[Framing]:
        """Each stream on a connection, in the pieces it comes in; the client ends its side behind the last."""
        with ExitStack() as stack:
            connections = [stack.enter_context(self._connected(pieces)) for pieces in batch]
            return [self._framing(connection) for connection in connections]

    def _connected(self, pieces: Sequence[bytes]) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(DEADLINE_S)
            connection.connect(self._address)
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass  # it has closed: reading tells how
        except BaseException:
            connection.close()
            raise
        return connection

    def _framing(self, connection: socket.socket) -> Framing:
        reader = ResponseReader()
        responses: list[Response] = []
        while data := connection.recv(65_536):
            responses += reader.feed(data)
        if (last := reader.eof()) is not None:
            if last.status == 200 or last.body:  # a refusal of HEAD has none
                raise BadResponse(f"an answer that is cut off: {last}")
            responses.append(last)
        messages = [_message(response) for response in responses if response.status == 200]
        if len(messages) < len(responses):
            refusal = responses[-1]
            if len(messages) < len(responses) - 1 or refusal.status == 200:
                raise BadResponse(f"an answer behind a refusal: {[response.status for response in responses]}")
            return Framing(tuple(messages), End.REFUSED, f"{refusal.status} {refusal.body.decode('latin-1').strip()}")
        is_closed = bool(responses) and responses[-1].announces_close()
        return Framing(tuple(messages), End.CLOSED if is_closed else End.DONE)


def _message(response: Response) -> Message:
    target = response.get("x-target") or ""
    return Message(
        response.get("x-method") or "",
        b"" if target == "-" else bytes.fromhex(target),
        int(response.get("x-length") or 0),
        response.get("x-digest") or "",
    )


class Run:
    """All streams of one run, and what came of them."""

    def __init__(self, ours: Ours, oracles: Sequence[Oracle]) -> None:
        self.ours, self.oracles = ours, oracles
        self.examined = self.bytes = self.accepted = 0
        self.ends: Counter[str] = Counter()
        self.found: dict[str, Counter[Difference]] = {oracle.name: Counter() for oracle in oracles}
        self.known: Counter[str] = Counter()
        self.failures: list[str] = []

    def examine(self, numbered: Sequence[tuple[int, Sequence[bytes]]], *, tell: bool = False) -> None:
        """Some streams, with their numbers."""
        streams = [b"".join(pieces) for _, pieces in numbered]
        for oracle in self.oracles:
            oracle.ask(streams)
        ours = self.ours.examine([pieces for _, pieces in numbered])
        theirs = [oracle.answers(len(streams)) for oracle in self.oracles]
        for index, (number, _) in enumerate(numbered):
            named = {oracle.name: answers[index] for oracle, answers in zip(self.oracles, theirs, strict=True)}
            self._judge(number, streams[index], ours[index], named)
            if tell:
                print(_told(streams[index], ours[index], named))

    def _judge(self, number: int, stream: bytes, ours: Framing, theirs: Mapping[str, Framing]) -> None:
        self.examined += 1
        self.bytes += len(stream)
        self.accepted += len(ours.messages)
        self.ends[ours.end.value] += 1
        differences = {name: difference(ours, framing) for name, framing in theirs.items()}
        for name, one in differences.items():
            self.found[name][one] += 1
        if is_failure(differences):
            differences, reasons = without_known(stream, theirs, differences)
            self.known.update(reasons)
            if is_failure(differences):
                self.failures.append(f"stream {number}\n{_told(stream, ours, theirs)}")

    def told(self, elapsed_s: float) -> str:
        """What came out, in some lines."""
        lines = [
            f"streams      {self.examined:,} ({self.bytes:,} bytes) in {elapsed_s:.1f} s, {self.examined / elapsed_s:,.0f} a second",
            f"treadle      {self.accepted:,} messages accepted; {_counts(self.ends)}",
        ]
        lines += [
            f"{name:12} {_counts({one.value: count for one, count in found.items()})}" for name, found in self.found.items()
        ]
        lines += [f"known        {count:,}: {reason}" for reason, count in self.known.most_common()]
        return "\n".join(lines)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def _told(stream: bytes, ours: Framing, theirs: Mapping[str, Framing]) -> str:
    lines = [f"    {stream!r}"]
    for name, framing in {"treadle": ours, **theirs}.items():
        messages = [
            f"{message.method} {message.target.decode('latin-1')[:60]!r} {message.length}" for message in framing.messages
        ]
        lines.append(f"    {name:10} {framing.end.value:8} {messages} {framing.reason}")
    return "\n".join(lines)


@contextmanager
def the_oracles(*, must_have_node: bool) -> Iterator[list[Oracle]]:
    """All that there are here. Which Node is missing is told, or ends the run."""
    with ExitStack() as stack:
        oracles: list[Oracle] = [Httptools(), H11()]
        for major in nodes.MAJORS:
            program = nodes.find(major)
            if program is not None:
                oracles.append(stack.enter_context(Node(f"node {major}", program)))
            elif must_have_node:
                raise SystemExit(f"no Node {major}: NODE{major}=/path/to/node names one")
            else:
                print(f"without Node {major}: NODE{major}=/path/to/node names one")
        yield oracles


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500_000, help="streams (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations (default %(default)s)")
    parser.add_argument("--stream", type=int, help="this one alone, and what each makes of it")
    parser.add_argument("--fetch", action="store_true", help="install Node 24 where it is missing, and insist on both Nodes")
    options = parser.parse_args(arguments)
    if options.fetch and (reason := nodes.fetch()):
        raise SystemExit(reason)
    with (
        tempfile.TemporaryDirectory(prefix="differential-") as folder,
        the_oracles(must_have_node=options.fetch) as oracles,
        Program.run(
            Path(__file__).with_name("differential_target.py"), f"{folder}/socket", env={"PYTHONPATH": str(ROOT)}
        ) as program,
    ):
        run = Run(Ours(program.address), oracles)
        streams = Streams(options.seed)
        began_s = told_s = time.monotonic()
        numbered = enumerate(iter(streams.next, None))
        if options.stream is not None:
            run.examine([next(islice(numbered, options.stream, None))], tell=True)
            return 1 if run.failures else 0
        while run.examined < options.count and len(run.failures) < FAILURES_MAX:
            run.examine(list(islice(numbered, min(BATCH, options.count - run.examined))))
            if time.monotonic() - told_s > PROGRESS_S:
                told_s = time.monotonic()
                print(f"# {run.examined:,} streams, {len(run.failures)} failures", flush=True)
        print(run.told(time.monotonic() - began_s))
    print(f"failures     {len(run.failures)} (seed {options.seed})")
    for failure in run.failures:
        print(f"  {failure}")
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
