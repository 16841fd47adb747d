"""The lines of an open file, one after the other. Source: Node, filehandle.readLines.

Invariant: what is held is one chunk and one line, which has a bound. Not here: the stream that the text comes from
(_read_stream.py).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Final

from treadle._base.errors import TreadleError

if TYPE_CHECKING:
    from treadle.fs._read_stream import ReadStream

__all__ = ["lines_of"]

_TEXT: Final = ("", "\r", "\n", re.compile("\r\n|\n|\r"))
_BYTES: Final = (b"", b"\r", b"\n", re.compile(b"\r\n|\n|\r"))


async def lines_of(stream: ReadStream, length_max: int) -> AsyncGenerator[Any, None]:
    """Without their ends, which are LF, CR LF or CR; bytes of a stream without an encoding. What stands behind the last end is a
    line if it is anything. The stream is destroyed when this is left."""
    kind: Any = _BYTES if stream.readable_encoding is None else _TEXT
    nothing, cr, lf, end = kind
    begun: list[Any] = []  # of a line whose end has not come
    length = 0
    is_cut = False  # the last chunk ended with \r, to which a \n may belong
    try:
        async for chunk in stream:
            text: Any = chunk
            if is_cut and text:
                text = text[text.startswith(lf) :]
                is_cut = False
            if text.endswith(cr):
                is_cut = True
            *whole, rest = end.split(text)
            for line in whole:
                if length + len(line) > length_max:
                    raise _too_long(length_max)
                begun.append(line)
                yield nothing.join(begun)
                begun.clear()
                length = 0
            begun.append(rest)
            length += len(rest)
            if length > length_max:
                raise _too_long(length_max)
        if length:
            yield nothing.join(begun)
    finally:
        await stream.aclose()


def _too_long(length_max: int) -> TreadleError:
    hint = "Let it be larger, or take what has no lines by read() or create_read_stream()"
    return TreadleError(
        "ERR_OUT_OF_RANGE", name="length_max", expected="no less than the longest line has", received=length_max, hint=hint
    )
