"""Opens what the settings name: a store in this process, or a server. Each loads only what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolver.bootstrap.embedded import PluginTypes
    from resolver.client import Client
    from resolver.config.identity import IdentitySource
    from resolver.config.settings import Settings
    from resolver.core.model import Caller
    from resolver.core.ports.service import AnyService


def open_server(url: str, ca_file: str | None, what: str) -> Client:
    """Make a client of a server; nothing is connected yet.

    Args:
        url: the server's URL.
        ca_file: a file with the authorities that its certificate is verified against; None for the system's.
        what: what the URL is called in messages.

    Raises:
        UsageError: the URL or the file is wrong.
    """
    from resolver.client import open_client  # noqa: PLC0415 - not for a store in this process

    return open_client(url, ca_file, what)


def identify(service: AnyService, settings: Settings, source: IdentitySource) -> Caller:
    """Identify a workload: its platform's JWT goes to the server that the settings name, and nowhere else.

    Raises:
        UsageError: the store is on this machine.
        AuthenticationError: there is no identity, or the server refuses it.
    """
    jwt = "" if settings.server_url is None else settings.read_identity(source)
    return service.gate.exchange_jwt(jwt, settings.trust)


def open_any(
    settings: Settings, plugins: PluginTypes, warn: Callable[[str], None] | None = None
) -> AnyService:
    """Open the store or the server that the settings name.

    Args:
        settings: what to open.
        plugins: adds the types of secrets providers that plugins offer, for a store in this process.
        warn: called with each warning, such as a key file that others may read; by default the log.

    Raises:
        UsageError: a setting is wrong.
        RootKeyError: there is no root key.
        StoreError: there is no store, or it can't be opened.
    """
    url = settings.server_url
    if url is not None:
        what = "RESOLVER_URL" if settings.names_server else "the profile's URL"
        return open_server(url, settings.ca_file, what)
    from resolver.bootstrap.embedded import open_service  # noqa: PLC0415 - SQLAlchemy is slow to load

    if warn is None:
        return open_service(settings, plugins=plugins)
    return open_service(settings, warn=warn, plugins=plugins)
