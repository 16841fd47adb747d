"""Random bytes, numbers and UUIDs, all of the system's generator. Source: Node, crypto.randomBytes, randomInt, randomUUID."""

import os
import uuid
from collections.abc import Callable
from random import SystemRandom
from typing import Final, overload

from treadle._base.arguments import require_callable
from treadle._base.errors import TreadleError
from treadle.crypto._inputs import INT32_MAX, require_int
from treadle.crypto._jobs import begin
from treadle.loop.current import get_loop

__all__ = ["random_bytes", "random_int", "random_uuid"]

SPAN_MAX: Final = 2**48 - 1  # max - min; Node's bound, kept so that programs mean the same in both
SAFE_MAX: Final = 2**53 - 1  # Number.MAX_SAFE_INTEGER

_system = SystemRandom()


@overload
def random_bytes(size: int, callback: None = None) -> bytes: ...
@overload
def random_bytes(size: int, callback: Callable[[Exception | None, bytes | None], object]) -> None: ...
def random_bytes(size: int, callback: Callable[[Exception | None, bytes | None], object] | None = None) -> bytes | None:
    """That many random bytes, fit for keys.

    Without a callback they are returned at once: some microseconds up to some KiB. With one a thread of the pool makes them:
    callback(error, data) in the poll phase.

    Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE; with a callback ERR_NO_LOOP, ERR_POOL_SATURATED.
    """
    require_int(size, "size", 0, INT32_MAX)
    if callback is None:
        return os.urandom(size)
    begin("crypto.random_bytes", callback, os.urandom, size)
    return None


@overload
def random_int(min: int, max: int | None = None, *, callback: None = None) -> int: ...
@overload
def random_int(min: int, max: int | None = None, *, callback: Callable[[None, int], object]) -> None: ...
def random_int(min: int, max: int | None = None, *, callback: Callable[[None, int], object] | None = None) -> int | None:
    """A random int n, min <= n < max, each as likely as any other; random_int(max) begins at 0.

    At once; with a callback, callback(None, n) on the next tick.

    Raises TreadleError: ERR_INVALID_ARG_TYPE, ERR_OUT_OF_RANGE (max must be above min, by less than 2**48), ERR_NO_LOOP.
    """
    low, high = (0, min) if max is None else (min, max)
    _require_safe(low, "min")
    _require_safe(high, "max")
    if high <= low:
        raise TreadleError("ERR_OUT_OF_RANGE", name="max", expected=f"greater than min ({low})", received=high)
    if high - low > SPAN_MAX:
        name = "max" if max is None else "max - min"
        raise TreadleError("ERR_OUT_OF_RANGE", name=name, expected=f"at most {SPAN_MAX}", received=high - low)
    if callback is None:
        return _system.randrange(low, high)
    require_callable(callback, "callback")
    get_loop().next_tick(callback, None, _system.randrange(low, high))
    return None


def _require_safe(value: object, name: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > SAFE_MAX:
        received = repr(value) if isinstance(value, int) else type(value).__name__
        raise TreadleError("ERR_INVALID_ARG_TYPE", name=name, expected="an int of at most 53 bits", received=received)


def random_uuid() -> str:
    """A random UUID (RFC 9562 version 4): "36b8f84d-df4e-4d49-b662-bcde71a8764f"."""
    return str(uuid.uuid4())
