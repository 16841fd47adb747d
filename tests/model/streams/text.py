"""Text as Node sees it: encodings, characters that arrive in pieces, and lengths in UTF-16 units.

COMPAT(node): a character beyond U+FFFF counts two, and can be cut in the middle, which leaves half a surrogate pair on each side.
"""

from __future__ import annotations

import base64
import codecs

from tests.model.streams.errors import StreamError

NAMES = {
    "utf8": "utf8", "utf-8": "utf8", "ucs2": "utf16le", "ucs-2": "utf16le", "utf16le": "utf16le", "utf-16le": "utf16le",
    "latin1": "latin1", "binary": "latin1", "ascii": "ascii", "hex": "hex", "base64": "base64", "base64url": "base64url",
}  # fmt: skip


def canonical(encoding: str) -> str:
    name = NAMES.get(encoding.lower())
    if name is None:
        raise StreamError("ERR_UNKNOWN_ENCODING")
    return name


def units(text: str) -> bytes:
    """Two bytes for each."""
    return text.encode("utf-16-le", "surrogatepass")


def from_units(data: bytes) -> str:
    return data.decode("utf-16-le", "surrogatepass")


def length(text: str) -> int:
    return len(units(text)) // 2


def cut(text: str, count: int) -> tuple[str, str]:
    data = units(text)
    return from_units(data[: 2 * count]), from_units(data[2 * count :])


def join(texts: list[str]) -> str:
    """Halves of a pair that meet again are one character."""
    return from_units(b"".join(map(units, texts)))


def encode(text: str, encoding: str) -> bytes:
    match canonical(encoding):
        case "utf8":
            return units(text).decode("utf-16-le", "replace").encode()
        case "utf16le":
            return units(text)
        case "hex":
            digits = text[: len(text) // 2 * 2]
            return bytes.fromhex(digits)
        case "base64" | "base64url":
            return base64.b64decode(text.replace("-", "+").replace("_", "/") + "==")
    return units(text)[::2]  # latin1, ascii


class Decoder:
    """Bytes to text; what a character still lacks is kept until it comes."""

    def __init__(self, encoding: str | None) -> None:
        self.encoding = canonical(encoding or "utf8")
        self.kept = b""  # not used for UTF-8, whose decoder keeps its own
        self.utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: bytes) -> str:
        if self.encoding == "utf8":
            return self.utf8.decode(data)
        data = self.kept + data
        end = self.complete(data)
        self.kept = data[end:]
        return self.decode(data[:end])

    def end(self) -> str:
        if self.encoding == "utf8":
            return self.utf8.decode(b"", final=True)
        rest, self.kept = self.kept, b""
        return self.decode(rest[: len(rest) // 2 * 2] if self.encoding == "utf16le" else rest)

    def complete(self, data: bytes) -> int:
        """How much of it can be decoded now."""
        match self.encoding:
            case "base64" | "base64url":
                return len(data) - len(data) % 3
            case "utf16le":
                end = len(data) - len(data) % 2
                is_half = end >= 2 and 0xD8 <= data[end - 1] <= 0xDB
                return end - 2 if is_half else end
        return len(data)

    def decode(self, data: bytes) -> str:
        match self.encoding:
            case "hex":
                return data.hex()
            case "base64":
                return base64.b64encode(data).decode()
            case "base64url":
                return base64.urlsafe_b64encode(data).decode().rstrip("=")
            case "utf16le":
                return from_units(data)
            case "ascii":
                return bytes(byte & 0x7F for byte in data).decode("latin-1")
        return data.decode("latin-1")
