"""The flags of ``treadle serve`` that begin with --tls, and what they mean together. Not here: certificates (treadle.tls)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from treadle.tls import ServerOptions

__all__ = ["tls_options"]

NEEDS_CERT = ("tls_key", "tls_passphrase_file", "tls_sni", "tls_client_cert", "tls_client_ca", "tls_ciphers")


def tls_options(flags: dict[str, Any]) -> "ServerOptions | None":
    """None without --tls-cert. Raises click.UsageError, click.ClickException."""
    from treadle.tls import ServerOptions

    if flags["tls_cert"] is None:
        for name in NEEDS_CERT:
            if flags[name]:
                raise click.UsageError(f"--{name.replace('_', '-')} says nothing without --tls-cert")
        return None
    authorities = flags["tls_client_ca"]
    wanted: Any = flags["tls_client_cert"] or ("none" if authorities is None else "required")
    if wanted != "none" and authorities is None:
        raise click.UsageError("--tls-client-cert needs --tls-client-ca: whose certificates count?")
    return ServerOptions(
        cert=flags["tls_cert"],
        key=flags["tls_key"],
        passphrase=_first_line(flags["tls_passphrase_file"]),
        sni=dict(map(_host_of, flags["tls_sni"])),
        client_cert=wanted,
        client_ca=authorities,
        ciphers=flags["tls_ciphers"],
    )


def _first_line(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"--tls-passphrase-file: {error}") from None
    return lines[0] if lines else ""


def _host_of(text: str) -> tuple[str, tuple[str, str | None]]:
    host, _, files = text.partition("=")
    cert, _, key = files.partition(",")
    if not host or not cert:
        raise click.UsageError(f"--tls-sni {text}: write HOST=CERT,KEY, or HOST=CERT where the key is in the same file")
    return host, (cert, key or None)
