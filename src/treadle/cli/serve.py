"""``treadle serve module:app``: an ASGI application behind treadle's server. Flags carry uvicorn's names."""

import sys
from typing import Any

import click

from treadle.cli import failures, logs

__all__ = ["serve"]


@click.command()
@click.argument("app", metavar="MODULE:ATTRIBUTE")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free one.")
@click.option("--uds", metavar="PATH", help="Listen on a Unix socket instead.")
@click.option("--backlog", type=click.IntRange(1), default=2048, show_default=True, help="Connections the kernel holds.")
@click.option("--app-dir", default="", help="Folder to import from.  [default: the current one]")
@click.option("--factory", is_flag=True, help="ATTRIBUTE makes the application when called.")
@click.option("--root-path", default="", help="Path under which a proxy mounts the application.")
@click.option(
    "--static", multiple=True, metavar="PREFIX=DIR", callback=lambda _, __, texts: tuple(_mount(text) for text in texts),
    help="Serve the files of a folder below a path, such as /assets=public. Any number of times.",
)
@click.option("--lifespan", type=click.Choice(["auto", "on", "off"]), default="auto", show_default=True)
@click.option(
    "--timeout-keep-alive", type=click.FloatRange(0, min_open=True), default=75, show_default=True, metavar="SECONDS",
    help="Between two requests of a connection.",
)
@click.option(
    "--timeout-graceful-shutdown", type=click.FloatRange(0), default=30, show_default=True, metavar="SECONDS",
    help="For answers under way when a signal comes.",
)
@click.option(
    "--tls-cert", "--ssl-certfile", "tls_cert", metavar="FILE", help="Speak HTTPS, with this certificate (PEM, with its chain).",
)
@click.option("--tls-key", "--ssl-keyfile", "tls_key", metavar="FILE", help="Its key.  [default: in the same file]")
@click.option("--tls-passphrase-file", metavar="FILE", help="What the keys are encrypted with is its first line.")
@click.option("--tls-sni", metavar="HOST=CERT[,KEY]", multiple=True, help="Another certificate for a host. Repeatable.")
@click.option(
    "--tls-client-cert", type=click.Choice(["none", "optional", "required"]),
    help="Whether clients show one.  [default: required with --tls-client-ca, else none]",
)
@click.option("--tls-client-ca", "--ssl-ca-certs", "tls_client_ca", metavar="FILE", help="Authorities that certify clients.")
@click.option("--tls-ciphers", "--ssl-ciphers", "tls_ciphers", metavar="LIST", help="For TLS 1.2, as OpenSSL writes it.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes. More than 1 is not possible yet.")
@click.option("--reload", is_flag=True, help="Not possible yet.")
@click.option("--log-level", type=click.Choice(logs.LEVELS), help="Of treadle's log.  [default: info]")
@click.option("--log-config", metavar="FILE", help="A logging configuration, JSON or INI.")
def serve(app: str, workers: int, reload: bool, log_level: str | None, log_config: str | None, **flags: Any) -> None:
    """Serve the ASGI application MODULE:ATTRIBUTE in one process. Ctrl-C or SIGTERM ends it gracefully; a second one at once."""
    if workers != 1:
        raise click.UsageError("--workers: one process is all there is yet; start several behind a balancer meanwhile")
    if reload:
        raise click.UsageError("--reload does not exist yet; restart the command meanwhile")
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
    from treadle.http import Timeouts

    tls = tls_options(flags)
    try:
        app = load_app(target, app_dir=flags["app_dir"], factory=flags["factory"])
        config = ServeConfig(
            host=flags["host"],
            port=flags["port"],
            uds=flags["uds"],
            backlog=flags["backlog"],
            root_path=flags["root_path"],
            static=flags["static"],
            lifespan=flags["lifespan"],
            graceful_s=flags["timeout_graceful_shutdown"],
            timeouts=Timeouts(keep_alive_s=flags["timeout_keep_alive"]),
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
    except Exception as error:
        failures.show(error)
        return 1
    return 0
