"""`resolver serve`: the service over HTTP."""

from __future__ import annotations

from pathlib import Path

import click

from resolver.cli.context import App, common_options
from resolver.errors import UsageError

_FILE = click.Path(path_type=Path, readable=False)


@click.command
@click.option("--host", default="127.0.0.1", show_default=True, help="Name or address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8200,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--unix-socket", type=_FILE, metavar="PATH", help="Listen on a unix socket instead.")
@click.option("--tls-cert", type=_FILE, metavar="FILE", help="Certificate chain, in PEM.")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="The certificate's key, in PEM, unencrypted.")
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="ADDRESS",
    help="Believe this proxy's X-Forwarded-For; `unix` is who comes by the socket. Repeatable.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the work; more than one need PostgreSQL.",
)
@click.option(
    "--max-body",
    type=click.IntRange(1024),
    default=16 * 1024 * 1024,
    show_default=True,
    metavar="BYTES",
    help="Largest body of a request.",
)
@click.option(
    "--address-rate",
    type=click.FloatRange(0),
    default=200.0,
    show_default=True,
    metavar="NUMBER",
    help="Requests a second for one address; 0 is no limit.",
)
@click.option(
    "--user-rate",
    type=click.FloatRange(0),
    default=100.0,
    show_default=True,
    metavar="NUMBER",
    help="Requests a second for one user; 0 is no limit.",
)
@click.option(
    "--hidden-for-uploads-only",
    is_flag=True,
    help="Use hidden values only in blueprints that the server reads itself.",
)
@common_options
def serve(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    host: str,
    port: int,
    unix_socket: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    trusted_proxies: tuple[str, ...],
    workers: int,
    max_body: int,
    address_rate: float,
    user_rate: float,
    hidden_for_uploads_only: bool,
) -> None:
    """Serve the REST API until stopped by SIGTERM or Ctrl-C. Plain HTTP is served on loopback only."""
    try:
        from resolver.rest.options import ServerOptions  # noqa: PLC0415
        from resolver.rest.server import Listener, serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the server's libraries are not installed: there is no {error.name}",
            hint="pip install 'blueprint-resolver[server]'",
        ) from None
    listener = Listener(host, port, unix_socket, tls_cert, tls_key, trusted_proxies)
    options = ServerOptions(
        max_body=max_body,
        address_rate=address_rate,
        user_rate=user_rate,
        hidden_for_uploads_only=hidden_for_uploads_only,
        workers=workers,
    )
    serve(app.settings, listener, options)
