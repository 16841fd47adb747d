"""The load on a TLS echo server: echo_load.c with TLS, the same arguments, input and output.

    echo_load_tls.py PORT CONNECTIONS BYTES

Python is fast enough here: the server under test takes longer for a message than this does.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import sys
import time
from dataclasses import dataclass

LATE_S = 5.0
POLL_S = 0.1


@dataclass
class Connection:
    """One of those that send and wait."""

    socket: ssl.SSLSocket
    received: int = 0
    sent_s: float = 0.0


class Load:
    """The connections, and what they saw since drive() began."""

    def __init__(self, port: int, count: int, size: int) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # a certificate made for this run, on loopback
        self.message = b"x" * size
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        for _ in range(count):
            plain = socket.create_connection(("127.0.0.1", port), 10)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            encrypted = context.wrap_socket(plain)
            encrypted.setblocking(False)
            self.connections[encrypted.fileno()] = Connection(encrypted)
            self.epoll.register(encrypted, select.EPOLLIN)

    def drive(self, seconds: float) -> dict[str, float]:
        """Send and wait for so long, then until nothing is under way."""
        latencies_s = []
        errors = 0
        cpu_s, begun = time.process_time(), time.monotonic()
        now, end = begun, begun + seconds
        waiting = len(self.connections)
        for connection in self.connections.values():
            self.send(connection, begun)
        while waiting and now < end + LATE_S:
            ready = self.epoll.poll(POLL_S)
            now = time.monotonic()
            for fd, _ in ready:
                connection = self.connections[fd]
                try:
                    if not self.receive(connection):
                        continue
                    latencies_s.append(now - connection.sent_s)
                    if now < end:
                        self.send(connection, now)
                    else:
                        waiting -= 1
                except OSError:
                    errors += 1
                    waiting -= 1
                    del self.connections[fd]
                    connection.socket.close()
        latencies_s.sort()
        messages = len(latencies_s)
        return {
            "messages": messages,
            "seconds": now - begun,
            "errors": errors + waiting,
            "p50_us": latencies_s[messages // 2] * 1e6 if messages else 0,
            "p99_us": latencies_s[messages * 99 // 100] * 1e6 if messages else 0,
            "cpu_s": time.process_time() - cpu_s,
        }

    def send(self, connection: Connection, now: float) -> None:
        """One message; it fits into the socket's buffer."""
        connection.received, connection.sent_s = 0, now
        connection.socket.send(self.message)

    def receive(self, connection: Connection) -> bool:
        """Whether the message is all back. Raises OSError when the connection has ended."""
        try:
            got = len(connection.socket.recv(len(self.message)))
        except ssl.SSLWantReadError:  # a session ticket, or half a record
            return False
        if not got:
            raise ConnectionResetError
        connection.received += got
        return connection.received == len(self.message)


def main() -> None:
    """See the top of echo_load.c."""
    load = None
    for line in sys.stdin:
        load = load or Load(*map(int, sys.argv[1:]))
        print(json.dumps(load.drive(float(line))), flush=True)


if __name__ == "__main__":
    main()
