"""What a server or a client is told of TLS, and the ssl.SSLContext that follows from it.

Invariants: TLS 1.2 at least; no compression, and no renegotiation, which Python's defaults and OP_NO_RENEGOTIATION see to; a key
that wants a passphrase never asks for one on the terminal. Not here: when files are read again (_files.py).
"""

import logging
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from treadle._base.errors import TreadleError
from treadle.tls._names import keep_quiet
from treadle.tls._validity import complaint

__all__ = ["HTTP_PROTOCOLS", "ClientCertificate", "ClientOptions", "ServerOptions", "client_context", "server_context"]

logger = logging.getLogger("treadle.tls")

ClientCertificate = Literal["none", "optional", "required"]
Path = str | os.PathLike[str]

PEM_BYTES_MAX: Final = 1024 * 1024  # of a file that are looked at for what is wrong with it
HTTP_PROTOCOLS: Final = ("http/1.1",)  # RFC 7301; HTTP/2 is not spoken here

_VERIFY: Final[dict[str, ssl.VerifyMode]] = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
_VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """A server's certificates, as files in PEM.

    cert: its certificate, and behind it those that lead to an authority. key: None where it is in the same file. sni: of which
    host which (cert, key) is shown; "*.example.com" is any name with one label before that; who names another host, or none, is
    shown `cert`. client_cert: whether clients show one, and client_ca: the authorities that count then. ciphers: OpenSSL's
    list for TLS 1.2; those of 1.3 are all good.
    """

    cert: Path
    key: Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    sni: Mapping[str, tuple[Path, Path | None]] = field(default_factory=dict)
    client_cert: ClientCertificate = "none"
    client_ca: Path | None = None
    min_version: Literal["TLSv1.2", "TLSv1.3"] = "TLSv1.2"
    ciphers: str | None = None
    alpn_protocols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.client_cert not in _VERIFY:
            raise _no_choice("client_cert", _VERIFY, self.client_cert)
        if self.min_version not in _VERSIONS:
            raise _no_choice("min_version", _VERSIONS, self.min_version)
        if self.client_cert != "none" and self.client_ca is None:
            raise TreadleError(
                "ERR_MISSING_ARGS", name="ServerOptions", expected="client_ca where client certificates are asked for"
            )

    def files(self) -> list[Path]:
        """All files that load() reads."""
        pairs = [(self.cert, self.key), *self.sni.values()]
        return [path for pair in pairs for path in pair if path is not None] + ([self.client_ca] if self.client_ca else [])

    def load(self) -> ssl.SSLContext:
        """Read the files; a certificate that is too old, or not good yet, is told in a warning.

        Raises OSError, ssl.SSLError among them, which names the file; TreadleError: ERR_INVALID_ARG_VALUE."""
        context = self._context(self.cert, self.key)
        others = {_ascii_name(name): self._context(cert, key) for name, (cert, key) in self.sni.items()}

        def choose(connection: Any, name: str | None, _: ssl.SSLContext) -> None:
            # In ASCII, as it is sent: RFC 6066, section 3.
            connection.servername = name
            if name is not None and others:
                name = name.lower()
                chosen = others.get(name) or others.get("*." + name.partition(".")[2])
                if chosen is not None:
                    connection.context = chosen

        context.sni_callback = choose
        keep_quiet()
        return context

    def _context(self, cert: Path, key: Path | None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.minimum_version = _VERSIONS[self.min_version]
        load_pair(context, cert, key, self.passphrase)
        if (text := complaint(cert)) is not None:
            logger.warning("the certificate %s: %s", os.fspath(cert), text)
        if self.client_ca is not None and self.client_cert != "none":
            load_authorities(context, self.client_ca)
        context.verify_mode = _VERIFY[self.client_cert]
        _adjust(context, self.ciphers, self.alpn_protocols)
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Whom a client trusts, and what it shows.

    ca: authorities in PEM; None: the system's. verify: False trusts everybody, which is for tests. cert, key, passphrase: as of
    ServerOptions, for servers that ask for one."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    verify: bool = True
    ciphers: str | None = None
    alpn_protocols: tuple[str, ...] = ()

    def load(self) -> ssl.SSLContext:
        """Read the files. Raises as ServerOptions.load()."""
        context = ssl.create_default_context() if self.ca is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca is not None:
            load_authorities(context, self.ca)
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert is not None:
            load_pair(context, self.cert, self.key, self.passphrase)
        _adjust(context, self.ciphers, self.alpn_protocols)
        return context


def server_context(tls: "ServerOptions | ssl.SSLContext", *, alpn_protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
    """The context of a server that was given `tls`. Of a context of the user's renegotiation is turned off, and nothing else is
    touched; alpn_protocols count for options that name none. Raises as ServerOptions.load(), and TreadleError:
    ERR_INVALID_ARG_TYPE."""
    if isinstance(tls, ServerOptions):
        context = tls.load() if tls.alpn_protocols or not alpn_protocols else _with_protocols(tls, alpn_protocols).load()
    elif isinstance(tls, ssl.SSLContext):
        context = tls
        context.options |= ssl.OP_NO_RENEGOTIATION
    else:
        raise TreadleError(
            "ERR_INVALID_ARG_TYPE", name="tls", expected="tls.ServerOptions or an ssl.SSLContext", received=type(tls).__name__
        )
    return context


def client_context(tls: "ClientOptions | ssl.SSLContext | None") -> ssl.SSLContext:
    """Likewise, of a client; None: the defaults."""
    if tls is None or isinstance(tls, ClientOptions):
        return (tls or ClientOptions()).load()
    if not isinstance(tls, ssl.SSLContext):
        raise TreadleError(
            "ERR_INVALID_ARG_TYPE", name="tls", expected="tls.ClientOptions or an ssl.SSLContext", received=type(tls).__name__
        )
    tls.options |= ssl.OP_NO_RENEGOTIATION
    return tls


def _ascii_name(name: str) -> str:
    try:
        return name.encode("idna").decode("ascii").lower().rstrip(".")
    except UnicodeError:
        raise TreadleError("ERR_INVALID_ARG_VALUE", name="sni", expected="names of hosts", received=name) from None


def _with_protocols(options: ServerOptions, protocols: tuple[str, ...]) -> ServerOptions:
    values = {name: getattr(options, name) for name in ServerOptions.__dataclass_fields__}
    return ServerOptions(**(values | {"alpn_protocols": protocols}))


def load_pair(context: ssl.SSLContext, cert: Path, key: Path | None, passphrase: str | None) -> None:
    """Load a certificate and its key. Raises OSError, ssl.SSLError: they say which files."""

    def password() -> str:
        if passphrase is None:
            raise ValueError("the key is encrypted, and no passphrase was given")
        return passphrase

    shown = os.fspath(cert) if key is None else f"{os.fspath(cert)}, {os.fspath(key)}"
    try:
        context.load_cert_chain(cert, key, password)
    except ssl.SSLError as error:
        fault = _fault_of_pair(cert, key, passphrase) if error.reason in (None, "PEM lib") or "PEM" in error.reason else None
        raise ssl.SSLError(error.errno, fault or f"{_reason(error)}: {shown}") from error
    except OSError as error:
        raise _named(error, [cert] if key is None else [cert, key]) from None
    except ValueError as error:
        raise ssl.SSLError(ssl.SSL_ERROR_SSL, f"{error}: {shown}") from None


def _fault_of_pair(cert: Path, key: Path | None, passphrase: str | None) -> str | None:
    """What a look at the files tells, where OpenSSL says no more than that something is wrong with PEM. None: nothing."""
    found = {}
    for path in (cert, key or cert):
        with open(os.fspath(path), "rb") as file:
            found[path] = file.read(PEM_BYTES_MAX)
    for path, what in ((cert, b"CERTIFICATE"), (key or cert, b"PRIVATE KEY")):
        if what + b"-----" not in found[path]:
            name = "certificate" if path is cert and what == b"CERTIFICATE" else "key"
            hint = "; where is it (--tls-key, key=)?" if key is None and name == "key" else ""
            return f"no {name} in {os.fspath(path)}{hint}"
    if passphrase is not None and b"ENCRYPTED" in found[key or cert]:
        return f"the passphrase does not open the key in {os.fspath(key or cert)}"
    return None


def load_authorities(context: ssl.SSLContext, ca: Path) -> None:
    """Load the authorities that count. Raises likewise."""
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise ssl.SSLError(error.errno, f"{_reason(error)}: {os.fspath(ca)}") from error
    except OSError as error:
        raise _named(error, [ca]) from None


def _reason(error: ssl.SSLError) -> str:
    said = {"KEY_VALUES_MISMATCH": "the key is not the certificate's", "NO_START_LINE": "no certificate or key in PEM"}
    reason = error.reason or error.strerror or "not to be read"
    return said.get(reason, "not a certificate or key" if reason == "PEM lib" or "PEM" in reason else reason)


def _named(error: OSError, paths: list[Path]) -> OSError:
    # ssl does not say which of two files.
    for path in paths:
        try:
            with open(os.fspath(path), "rb"):
                pass
        except PermissionError as one:
            who = f"the user that this runs as (uid {os.geteuid()}) may not read it"
            return PermissionError(one.errno, f"{one.strerror}: {who}", one.filename)
        except OSError as one:
            return one
    return error


def _adjust(context: ssl.SSLContext, ciphers: str | None, protocols: tuple[str, ...]) -> None:
    if ciphers is not None:
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError:
            raise TreadleError(
                "ERR_INVALID_ARG_VALUE", name="ciphers", expected="a list of OpenSSL's that names a cipher", received=ciphers
            ) from None
    if protocols:
        context.set_alpn_protocols(list(protocols))


def _no_choice(name: str, choices: Mapping[str, object], received: object) -> TreadleError:
    return TreadleError("ERR_INVALID_ARG_VALUE", name=name, expected=" or ".join(choices), received=received)
