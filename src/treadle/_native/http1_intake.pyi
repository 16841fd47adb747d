from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from treadle._native.http1_exchange import Intake

FORWARDED_FIELDS: Final[tuple[bytes, ...]]
ID_SIZE_MAX: Final[int]

class RequestIntake(Intake):
    def __init__(
        self,
        origin_of: Callable[[str, Any, tuple[Any, Any], list[bytes | None]], tuple[str, Any, Any] | None] | None,
        variable: ContextVar[str | None] | None,
        is_echoed: bool,
    ) -> None: ...

def is_authority(text: bytes) -> bool: ...
