"""`serve_static`: the files below a directory, as a handler.

    target ──_static_path──► path ──_native.beneath, one job──► file ──_conditional, _ranges──► 200 206 304 412 416 ──► file_body

Invariants: nothing outside the directory is served, nor anything but regular files; an answer has as much of a file as it says,
or the connection is cut. Source: RFC 9110 sections 12.5.3, 13, 14; RFC 9111 section 5.2. Not here: what is below a directory
(_native.beneath).
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from treadle._base.errors import TreadleError
from treadle._native.beneath import LINKS, FoundFile
from treadle._native.http1_head import phrase_of
from treadle._native.http1_request import RequestCore
from treadle._native.http1_response import ResponseCore
from treadle.http._codings import CODINGS, codings_accepted
from treadle.http._conditional import Precondition, Validators, has_range, precondition, validators_of
from treadle.http._dates import format_date
from treadle.http._media_types import typing_of
from treadle.http._ranges import ByteRange, Unsatisfiable, content_range, multipart, ranges_of, unsatisfied_range
from treadle.http._static_path import path_below, split_target
from treadle.http.file_body import write_part
from treadle.http.file_search import SMALL_BYTES, find

__all__ = ["StaticFiles", "serve_static"]

logger = logging.getLogger("treadle.http")

RETRY_S: Final = 1  # Retry-After of an answer that there was no descriptor or thread for

FIELDS: Final = frozenset(
    (
        b"accept-encoding", b"if-match", b"if-modified-since", b"if-none-match", b"if-range", b"if-unmodified-since", b"range",
    )
)  # fmt: skip

MISSING: Final = (
    errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EXDEV, errno.ENODEV, errno.ENXIO, errno.EINVAL,
)  # fmt: skip
FORBIDDEN: Final = (errno.EACCES, errno.EPERM)
CUT: Final = ("ERR_HTTP_FILE_TRUNCATED", "ERR_POOL_SATURATED")  # in the middle of an answer, and no fault of the program's
EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


def serve_static(
    root: str | os.PathLike[str],
    *,
    prefix: str = "",
    index: str | None = "index.html",
    precompressed: bool | Iterable[str] = False,
    cache_control: str | Callable[[str], str | None] | None = None,
    hidden: bool = False,
    symlinks: str = "inside",
    types: Mapping[str, str] | None = None,
    charset: str | None = "utf-8",
) -> StaticFiles:
    """A handler that answers GET and HEAD with the files below `root`.

    prefix: what the path of a request has in front of the file's: "/static". index: the file that a directory is answered with,
    or None: it is not there. precompressed: True, or some of "br", "zstd", "gzip": a sibling `name.br`, `name.zst`, `name.gz` is
    sent in place of a file to whoever accepts it. cache_control: that field, or a function that is called with a file's path
    below the root and returns it, or None. hidden: names that begin with a dot are served. symlinks: "inside" follows those that
    are relative and stay below the root, "refuse" none, "follow" all. types: Content-Type by extension (".md"), in place of the
    usual. charset: of text/*, or None.

    Raises OSError: the root is no directory; TreadleError: ERR_INVALID_ARG_VALUE.
    """
    return StaticFiles(
        os.path.abspath(root),
        prefix=_prefix_of(prefix),
        index=_index_of(index),
        codings=_codings_of(precompressed),
        cache_control=cache_control,
        hidden=hidden,
        links=_links_of(symlinks),
        type_of=typing_of(types or {}, charset),
    )


def _invalid(name: str, received: object, expected: str) -> TreadleError:
    return TreadleError("ERR_INVALID_ARG_VALUE", name=name, received=received, expected=expected)


def _prefix_of(prefix: str) -> str:
    prefix = prefix.rstrip("/")
    if prefix and not prefix.startswith("/"):
        raise _invalid("prefix", prefix, "empty, or a path that begins with a slash")
    if "//" in prefix:
        raise _invalid("prefix", prefix, "a path without empty segments")
    return prefix


def _index_of(index: str | None) -> bytes | None:
    if index is not None and (not index or "/" in index or "\0" in index or index in (".", "..")):
        raise _invalid("index", index, "the name of a file, without a directory")
    return None if index is None else os.fsencode(index)


def _codings_of(precompressed: bool | Iterable[str]) -> tuple[str, ...]:
    if isinstance(precompressed, bool):
        return tuple(CODINGS) if precompressed else ()
    wanted = [precompressed] if isinstance(precompressed, str) else list(precompressed)
    for coding in wanted:
        if coding not in CODINGS:
            raise _invalid("precompressed", coding, f"some of {', '.join(CODINGS)}")
    return tuple(dict.fromkeys(wanted))


def _links_of(symlinks: str) -> str:
    if symlinks not in LINKS:
        raise _invalid("symlinks", symlinks, f"one of {', '.join(LINKS)}")
    return symlinks


class StaticFiles:
    """What serve_static() makes: call it with a request and its answer, or send() one file of it."""

    def __init__(
        self,
        root: str,
        *,
        prefix: str,
        index: bytes | None,
        codings: tuple[str, ...],
        cache_control: str | Callable[[str], str | None] | None,
        hidden: bool,
        links: str,
        type_of: Callable[[str], str],
    ) -> None:
        if not os.path.isdir(root):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), root)
        self._root = os.fsencode(root)
        self.root = root
        self.prefix = prefix
        self._index = index
        self._codings = codings
        self._cache_control = cache_control
        self._has_hidden = hidden
        self._links = links
        self._type_of = type_of

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.prefix or '/'} from {self.root!r}>"

    async def __call__(self, req: RequestCore, res: ResponseCore) -> None:
        """Answer a request, whatever it asks for: what is not there with 404."""
        if req.method not in ("GET", "HEAD"):
            _refuse(res, 405, {"Allow": "GET, HEAD"})
            return
        path, query = split_target(req.url)
        wanted = path_below(path, self.prefix, has_hidden=self._has_hidden)
        if wanted is None or (wanted.is_directory and self._index is None):
            _refuse(res, 404)
        elif wanted.is_directory:
            await self._answer(req, res, _below(wanted.path, self._index or b""))
        else:
            await self._answer(req, res, wanted.path, None if self._index is None else f"{path}/{query}")

    async def send(self, req: RequestCore, res: ResponseCore, path: str) -> None:
        """Answer with the file of that path below the root, whatever the request's target is. What was set in `res` before
        stays. Raises TreadleError: ERR_INVALID_ARG_VALUE."""
        if any(name in ("", ".", "..") for name in path.split("/")) or "\0" in path:
            raise _invalid("path", path, "relative, without empty segments, . and ..")
        await self._answer(req, res, os.fsencode(path))

    async def _answer(self, req: RequestCore, res: ResponseCore, path: bytes, directory: str | None = None) -> None:
        # directory: where it is, should the path turn out to be one's.
        fields = _fields_of(req)
        accepted = codings_accepted(fields.get("accept-encoding"), self._codings)
        is_likely_sent = req.method == "GET" and not ("if-none-match" in fields or "if-modified-since" in fields)
        try:
            file = await find(
                self._root,
                path,
                links=self._links,
                suffixes=tuple([CODINGS[coding].encode() for coding in accepted]),
                read_max=SMALL_BYTES if is_likely_sent else -1,
            )
        except OSError as error:
            _answer_error(res, error, path, directory)
            return
        coding = accepted[file.suffix - 1] if file.suffix else ""
        try:
            await self._answer_with(req.method, fields, res, file, os.fsdecode(path), coding)
        except TreadleError as error:
            if error.code not in CUT:
                raise
            logger.warning("%s %s: cut: %s", req.method, req.url, error.message)
        finally:
            if file.descriptor is not None:
                file.descriptor.close()

    async def _answer_with(
        self, method: str, fields: Mapping[str, str], res: ResponseCore, file: FoundFile, path: str, coding: str
    ) -> None:
        now_s = time.time()
        validators = validators_of(file.mtime_ns, file.size, now_s, coding)
        headers = self._headers(path, validators)
        outcome = precondition(method, fields, validators, now_s)
        if outcome is Precondition.NOT_MODIFIED:
            res.write_head(304, headers).end()
            return
        if outcome is Precondition.FAILED:
            _refuse(res, 412)
            return
        content_type = headers["Content-Type"] = self._type_of(path)
        headers["Accept-Ranges"] = "bytes"
        if coding:
            headers["Content-Encoding"] = coding
        try:
            ranges = ranges_of(fields["range"], file.size) if has_range(method, fields, validators, now_s) else None
        except Unsatisfiable:
            _refuse(res, 416, {"Content-Range": unsatisfied_range(file.size), "Accept-Ranges": "bytes"})
            return
        if ranges is None:
            headers["Content-Length"] = file.size
            res.write_head(200, headers)
            await _send(res, file, [(b"", ByteRange(0, file.size))])
        elif len(ranges) == 1:
            headers["Content-Range"] = content_range(ranges[0], file.size)
            headers["Content-Length"] = ranges[0].stop - ranges[0].start
            res.write_head(206, headers)
            await _send(res, file, [(b"", ranges[0])])
        else:
            boundary = secrets.token_hex(16)
            parts, tail, length = multipart(ranges, file.size, content_type, boundary)
            headers["Content-Type"] = f"multipart/byteranges; boundary={boundary}"
            headers["Content-Length"] = length
            res.write_head(206, headers)
            await _send(res, file, parts, tail)

    def _headers(self, path: str, validators: Validators) -> dict[str, str | int]:
        """Those of 304 and 200 alike (RFC 9110 section 15.4.5)."""
        headers: dict[str, str | int] = {"ETag": validators.etag}
        if validators.modified_s is not None:
            headers["Last-Modified"] = format_date(validators.modified_s)
        if self._codings:
            headers["Vary"] = "Accept-Encoding"
        control = self._cache_control(path) if callable(self._cache_control) else self._cache_control
        if control is not None:
            headers["Cache-Control"] = control
        return headers


async def _send(res: ResponseCore, file: FoundFile, parts: Iterable[tuple[bytes, ByteRange]], tail: bytes = b"") -> None:
    """The body, and the end of the answer. What was read already leaves with the head."""
    if file.content is not None:
        res.end(b"".join([head + file.content[span.start : span.stop] for head, span in parts]) + tail)
        return
    assert file.descriptor is not None
    for head, span in parts:
        if head:
            res.write(head)
        await write_part(res, file.descriptor, span.start, span.stop - span.start)
    res.end(tail)


def _below(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


def _fields_of(req: RequestCore) -> dict[str, str]:
    """The fields that count, lower-case. One that stands twice is a list, which only those may be that are lists anyway."""
    fields: dict[str, str] = {}
    for raw_name, raw_value in req.raw_headers:
        name = raw_name.lower()
        if name in FIELDS:
            key, value = name.decode("ascii"), raw_value.decode("latin-1")
            fields[key] = f"{fields[key]}, {value}" if key in fields else value
    return fields


def _answer_error(res: ResponseCore, error: OSError, path: bytes, directory: str | None) -> None:
    if error.errno == errno.EISDIR and directory is not None:
        _refuse(res, 301, {"Location": directory})
    elif error.errno in MISSING or error.errno == errno.EISDIR:
        _refuse(res, 404)
    elif error.errno in FORBIDDEN:
        logger.info("%r cannot be read: %s", os.fsdecode(path), error.strerror)
        _refuse(res, 403)
    elif error.errno in EXHAUSTED:
        logger.warning("%r cannot be opened now: %s", os.fsdecode(path), error.strerror)
        _refuse(res, 503, {"Retry-After": RETRY_S})
    else:
        raise error


def _refuse(res: ResponseCore, status: int, headers: Mapping[str, Any] | None = None) -> None:
    res.write_head(status, {**(headers or {}), "Content-Type": "text/plain; charset=utf-8"})
    res.end(f"{status} {phrase_of(status)}\n")
