"""``treadle serve module:app``: an ASGI or WSGI application behind treadle's server. Flags carry uvicorn's names."""

import contextlib
import dataclasses
import sys
from typing import TYPE_CHECKING, Any

import click

from treadle.cli import failures, logs
from treadle.cli.routes import PREFIX, PREFIX_AND_SECONDS, table_of

if TYPE_CHECKING:
    from treadle.http import Edge

__all__ = ["serve"]

MIN_BODY_RATE = 240  # bytes a second, as http.Limits has it, which is not imported for a --help


def _mode(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    if not value.isascii() or not value.isdecimal() or set(value) & {"8", "9"} or int(value, 8) > 0o777:
        raise click.BadParameter(f"{value!r} is no mode in octal, such as 660")
    return int(value, 8)


@click.command()
@click.argument("app", metavar="MODULE:ATTRIBUTE")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free one.")
@click.option("--uds", metavar="PATH", help="Listen on a Unix socket instead.")
@click.option("--uds-mode", metavar="OCTAL", callback=_mode, help="Of its file, such as 660.  [default: by the umask]")
@click.option("--fd", type=click.IntRange(0), metavar="N", help="Listen on this descriptor instead; systemd's is 3.")
@click.option("--backlog", type=click.IntRange(1), default=2048, show_default=True, help="Connections the kernel holds.")
@click.option("--app-dir", default="", help="Folder to import from.  [default: the current one]")
@click.option(
    "--interface",
    type=click.Choice(["auto", "asgi3", "asgi2", "wsgi"]),
    default="auto",
    show_default=True,
    help="What ATTRIBUTE speaks; auto: seen at it.",
)
@click.option("--factory", is_flag=True, help="ATTRIBUTE makes the application when called.")
@click.option("--root-path", default="", help="Path under which a proxy mounts the application.")
@click.option(
    "--static",
    multiple=True,
    metavar="PREFIX=DIR",
    callback=lambda _, __, texts: tuple(_mount(text) for text in texts),
    help="Serve the files of a folder below a path, such as /assets=public. Any number of times.",
)
@click.option("--lifespan", type=click.Choice(["auto", "on", "off"]), default="auto", show_default=True)
@click.option(
    "--forwarded-allow-ips",
    default="",
    envvar="FORWARDED_ALLOW_IPS",
    metavar="LIST",
    help="Proxies that are believed: addresses, networks, unix, *.  [default: none]",
)
@click.option(
    "--forwarded-fields",
    type=click.Choice(["x-forwarded", "forwarded"]),
    default="x-forwarded",
    show_default=True,
    help="What they say it in: X-Forwarded-*, or Forwarded.",
)
@click.option("--proxy-protocol", is_flag=True, help="Their connections begin with a PROXY header, v1 or v2.")
@click.option("--access-log", metavar="FILE", help="A line for each request; -: on stdout.")
@click.option(
    "--access-log-format",
    type=click.Choice(["common", "combined", "json"]),
    default="common",
    show_default=True,
)
@click.option(
    "--request-id",
    type=click.Choice(["off", "on", "echo"]),
    default="off",
    show_default=True,
    help="X-Request-Id for each request; echo: answers tell it, too.",
)
@click.option(
    "--max-connections", type=click.IntRange(1), metavar="N",
    help="Open at a time; more are closed at once.  [default: no limit]",
)
@click.option(
    "--max-requests-per-socket", type=click.IntRange(0), default=0, metavar="N",
    help="Of one connection; the answer to the last one closes it. 0: no limit.  [default: 0]",
)
@click.option(
    "--min-body-rate", type=click.IntRange(0), default=MIN_BODY_RATE, show_default=True, metavar="BYTES",
    help="A second, of a body that is read, on the whole, from 5 s on; below it 408. 0: no limit.",
)
@click.option(
    "--timeout-keep-alive", type=click.FloatRange(0, min_open=True), default=75, show_default=True, metavar="SECONDS",
    help="Between two requests of a connection.",
)
@click.option(
    "--timeout-graceful-shutdown",
    type=click.FloatRange(0),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="For answers under way when a signal comes.",
)
@click.option(
    "--tls-cert",
    "--ssl-certfile",
    "tls_cert",
    metavar="FILE",
    help="Speak HTTPS, with this certificate (PEM, with its chain).",
)
@click.option("--tls-key", "--ssl-keyfile", "tls_key", metavar="FILE", help="Its key.  [default: in the same file]")
@click.option("--tls-passphrase-file", metavar="FILE", help="What the keys are encrypted with is its first line.")
@click.option("--tls-sni", metavar="HOST=CERT[,KEY]", multiple=True, help="Another certificate for a host. Repeatable.")
@click.option(
    "--tls-client-cert",
    type=click.Choice(["none", "optional", "required"]),
    help="Whether clients show one.  [default: required with --tls-client-ca, else none]",
)
@click.option("--tls-client-ca", "--ssl-ca-certs", "tls_client_ca", metavar="FILE", help="Authorities that certify clients.")
@click.option("--tls-ciphers", "--ssl-ciphers", "tls_ciphers", metavar="LIST", help="For TLS 1.2, as OpenSSL writes it.")
@click.option(
    "--request-timeout",
    type=click.FloatRange(0),
    default=0,
    metavar="SECONDS",
    help="For a whole answer; past it 504, or the connection is cut. 0: no deadline.  [default: 0]",
)
@click.option(
    "--request-timeout-of",
    type=PREFIX_AND_SECONDS,
    multiple=True,
    metavar="PREFIX=SECONDS",
    help="Likewise, below a prefix of the path; the longest that fits counts. May be repeated.",
)
@click.option("--cancel-on-disconnect", is_flag=True, help="Cancel the application when its client has left.")
@click.option(
    "--cancel-on-disconnect-of", type=PREFIX, multiple=True, metavar="PREFIX", help="Likewise, below a prefix. May be repeated."
)
@click.option("--workers", type=int, default=1, show_default=True, help="Processes. More than 1 is not possible yet.")
@click.option("--reload", is_flag=True, help="Not possible yet.")
@click.option("--log-level", type=click.Choice(logs.LEVELS), help="Of treadle's log.  [default: info]")
@click.option("--log-config", metavar="FILE", help="A logging configuration, JSON or INI.")
def serve(app: str, workers: int, reload: bool, log_level: str | None, log_config: str | None, **flags: Any) -> None:
    """Serve the application MODULE:ATTRIBUTE, ASGI or WSGI, in one process. Ctrl-C or SIGTERM ends it gracefully; a second one
    at once."""
    if workers != 1:
        raise click.UsageError("--workers: one process is all there is yet; start several behind a balancer meanwhile")
    if reload:
        raise click.UsageError("--reload does not exist yet; restart the command meanwhile")
    if flags["fd"] is not None and flags["uds"] is not None:
        raise click.UsageError("--fd and --uds: it listens in one place")
    logs.set_up(log_level, log_config)
    sys.exit(_serve(app, flags))


def _mount(text: str) -> Any:
    prefix, mark, directory = text.partition("=")
    if not mark or not prefix.startswith("/") or not directory:
        raise click.BadParameter(f'"{text}" is not PREFIX=DIR, such as /assets=public')
    from treadle._base.errors import TreadleError
    from treadle.http import serve_static

    try:
        return serve_static(directory, prefix=prefix)
    except (OSError, TreadleError) as error:
        raise click.BadParameter(f'"{text}": {error.strerror if isinstance(error, OSError) else error}') from None


def _serve(target: str, flags: dict[str, Any]) -> int:
    from treadle.asgi import AppLoadError, ServeConfig, StartupError, load_app
    from treadle.asgi import serve as serve_app
    from treadle.cli.tls import tls_options
    from treadle.http import Limits, Timeouts

    tls = tls_options(flags)
    with contextlib.ExitStack() as stack:
        try:
            app = load_app(target, app_dir=flags["app_dir"], factory=flags["factory"], interface=flags["interface"])
            config = ServeConfig(
                host=flags["host"],
                port=flags["port"],
                uds=flags["uds"],
                uds_mode=flags["uds_mode"],
                fd=flags["fd"],
                backlog=flags["backlog"],
                root_path=flags["root_path"],
                static=flags["static"],
                lifespan=flags["lifespan"],
                graceful_s=flags["timeout_graceful_shutdown"],
                cancel_on_disconnect=flags["cancel_on_disconnect"],
                routes=table_of(flags["request_timeout_of"], flags["cancel_on_disconnect_of"]),
                max_connections=flags["max_connections"],
                max_requests_per_socket=flags["max_requests_per_socket"],
                limits=Limits(body_bytes_per_s=flags["min_body_rate"] or None),
                timeouts=Timeouts(keep_alive_s=flags["timeout_keep_alive"], response_s=flags["request_timeout"] or None),
                edge=_edge(flags, stack),
                tls=tls,
            )
            serve_app(app, config, name=target)
        except AppLoadError as error:
            raise click.ClickException(str(error)) from None
        except StartupError as error:
            if error.__cause__ is not None:
                failures.show(error.__cause__)
            click.echo(f"Error: {error}", err=True)
            return 3
        except KeyboardInterrupt:
            return 130
        except click.ClickException:
            raise
        except Exception as error:
            failures.show(error)
            return 1
    return 0


def _edge(flags: dict[str, Any], stack: contextlib.ExitStack) -> "Edge":
    """What the flags say of proxies, ids and the access log, which stack closes."""
    from treadle._base.errors import TreadleError
    from treadle.http import Edge, Origin, access_log

    origin = Origin(flags["forwarded_allow_ips"], flags["forwarded_fields"], flags["proxy_protocol"])
    try:
        edge = Edge(origin, flags["request_id"])
    except TreadleError as error:
        if flags["proxy_protocol"] and not origin.trusted.strip():
            raise click.UsageError("--proxy-protocol: name the proxies that send its header, by --forwarded-allow-ips") from None
        raise click.UsageError(f"--forwarded-allow-ips: {error}") from None
    if flags["access_log"] is None:
        return edge
    try:
        log = access_log(flags["access_log"], flags["access_log_format"])
    except OSError as error:
        raise click.ClickException(f"--access-log {flags['access_log']}: {error.strerror}") from None
    stack.callback(log.close)
    return dataclasses.replace(edge, access_log=log)
