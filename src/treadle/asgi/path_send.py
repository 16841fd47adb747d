"""The extension `http.response.pathsend`: an application leaves the whole body to the server, which sends a file.

Source: https://asgi.readthedocs.io/en/latest/extensions.html, Path Send. Not here: sending (treadle.http.file_body).
"""

from __future__ import annotations

import errno
import os

from treadle._base.errors import TreadleError
from treadle._native.asgi1 import ASGIResponse
from treadle._native.beneath import FoundFile
from treadle._native.http1_file_body import declare
from treadle.http.file_body import write_part
from treadle.http.file_search import find

__all__ = ["send_path"]


async def send_path(response: ASGIResponse, path: str) -> None:
    """Send the file as the body, and complete the answer, whose status and fields are known but have not left. A Content-Length
    of fewer bytes sends the first so many; without one the file's size is it. Where trailers were announced they are still to
    come, and without a Content-Length the file is sent in chunks, which they need.

    Raises, and nothing was sent: OSError where the file cannot be opened, or is no regular one; TreadleError:
    ERR_INVALID_ARG_VALUE (a relative path, a NUL in it), ERR_HTTP_CONTENT_LENGTH_MISMATCH (the file is shorter),
    ERR_ASGI_UNEXPECTED_MESSAGE (another body has begun). Else as write_part().
    """
    if response.headers_sent or response.is_sending_path:  # since it was asked for
        raise TreadleError("ERR_ASGI_UNEXPECTED_MESSAGE", received="http.response.pathsend", state=response.asgi_state())
    place = os.fsencode(path)
    if not place.startswith(b"/") or b"\0" in place:
        raise TreadleError("ERR_INVALID_ARG_VALUE", name="path", expected="absolute, and without a NUL", received=path)
    response.is_sending_path = True
    try:
        file = await _found(place, path)
        try:
            await _send(response, file)
        finally:
            if file.descriptor is not None:
                file.descriptor.close()
    finally:
        response.is_sending_path = False


async def _found(place: bytes, path: str) -> FoundFile:
    try:
        return await find(b"/", place.lstrip(b"/"), links="follow")
    except OSError as error:
        error.filename = path
        if error.errno == errno.ENODEV:
            error.strerror = "No regular file"
        raise


async def _send(response: ASGIResponse, file: FoundFile) -> None:
    size = declare(response, file.size, response.expects_trailers)
    if size > file.size:
        raise TreadleError("ERR_HTTP_CONTENT_LENGTH_MISMATCH", sent=file.size, declared=size)
    if size < 0:  # in chunks, as the application wants it
        size = file.size
    if file.descriptor is None:
        response.end_body((file.content or b"")[:size])
    else:
        await write_part(response, file.descriptor, 0, size)
        response.end_body(b"")
