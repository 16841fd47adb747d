"""lookup_service(): the names of an address and of a port, as the system knows them. Source: Node, dns.lookupService."""

import socket
from asyncio import Future
from typing import Any, Final, NamedTuple

from treadle import pool
from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._base.ip import is_ip
from treadle.dns._askers import AnswerFuture, Asker
from treadle.dns._errors import of_system
from treadle.loop.current import get_loop

__all__ = ["Service", "service_of"]

PORT_MAX: Final = 65535
KIND: Final = "dns.lookup_service"  # of the pool's statistics


class Service(NamedTuple):
    """What is behind an address and a port."""

    hostname: str
    service: str


def service_of(address: str, port: object, callback: Any) -> AnswerFuture[Service] | None:
    """See treadle.dns.lookup_service."""
    if not is_ip(address):
        raise TreadleError("ERR_INVALID_ARG_VALUE", name="address", expected="an IP address", received=address)
    if not isinstance(port, int) or isinstance(port, bool):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="port", expected="an int", received=type(port).__name__)
    if not 0 <= port <= PORT_MAX:
        raise TreadleError("ERR_OUT_OF_RANGE", name="port", expected=f"from 0 to {PORT_MAX}", received=port)
    if callback is not None:
        require_callable(callback, "callback")

        def on_done(failure: BaseException | None, found: Any) -> None:
            if failure is not None:
                callback(of_system(failure, "getnameinfo", address), None)
            else:
                callback(None, Service(*found))

        pool.run(KIND, socket.getnameinfo, (address, port), socket.NI_NAMEREQD, callback=on_done)
        return None
    future: AnswerFuture[Service] = AnswerFuture(loop=get_loop())
    job = pool.run(KIND, socket.getnameinfo, (address, port), socket.NI_NAMEREQD)

    def leave(_: Asker) -> None:
        job.cancel()

    future.left = leave
    job.add_done_callback(lambda done: _settle(future, done, address))
    return future


def _settle(future: AnswerFuture[Service], done: "Future[tuple[str, str]]", address: str) -> None:
    if done.cancelled():
        return
    failure = done.exception()
    if failure is not None:
        future.fail(of_system(failure, "getnameinfo", address))
    else:
        future.answer(Service(*done.result()))
