"""Text in byte streams: str chunks to bytes, and bytes to str however they are cut.

The encodings are Node's. Invariants: no character is lost or doubled between two chunks; what cannot be decoded comes out as
U+FFFD, also an incomplete character at the end. Not here: when a stream decodes (_native.readable).
Source: https://nodejs.org/api/buffer.html#buffers-and-character-encodings and string_decoder.html.
"""

import base64
import binascii
import codecs
import re
from typing import Final, Protocol

from treadle._base.errors import TreadleError

__all__ = ["Decoder", "decode", "encode", "join_pairs", "known_encoding", "make_decoder", "split_pairs"]

_NAMES: Final = {
    "utf8": "utf8", "utf-8": "utf8", "ucs2": "utf16le", "ucs-2": "utf16le", "utf16le": "utf16le", "utf-16le": "utf16le",
    "latin1": "latin1", "latin-1": "latin1", "binary": "latin1", "ascii": "ascii", "base64": "base64",
    "base64url": "base64url", "hex": "hex",
}  # fmt: skip

_OF_PYTHON: Final = {"utf-8": "utf8", "utf-16-le": "utf16le", "iso8859-1": "latin1", "ascii": "ascii"}  # by its codecs' names
_GROUP: Final = {"base64": 3, "base64url": 3, "hex": 1, "ascii": 1, "latin1": 1}  # bytes that are decoded together
_CODEC: Final = {"utf8": "utf-8", "utf16le": "utf-16-le"}
_LONE_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_WIDE: Final = re.compile("[\U00010000-\U0010ffff]")


class Decoder(Protocol):
    """Bytes in, text out; what is incomplete waits for the next chunk."""

    def decode(self, chunk: bytes | str) -> str: ...
    def finish(self) -> str: ...


def known_encoding(encoding: object) -> str:
    """The one name of an encoding. Raises TreadleError: ERR_UNKNOWN_ENCODING."""
    name = _NAMES.get(encoding.lower()) if isinstance(encoding, str) else None
    if name is None:
        raise TreadleError("ERR_UNKNOWN_ENCODING", encoding=encoding, hint=_next_step(encoding))
    return name


def _next_step(encoding: object) -> str | None:
    # None: what the table says.
    if callable(encoding):
        return "A callback is given by its name: write(chunk, callback=...), end(chunk, callback=...)"
    try:
        codec = codecs.lookup(encoding).name  # type: ignore[arg-type]
    except (TypeError, LookupError, ValueError):
        return None
    if codec in _OF_PYTHON:
        return f"It is called {_OF_PYTHON[codec]}, as in Node"
    return (
        "Node's encodings are utf8, utf16le, latin1, ascii, base64, base64url, hex; with Python's, write "
        f"text.encode({encoding!r}), and read bytes: data.decode({encoding!r})"
    )


def encode(text: str, encoding: str) -> bytes:
    """The bytes of a str chunk. What is no base64 or hex is left out, as in Node. Raises TreadleError: ERR_UNKNOWN_ENCODING."""
    name = known_encoding(encoding)
    if name in _CODEC:
        try:
            return text.encode(_CODEC[name])
        except UnicodeEncodeError:
            return _LONE_SURROGATES.sub("\ufffd", text).encode(_CODEC[name])
    if name in ("latin1", "ascii"):
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            return bytes(ord(character) & 0xFF for character in text)
    if name == "hex":
        digits = re.match("(?:[0-9a-fA-F]{2})*", text)
        return bytes.fromhex(digits.group() if digits else "")
    letters = re.sub("[^A-Za-z0-9+/]", "", text.partition("=")[0].replace("-", "+").replace("_", "/"))
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return binascii.a2b_base64(letters + "=" * (-len(letters) % 4))


def decode(data: bytes, encoding: str) -> str:
    """The text of bytes that are complete."""
    decoder = make_decoder(encoding)
    return decoder.decode(data) + decoder.finish()


def make_decoder(encoding: str) -> Decoder:
    """A decoder of that encoding. Raises TreadleError: ERR_UNKNOWN_ENCODING."""
    name = known_encoding(encoding)
    return _CodecDecoder(name) if name in _CODEC else _GroupDecoder(name)


def split_pairs(text: str) -> str:
    """Text in units of UTF-16: each character beyond U+FFFF becomes its two surrogates."""
    return _WIDE.sub(lambda wide: "".join(map(chr, _surrogates(ord(wide.group())))), text)


def join_pairs(text: str) -> str:
    """The opposite. A surrogate whose other half is not there stays."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _surrogates(code: int) -> tuple[int, int]:
    code -= 0x10000
    return 0xD800 + (code >> 10), 0xDC00 + (code & 0x3FF)


class _CodecDecoder:
    def __init__(self, name: str) -> None:
        self._codec = codecs.getincrementaldecoder(_CODEC[name])("replace")

    def decode(self, chunk: bytes | str) -> str:
        return chunk if isinstance(chunk, str) else self._codec.decode(chunk)

    def finish(self) -> str:
        return self._codec.decode(b"", final=True)


class _GroupDecoder:
    """Of encodings in which each so many bytes stand for themselves."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._group = _GROUP[name]
        self._rest = b""

    def decode(self, chunk: bytes | str) -> str:
        if isinstance(chunk, str):
            return chunk
        data = self._rest + bytes(chunk)
        whole = len(data) - len(data) % self._group
        self._rest = data[whole:]
        return self._text_of(data[:whole])

    def finish(self) -> str:
        rest, self._rest = self._rest, b""
        return self._text_of(rest)

    def _text_of(self, data: bytes) -> str:
        if self._name == "hex":
            return data.hex()
        if self._name == "latin1":
            return data.decode("latin-1")
        if self._name == "ascii":
            return bytes(byte & 0x7F for byte in data).decode("ascii")
        if self._name == "base64":
            return base64.b64encode(data).decode("ascii")
        return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")
