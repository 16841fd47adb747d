"""The lines of an open file, one after the other. Source: Node, filehandle.readLines.

Invariant: what is held is one chunk and one line, which has a bound. Not here: the stream that the text comes from
(_read_stream.py).
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

from treadle._base.errors import TreadleError

if TYPE_CHECKING:
    from treadle.fs._read_stream import ReadStream

__all__ = ["lines_of"]

_END: Final = re.compile("\r\n|\n|\r")


async def lines_of(stream: ReadStream, length_max: int) -> AsyncGenerator[str, None]:
    """Without their ends, which are LF, CR LF or CR. What stands behind the last end is a line if it is anything. The stream
    is destroyed when this is left."""
    begun: list[str] = []  # of a line whose end has not come
    length = 0
    is_cut = False  # the last chunk ended with \r, to which a \n may belong
    try:
        async for chunk in stream:
            text: str = chunk
            if is_cut and text:
                text = text[text.startswith("\n") :]
                is_cut = False
            if text.endswith("\r"):
                is_cut = True
            *whole, rest = _END.split(text)
            for line in whole:
                if length + len(line) > length_max:
                    raise _too_long(length_max)
                begun.append(line)
                yield "".join(begun)
                begun.clear()
                length = 0
            begun.append(rest)
            length += len(rest)
            if length > length_max:
                raise _too_long(length_max)
        if length:
            yield "".join(begun)
    finally:
        await stream.aclose()


def _too_long(length_max: int) -> TreadleError:
    hint = "length_max is the limit; read() or create_read_stream() gives what has no lines"
    return TreadleError(
        "ERR_OUT_OF_RANGE", name="the length of a line", expected=f"at most {length_max}", received="a longer one", hint=hint
    )
