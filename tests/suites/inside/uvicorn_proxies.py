"""For uvicorn's test_proxy_headers: in the place of its middleware, a live server that believes the same proxies.

`Middleware` stands in front of an application as uvicorn's does; a call goes through a socket from 127.0.0.1 to a server on a
thread, and what that makes of the fields is in the scope which the application gets. The port of the test's client is put in
for the real one. `TrustedHosts` asks such a server, too: is an element of X-Forwarded-For walked past, it is trusted.
"""

import asyncio
import http.client
import queue
from typing import ClassVar

from live_server import IS_TREADLE, Live

ANSWER_S = 10.0
LOCAL = "127.0.0.1"
PEER = "127.9.9.9"  # whoever asks for an element of a list; in none of theirs
BEYOND = "203.0.113.77"  # what stands left of it


def _words(hosts):
    return [word.strip() for word in (hosts.split(",") if isinstance(hosts, str) else hosts)]


def _trusting(hosts):
    if not IS_TREADLE:
        return {"proxy_headers": True, "forwarded_allow_ips": hosts}
    from treadle.http import Edge, Origin

    return {"edge": Edge(Origin(",".join(hosts)))}


def _ask(live, source, method, target, headers):
    """An answer: status, fields, body; and the port that it was asked from."""
    connection = http.client.HTTPConnection(*live.address, timeout=ANSWER_S, source_address=(source, 0))
    try:
        connection.connect()
        port = connection.sock.getsockname()[1]
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        if not any(name == b"host" for name, _ in headers):
            connection.putheader("Host", "test")
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read(), port
    finally:
        connection.close()


class Middleware:
    """In the place of uvicorn's ProxyHeadersMiddleware."""

    def __init__(self, app, trusted_hosts=LOCAL):
        self._app = app
        self._more = _trusting(_words(trusted_hosts))

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        failures = queue.SimpleQueue()
        client = scope["client"]

        async def app(seen, its_receive, its_send):
            if seen["client"] is not None and seen["client"][0] == LOCAL and seen["client"][1] != 0:
                seen["client"] = client
            try:
                await self._app(seen, its_receive, its_send)
            except BaseException as error:
                failures.put(error)
                raise

        live = Live(app, port=0, **self._more)
        live.start()
        try:
            asked = (live, LOCAL, scope["method"], scope["path"], scope["headers"])
            status, fields, body, _ = await asyncio.to_thread(_ask, *asked)
        finally:
            live.stop()
        if not failures.empty():
            raise failures.get()
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _client_of(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": (scope["client"] or ("",))[0].encode()})


class TrustedHosts:
    """In the place of uvicorn's _TrustedHosts."""

    _servers: ClassVar = {}  # by what they trust; ended by close()

    def __init__(self, hosts):
        words = tuple(_words(hosts))
        if "*" not in words:  # which uvicorn takes for everybody only where it stands alone
            words = (*words, PEER)
        if words not in self._servers:
            live = Live(_client_of, port=0, **_trusting(list(words)))
            live.start()
            self._servers[words] = live
        self._live = self._servers[words]

    def __contains__(self, host):
        fields = [(b"x-forwarded-for", f"{BEYOND}, {host}".encode())]
        return _ask(self._live, PEER, "GET", "/", fields)[2].decode() == BEYOND

    @classmethod
    def close(cls):
        while cls._servers:
            cls._servers.popitem()[1].stop()
