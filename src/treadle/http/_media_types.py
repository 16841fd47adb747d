"""The Content-Type of a file, by the end of its name.

The types are the standard library's, and ours where that has none or, in some versions of Python, an older one; so that a file
has the same type on every machine, what the machine itself registers (/etc/mime.types) is not looked at.
Source: https://www.iana.org/assignments/media-types.
"""

import mimetypes
from collections.abc import Callable, Mapping
from typing import Final

__all__ = ["UNKNOWN_TYPE", "typing_of"]

UNKNOWN_TYPE: Final = "application/octet-stream"

TYPES: Final = {
    ".avif": "image/avif",
    ".br": "application/octet-stream",  # it has no type: RFC 7932 registers a content coding only
    ".bz2": "application/x-bzip2",
    ".cjs": "text/javascript",
    ".flac": "audio/flac",
    ".gz": "application/gzip",  # RFC 6713
    ".ico": "image/vnd.microsoft.icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",  # RFC 9239
    ".json": "application/json",
    ".jxl": "image/jxl",
    ".m4a": "audio/mp4",
    ".map": "application/json",  # of source maps
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".mkv": "video/matroska",
    ".ogg": "audio/ogg",
    ".opus": "audio/opus",
    ".otf": "font/otf",
    ".rtf": "application/rtf",
    ".tgz": "application/gzip",
    ".ttf": "font/ttf",
    ".wasm": "application/wasm",
    ".webm": "video/webm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".xhtml": "application/xhtml+xml",
    ".xml": "application/xml",
    ".xz": "application/x-xz",
    ".yaml": "application/yaml",  # RFC 9512
    ".yml": "application/yaml",
    ".zip": "application/zip",
    ".zst": "application/zstd",  # RFC 8878
}


def typing_of(types: Mapping[str, str], charset: str | None) -> Callable[[str], str]:
    """A function of a name that returns its Content-Type. types: those that replace ours, by extension, in lower case.

    charset: of text/* without one of its own; None: it is not said. JSON and XML say it themselves: they get none (RFC 8259
    section 11, RFC 7303 section 3).
    """
    known = {**_standard(), **TYPES, **{extension.lower(): media_type for extension, media_type in types.items()}}
    if charset is not None:
        for extension, media_type in known.items():
            if media_type.startswith("text/") and ";" not in media_type:
                known[extension] = f"{media_type}; charset={charset}"

    def type_of(name: str) -> str:
        dot = name.rfind(".")
        return known.get(name[dot:].lower(), UNKNOWN_TYPE) if dot >= 0 else UNKNOWN_TYPE

    return type_of


def _standard() -> dict[str, str]:
    """What every Python of this version has."""
    table = getattr(mimetypes, "_types_map_default", None)  # what MimeTypes() makes reads the machine's files as well
    return dict(table if isinstance(table, dict) else mimetypes.types_map)
