"""lookup_service(): the names of an address and of a port, as the system knows them. Source: Node, dns.lookupService."""

from typing import Any, Final, NamedTuple

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle._base.ip import is_ip
from treadle.dns._errors import of_system
from treadle.dns._system import ask_system_for_service
from treadle.loop.current import get_loop
from treadle.pool import RequestFuture

__all__ = ["Service", "service_of"]

PORT_MAX: Final = 65535


class Service(NamedTuple):
    """What is behind an address and a port."""

    hostname: str
    service: str


def service_of(address: str, port: object, callback: Any) -> RequestFuture[Service] | None:
    """See treadle.dns.lookup_service."""
    if not is_ip(address):
        raise TreadleError("ERR_INVALID_ARG_VALUE", name="address", expected="an IP address", received=address)
    if not isinstance(port, int) or isinstance(port, bool):
        raise TreadleError("ERR_INVALID_ARG_TYPE", name="port", expected="an int", received=type(port).__name__)
    if not 0 <= port <= PORT_MAX:
        raise TreadleError("ERR_OUT_OF_RANGE", name="port", expected=f"from 0 to {PORT_MAX}", received=port)
    loop = get_loop()
    if callback is not None:
        require_callable(callback, "callback")
        ask_system_for_service(
            loop, address, port, lambda error, names: callback(*_outcome(error, names, address)), is_awaited=False
        )
        return None
    future: RequestFuture[Service] = RequestFuture(loop=loop)
    future.request = ask_system_for_service(
        loop, address, port, lambda error, names: future.settle(*_outcome(error, names, address)), is_awaited=True
    )
    return future


def _outcome(
    error: BaseException | None, names: tuple[str, str] | None, address: str
) -> tuple[BaseException | None, Service | None]:
    if error is not None or names is None:
        return None if error is None else of_system(error, "getnameinfo", address), None
    return None, Service(*names)
