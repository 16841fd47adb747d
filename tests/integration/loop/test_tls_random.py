"""Random conversations over TLS, on asyncio's loop and on treadle's: the same is told, sent and counted after each step.

Invariant: every step is settled before the next, and the wire has read all that was sent; what depends on how much a socket takes
at once is asked elsewhere (test_tls_writing.py)."""

import asyncio
import random
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

import treadle
from tests.integration.loop.support import turns
from tests.integration.loop.tls_wire import Wire, wired
from tests.integration.support import DEADLINE_S

CONVERSATIONS = 60
STEPS = 25
SETTLED_TURNS = 12
SIZES = (0, 1, 2, 100, 1000, 16_383, 16_384, 16_385, 40_000)
REACTIONS = ("echo", "echo", "echo", "pause", "blink", "close", "abort", "raise", "swap", "fill", "write then close")
PEER_STEPS = ("records",) * 8 + ("goodbye", "records and goodbye", "garbage", "gone")
OWN_STEPS = (
    ("write",) * 4 + ("writelines", "pause", "resume", "resume", "close", "abort", "marks", "swap", "fill") + ("react",) * 2
)

Step = tuple[str, int]  # its name, and a seed for what it takes at random


class Conversation:
    """One end over TLS, the wire, and a log of all that is seen of both."""

    def __init__(self) -> None:
        self.log: list[object] = []
        self.transport: Any = None
        self.reaction: str | None = None
        self.apps = 0

    # ---- protocols

    def app(self, base: type) -> Any:
        self.apps += 1
        return (Talker if base is asyncio.Protocol else Filler)(self, self.apps)

    def react(self, data: bytes) -> None:
        reaction, self.reaction = self.reaction, None
        transport = self.transport
        if reaction == "echo":
            transport.write(data)
        elif reaction == "pause":
            transport.pause_reading()
        elif reaction == "blink":
            transport.pause_reading()
            transport.resume_reading()
        elif reaction == "close":
            transport.close()
        elif reaction == "abort":
            transport.abort()
        elif reaction == "raise":
            raise ValueError("of the application")
        elif reaction in ("swap", "fill"):
            transport.set_protocol(self.app(asyncio.Protocol if reaction == "swap" else asyncio.BufferedProtocol))
        elif reaction == "write then close":
            transport.write(b"last words")
            transport.close()

    # ---- steps

    def take(self, step: Step, wire: Wire) -> Iterator[None]:
        """Each piece of it; in between it settles."""
        name, seed = step
        chance = random.Random(seed)
        if name in PEER_STEPS:
            for piece in self.pieces(name, chance, wire):
                try:
                    wire.send(piece)
                except OSError as error:
                    self.log.append(type(error).__name__)
                yield
            if name == "gone":
                wire.sock.shutdown(socket.SHUT_WR)
        else:
            try:
                self.do(name, chance)
            except Exception as error:
                self.log.append(type(error).__name__)
        yield

    def pieces(self, name: str, chance: random.Random, wire: Wire) -> list[bytes]:
        sent = b""
        try:
            if "records" in name:
                sent += wire.records(*(chance.randbytes(chance.choice(SIZES[1:])) for _ in range(chance.randint(1, 3))))
            if "goodbye" in name:
                sent += wire.goodbye()
        except ssl.SSLError as error:  # the wire has said goodbye
            self.log.append(error.reason)
        if name == "garbage":
            sent += b"garbage" * chance.randint(1, 5)
        cuts = sorted(chance.randint(0, len(sent)) for _ in range(chance.choice((0, 0, 1, 3))))
        return [sent[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]

    def do(self, name: str, chance: random.Random) -> None:
        transport = self.transport
        if name == "write":
            kind = chance.choice((bytes, bytes, bytearray, memoryview))
            transport.write(kind(chance.randbytes(chance.choice(SIZES))))
        elif name == "writelines":
            transport.writelines([chance.randbytes(chance.choice(SIZES[1:])) for _ in range(chance.randint(0, 3))])
        elif name == "pause":
            transport.pause_reading()
        elif name == "resume":
            transport.resume_reading()
        elif name == "marks":
            transport.set_write_buffer_limits(high=chance.choice((0, 1000, 100_000)))
        elif name in ("swap", "fill"):
            transport.set_protocol(self.app(asyncio.Protocol if name == "swap" else asyncio.BufferedProtocol))
        elif name == "react":
            self.reaction = chance.choice(REACTIONS)
        else:
            getattr(transport, name)()

    def look(self, wire: Wire) -> None:
        """What can be asked."""
        try:
            self.log.append(("wire", wire.take(), wire.raw_bytes, wire.said_goodbye, wire.is_ended))
        except ssl.SSLError as error:
            self.log.append(("wire", error.reason))
        for name in ("is_closing", "is_reading", "get_write_buffer_size", "get_read_buffer_size"):
            try:
                self.log.append(getattr(self.transport, name)())
            except Exception as error:  # asyncio's, once it is lost
                self.log.append(type(error).__name__)


class Talker(asyncio.Protocol):
    def __init__(self, conversation: Conversation, number: int) -> None:
        self.conversation, self.number = conversation, number

    def note(self, *entry: object) -> None:
        self.conversation.log.append((self.number, *entry))

    def connection_made(self, transport: Any) -> None:
        self.conversation.transport = transport
        self.note("made")

    def data_received(self, data: bytes) -> None:
        self.note("data", data)
        self.conversation.react(data)

    def eof_received(self) -> None:
        self.note("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.note("lost", type(exc), str(exc))

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")


class Filler(Talker, asyncio.BufferedProtocol):
    data_received = None  # it has a buffer

    def get_buffer(self, sizehint: int) -> memoryview:
        self.note("asked", sizehint)
        self.buffer = bytearray(4000 * (1 + self.number % 3))
        return memoryview(self.buffer)

    def buffer_updated(self, nbytes: int) -> None:
        self.note("filled", bytes(self.buffer[:nbytes]))
        self.conversation.react(bytes(self.buffer[:nbytes]))


async def converse(steps: list[Step], contexts: Any, is_client: bool) -> list[object]:
    conversation = Conversation()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, context: conversation.log.append(
            (context["message"].partition(" callback ")[0], type(context["exception"]), str(context["exception"]))
        )
    )
    async with wired(loop, conversation.app(asyncio.Protocol), contexts, is_client=is_client) as wire:
        wire.raw_bytes = 0  # signatures are of any length
        for step in steps:
            conversation.log.append(step)
            for _ in conversation.take(step, wire):
                entries = -1
                while entries != len(conversation.log):
                    entries = len(conversation.log)
                    await turns(SETTLED_TURNS)
                conversation.look(wire)
    await turns(SETTLED_TURNS)
    return conversation.log


def conversation_of(seed: int) -> tuple[list[Step], bool, str]:
    chance = random.Random(seed)
    deck = PEER_STEPS + OWN_STEPS
    calm = [name for name in deck if name not in ("close", "abort", "goodbye", "records and goodbye", "garbage", "gone")]
    names = [*(chance.choice(calm) for _ in range(STEPS - 8)), *(chance.choice(deck) for _ in range(8))]
    steps = [(name, chance.randrange(1 << 30)) for name in names]
    return steps, chance.random() < 0.5, chance.choice(("TLSv1_2", "TLSv1_3"))


@pytest.mark.parametrize("seed", range(CONVERSATIONS))
def test_the_same_on_both_loops(contexts, seed: int) -> None:
    steps, is_client, version = conversation_of(seed)
    contexts[0].maximum_version = ssl.TLSVersion[version]
    logs = []
    for factory in (asyncio.SelectorEventLoop, treadle.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            logs.append(runner.run(asyncio.wait_for(converse(steps, contexts, is_client), DEADLINE_S)))
    assert logs[0] == logs[1]
