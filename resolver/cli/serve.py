"""`resolver serve`: the service over HTTP."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import click

from resolver.cli.context import App, local_options
from resolver.core.extras import how_to_install
from resolver.errors import UsageError

_LAST_PORT = 65535
_WHOLE = 100

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
    "--proxy-protocol", is_flag=True, help="Trusted proxies begin each connection with the PROXY protocol."
)
@click.option(
    "--health-listen",
    metavar="HOST:PORT",
    help="Answer /ok and /ready on a listener of their own, too, in plain HTTP.",
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
    "--share",
    type=click.IntRange(1, 100),
    default=25,
    show_default=True,
    metavar="PERCENT",
    help="Part of connections, requests in work and memory that one address or user may have.",
)
@click.option(
    "--network-share",
    "network_shares",
    multiple=True,
    metavar="NETWORK=PERCENT",
    help="Part that all who come from a network have together, as those behind one NAT do. Repeatable.",
)
@click.option(
    "--max-connections",
    type=click.IntRange(16),
    default=2000,
    show_default=True,
    metavar="NUMBER",
    help="Most connections of one process; fewer where descriptors are limited.",
)
@click.option(
    "--max-memory",
    type=click.IntRange(1024 * 1024),
    default=256 * 1024 * 1024,
    show_default=True,
    metavar="BYTES",
    help="Bodies and answers that one process holds at once.",
)
@click.option(
    "--drain-delay",
    type=click.IntRange(0, 3600),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="How long to go on after SIGTERM, not ready, until a balancer has noticed.",
)
@click.option(
    "--hidden-for-uploads-only",
    is_flag=True,
    help="Use hidden values only in blueprints that the server reads itself.",
)
@local_options
def serve(  # noqa: PLR0913 - one for each option
    app: App,
    *,
    host: str,
    port: int,
    unix_socket: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    trusted_proxies: tuple[str, ...],
    proxy_protocol: bool,
    health_listen: str | None,
    workers: int,
    max_body: int,
    address_rate: float,
    user_rate: float,
    share: int,
    network_shares: tuple[str, ...],
    max_connections: int,
    max_memory: int,
    drain_delay: int,
    hidden_for_uploads_only: bool,
) -> None:
    """Serve the REST API until stopped by SIGTERM or Ctrl-C. Plain HTTP is served on loopback only."""
    try:
        from resolver.rest.options import ServerOptions  # noqa: PLC0415
        from resolver.rest.server import Listener, serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the server's libraries are not installed: there is no {error.name}",
            hint=how_to_install("server"),
        ) from None
    health = None if health_listen is None else _host_and_port(health_listen)
    listener = Listener(host, port, unix_socket, tls_cert, tls_key, trusted_proxies, proxy_protocol, health)
    options = ServerOptions(
        max_body=max_body,
        address_rate=address_rate,
        user_rate=user_rate,
        share=share / 100,
        network_shares=dict(map(_network_share, network_shares)),
        max_connections=max_connections,
        max_memory=max_memory,
        hidden_for_uploads_only=hidden_for_uploads_only,
        workers=workers,
        drain_seconds=drain_delay,
    )
    serve(app.settings, listener, options)


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > _LAST_PORT:
        raise UsageError(f"{text!r} is not a host with a port", hint="write it like 127.0.0.1:8201")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _network_share(text: str) -> tuple[str, float]:
    network, _, percent = text.partition("=")
    try:
        ipaddress.ip_network(network)
        part = int(percent)
    except ValueError:
        part = 0
    if not 0 < part <= _WHOLE:
        raise UsageError(
            f"{text!r} is not a network with its share", hint="write it like 192.0.2.0/24=50, in percent"
        )
    return network, part / _WHOLE
