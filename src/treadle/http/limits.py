"""The numbers that bound a connection, with their reasons. Each is settable per server; see docs/behaviour.md."""

from dataclasses import dataclass

__all__ = ["Limits", "Timeouts"]

KIB = 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and counts of one request."""

    request_line_bytes: int = 8 * KIB  # past it 414; nginx 8 KiB, RFC 9112 asks for at least 8,000
    headers_bytes: int = 32 * KIB  # request line, all fields, and trailers together; past it 431; nginx 4 x 8 KiB, Node 16 KiB
    headers_count: int = 100  # past it 431; gunicorn and granian 100, Node 24 1,000
    body_bytes_per_s: int | None = 240  # of a body that is read, past body_grace_s; below it 408; Kestrel 240 B/s; None: no limit
    answer_bytes_per_s: int | None = 240  # that a peer takes over Timeouts.send_progress_s; below it it is cut; Kestrel 240 B/s
    body_high_water_mark: int = 64 * KIB  # bytes that wait for the handler before the socket is paused; Node's streams

    def __post_init__(self) -> None:
        _require_positive(self)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines of one connection, in seconds. Absolute: a byte now and then does not extend them."""

    headers_s: float = 20.0  # from a head's first byte to its blank line, past it 408; as long for the first byte; Node 60 s
    request_s: float = 300.0  # from the head to the end of the body; past it 408; Node 300 s
    body_grace_s: float = 5.0  # until a body has to come at Limits.body_bytes_per_s; Kestrel 5 s
    keep_alive_s: float = 75.0  # between two requests; longer than the 60 s of the usual balancers, so that they close first
    #: For the peer to end its side once it was sent the last answer, nginx lingering_timeout 5 s; at a stop, for what has come of
    #: a head or a TLS handshake to become whole.
    linger_s: float = 5.0
    response_s: float | None = None  # from the call of a handler to the end of its answer; past it 504, or the connection is cut
    send_progress_s: float = 60.0  # for a peer to take Limits.answer_bytes_per_s, where more waits; else it is cut; nginx 60 s

    def __post_init__(self) -> None:
        _require_positive(self)


def _require_positive(values: Limits | Timeouts) -> None:
    from treadle._base.errors import TreadleError

    for name in values.__slots__:
        value = getattr(values, name)
        if value is not None and not value > 0:
            raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected="greater than zero", received=value)
