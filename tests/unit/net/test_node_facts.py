"""The same programs as in record_node_facts.js, under the same names; what each side logs must be what Node left in
node_facts.json, over TCP and over Unix sockets. Where treadle means to differ there is a test in test_socket.py or
test_server.py instead."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import treadle
from treadle import net
from treadle.timers import set_immediate, set_timeout

RECORDED = json.loads(Path(__file__).with_name("node_facts.json").read_text())["logs"]
EVENTS = ("connect", "ready", "end", "prefinish", "finish", "drain", "pause", "resume", "timeout", "error", "close")

Begin = Callable[[net.Socket], object]


class Log:
    """A log for each side."""

    def __init__(self) -> None:
        self.logs: dict[str, list[list[object]]] = {"client": [], "server": [], "listener": []}

    def client(self, *values: object) -> None:
        self.logs["client"].append([plain(value) for value in values])

    def server(self, *values: object) -> None:
        self.logs["server"].append([plain(value) for value in values])

    def listener(self, *values: object) -> None:
        self.logs["listener"].append([plain(value) for value in values])

    def watch(self, who: str, socket: net.Socket) -> net.Socket:
        write = getattr(self, who)
        for event in EVENTS:
            socket.on(event, lambda *values, event=event: write(event, *values))
        return socket


def plain(value: object) -> object:
    if isinstance(value, treadle.TreadleError):
        return value.code
    if isinstance(value, OSError):
        return errno.errorcode[value.errno]
    if isinstance(value, Exception):
        return str(value)
    return value.decode() if isinstance(value, bytes) else value


def echo(server: net.Server, log: Log) -> Begin:
    def on_connection(socket: net.Socket) -> None:
        def on_data(data: bytes) -> None:
            socket.write(data)
            socket.end()

        log.watch("server", socket).on("data", on_data)

    def begin(client: net.Socket) -> None:
        client.on("data", lambda data: log.client("data", data))
        client.write("hi", callback=lambda _: log.client("written"))

    server.on("connection", on_connection)
    return begin


def the_client_ends(server: net.Server, log: Log) -> Begin:
    server.on("connection", lambda socket: drop(log.watch("server", socket).resume()))

    def begin(client: net.Socket) -> None:
        client.resume()
        client.end("bye", callback=lambda _: log.client("ended"))

    return begin


def drop(_: object) -> None:
    """What a listener must not return."""


def half_open(server: net.Server, log: Log) -> Begin:
    server.allow_half_open = True

    def on_connection(socket: net.Socket) -> None:
        def late() -> None:
            socket.write("late")
            socket.end()

        log.watch("server", socket).on("data", lambda data: log.server("data", data))
        socket.on("end", lambda: drop(set_immediate(late)))

    def begin(client: net.Socket) -> None:
        client.on("data", lambda data: log.client("data", data))
        client.end("x")

    server.on("connection", on_connection)
    return begin


def both_half_open_and_nobody_ends(server: net.Server, log: Log) -> Begin:
    server.allow_half_open = True

    def on_connection(socket: net.Socket) -> None:
        def late() -> None:
            log.server(socket.writable, socket.destroyed)
            socket.destroy()

        log.watch("server", socket).resume()
        socket.on("end", lambda: drop(set_timeout(late, 20)))

    server.on("connection", on_connection)
    return lambda client: client.resume().end()


def the_server_destroys(server: net.Server, log: Log) -> Begin:
    def on_connection(socket: net.Socket) -> None:
        log.watch("server", socket).destroy()
        log.server(socket.destroyed, socket.ready_state)

    server.on("connection", on_connection)
    return lambda client: client.resume()


def destroyed_with_an_error(server: net.Server, log: Log) -> Begin:
    server.on("connection", lambda socket: drop(log.watch("server", socket).resume()))

    def begin(client: net.Socket) -> None:
        def on_connect() -> None:
            client.destroy(Exception("boom"))
            log.client(client.ready_state)

        client.on("connect", on_connect)

    return begin


def refused(server: net.Server, log: Log) -> Begin:
    return lambda client: client.write("x", callback=lambda error: log.client("write", error))


def write_after_the_peer_has_ended(server: net.Server, log: Log) -> Begin:
    server.on("connection", lambda socket: drop(log.watch("server", socket).resume().end("z")))

    def begin(client: net.Socket) -> None:
        def write() -> None:
            log.client("write", client.write("q", callback=lambda error: log.client("written", error)))

        client.resume().on("end", lambda: drop(set_immediate(write)))

    return begin


def timeout(server: net.Server, log: Log) -> Begin:
    server.on("connection", lambda socket: drop(log.watch("server", socket).resume()))

    def begin(client: net.Socket) -> None:
        def on_timeout() -> None:
            log.client("callback")
            client.destroy_soon()

        client.resume().set_timeout(30, on_timeout)

    return begin


def a_timeout_that_is_taken_back(server: net.Server, log: Log) -> Begin:
    server.on("connection", lambda socket: drop(log.watch("server", socket).resume()))

    def begin(client: net.Socket) -> None:
        def listener() -> None:
            log.client("never")

        client.resume().set_timeout(20, listener).set_timeout(0, listener)
        log.client(client.timeout, client.listener_count("timeout"))
        set_timeout(client.end, 60)

    return begin


def destroyed_before_it_is_connected(server: net.Server, log: Log) -> Begin:
    def begin(client: net.Socket) -> None:
        client.write("x", callback=lambda error: log.client("written", error))
        client.end(callback=lambda _: log.client("ended"))
        client.destroy()
        log.client(client.ready_state, client.connecting, client.pending)

    return begin


def ready_states(server: net.Server, log: Log) -> Begin:
    def on_connection(socket: net.Socket) -> None:
        socket.on("end", lambda: log.server("end", socket.ready_state))
        socket.on("close", lambda _: log.server("close", socket.ready_state))
        log.server(socket.resume().ready_state, socket.pending, socket.connecting)

    def begin(client: net.Socket) -> None:
        def on_connect() -> None:
            log.client(client.ready_state, client.pending, client.connecting)
            client.end()
            log.client(client.ready_state)

        log.client(client.ready_state, client.pending, client.connecting)
        client.resume().on("connect", on_connect)
        client.on("end", lambda: log.client(client.ready_state))
        client.on("close", lambda _: log.client(client.ready_state, client.pending))

    server.on("connection", on_connection)
    return begin


def more_than_the_kernel_takes(server: net.Server, log: Log) -> Begin:
    def on_connection(socket: net.Socket) -> None:
        sizes: list[int] = []
        socket.on("data", lambda data: sizes.append(len(data))).on("end", lambda: log.server("end", sum(sizes)))

    def begin(client: net.Socket) -> None:
        log.client(client.resume().write(bytes(20_000_000), callback=lambda _: log.client("first")))
        log.client(client.write("x", callback=lambda _: log.client("second")), client.bytes_written)
        client.end(callback=lambda _: log.client("ended")).on("close", lambda _: log.client(client.bytes_written))

    server.on("connection", on_connection)
    return begin


def reset(server: net.Server, log: Log) -> Begin:
    server.on(
        "connection",
        lambda socket: drop(log.watch("server", socket).on("data", lambda _: drop(socket.reset_and_destroy()))),
    )
    return lambda client: client.resume().write("x")


def destroyed_soon(server: net.Server, log: Log) -> Begin:
    sizes: list[int] = []

    def begin(client: net.Socket) -> None:
        def on_connect() -> None:
            client.write(bytes(8_000_000))
            client.destroy_soon()

        client.resume().on("connect", on_connect)

    server.on(
        "connection",
        lambda socket: drop(socket.on("data", lambda data: sizes.append(len(data))).on("end", lambda: log.server(sum(sizes)))),
    )
    return begin


def too_many_connections(server: net.Server, log: Log) -> Begin:
    server.max_connections = 0
    server.on("drop", lambda ends: log.listener("drop", len(ends), ends.get("local_address"), ends.get("remote_family")))
    return lambda client: client.resume()


def paused_on_connect(server: net.Server, log: Log) -> Begin:
    server.pause_on_connect = True

    def on_connection(socket: net.Socket) -> None:
        def go_on() -> None:
            log.server(socket.readable_length, socket.bytes_read)
            socket.resume()

        log.watch("server", socket).on("data", lambda data: log.server("data", data))
        log.server(socket.is_paused(), socket.readable_flowing)
        set_timeout(go_on, 30)

    server.on("connection", on_connection)
    return lambda client: client.resume().end("waits")


def readable_events(server: net.Server, log: Log) -> Begin:
    server.on("connection", lambda socket: drop(log.watch("server", socket).end("abcdef")))

    def begin(client: net.Socket) -> None:
        def on_readable() -> None:
            while (chunk := client.read(4)) is not None:
                log.client("read", chunk)

        client.on("readable", on_readable)

    return begin


def corked(server: net.Server, log: Log) -> Begin:
    server.on("connection", lambda socket: drop(socket.on("data", lambda data: log.server("data", data))))

    def begin(client: net.Socket) -> None:
        def on_connect() -> None:
            client.cork()
            for word in "abc":
                client.write(word, callback=lambda _, word=word: log.client("written", word))
            client.uncork()
            client.end()

        client.resume().on("connect", on_connect)

    return begin


def destroyed_in_data(server: net.Server, log: Log) -> Begin:
    def on_connection(socket: net.Socket) -> None:
        def on_data(data: bytes) -> None:
            log.server("data", data)
            socket.destroy()
            log.server(socket.bytes_read)

        log.watch("server", socket).on("data", on_data)

    server.on("connection", on_connection)
    return lambda client: client.resume().on("error", drop).write("x")


def encoding(server: net.Server, log: Log) -> Begin:
    server.on("connection", lambda socket: drop(socket.resume().end("grün €".encode())))
    return lambda client: client.set_encoding("utf8").on("data", lambda data: log.client("data", data, len(data)))


def not_running(server: net.Server, log: Log) -> Begin:
    def begin(client: net.Socket) -> None:
        def on_connect() -> None:
            client.destroy()
            server.close(lambda: drop(server.close(lambda error: log.listener("second", error))))

        client.on("connect", on_connect)

    return begin


def connections_are_counted(server: net.Server, log: Log) -> Begin:
    def count(_: object = None) -> None:
        server.get_connections(lambda error, count: log.listener("count", error, count))

    def on_connection(socket: net.Socket) -> None:
        count()
        socket.resume().on("close", count)
        log.listener(server.listening, socket.server is server)

    server.on("connection", on_connection)
    return lambda client: client.resume().end()


def closing_waits_for_connections(server: net.Server, log: Log) -> Begin:
    def on_connection(socket: net.Socket) -> None:
        log.watch("server", socket).resume()
        server.close(lambda: log.listener("callback", server.listening))
        log.listener(server.listening, server.address())

    def begin(client: net.Socket) -> None:
        client.resume()
        set_timeout(client.end, 30)

    server.on("connection", on_connection)
    return begin


def run(name: str, path: Path | None) -> dict[str, list[list[object]]]:
    log = Log()

    def main() -> None:
        server = net.create_server()
        begin: Begin = globals()[name](server, log)
        for event in ("listening", "error", "close"):
            server.on(event, lambda *values, event=event: log.listener(event, *values))
        server.on("connection", lambda _: log.listener("connection"))

        def connect(**to: Any) -> None:
            client = net.connect(**to)
            log.watch("client", client)
            begin(client)
            client.on("close", lambda _: drop(server.close()) if server.listening else None)

        def on_listening() -> None:
            address = server.address()
            to: dict[str, Any] = {"path": address}
            if isinstance(address, net.Address):
                to = {"port": address.port, "host": address.address}
            if name == "refused":
                server.close(lambda: connect(**to))
            else:
                connect(**to)

        if path is None:
            server.listen(0, "127.0.0.1", on_listening)
        else:
            server.listen(path=path, callback=on_listening)

    treadle.run(main)
    return log.logs


def test_every_program_is_here() -> None:
    assert set(RECORDED) <= set(globals())


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_as_node(name: str) -> None:
    assert run(name, None) == RECORDED[name]


OF_TCP_ALONE = {"reset", "too_many_connections", "refused"}  # a Unix socket has no address, no reset, and no file once closed


@pytest.mark.parametrize("name", sorted(set(RECORDED) - OF_TCP_ALONE))
def test_over_a_unix_socket(name: str, tmp_path: Path) -> None:
    assert run(name, tmp_path / "socket") == RECORDED[name]
