"""Secrets providers that a server knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from resolver.client.session import Remote, step
from resolver.core.model import check_key
from resolver.core.providers import Provider, ProviderInfo
from resolver.protocol.codec import encode

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from resolver.core.providers import NewProvider, ProviderChange, ProviderCheck


class _Listed(Struct, frozen=True):
    """The answer to a list."""

    providers: Sequence[Provider]


class _Tested(Struct, frozen=True):
    """The answer to a test."""

    answers: bool


class RemoteProviders(Remote):
    """The secrets providers of all tenants."""

    def create(self, caller: Caller, tenant: str, name: str, new: NewProvider) -> Provider:
        """Set up a provider."""
        path = f"/providers/{check_key(name, 'provider name')}"
        return self._server.ask(caller, Provider, "PUT", path, encode(new), tenant=tenant)

    def get(self, caller: Caller, tenant: str, name: str) -> ProviderInfo:
        """A provider; with its connection parameters for those who may read them."""
        return self._server.ask(caller, ProviderInfo, "GET", _path(tenant, name), tenant=tenant)

    def list(self, caller: Caller, tenant: str) -> Sequence[Provider]:
        """The providers that the caller may name in a tenant."""
        return self._server.ask(caller, _Listed, "GET", "/providers", tenant=tenant).providers

    def update(self, caller: Caller, tenant: str, name: str, wanted: ProviderChange) -> Provider:
        """Change a provider; what is not given stays."""
        path, body = _path(tenant, name), encode(wanted)
        return self._server.ask(caller, Provider, "PATCH", path, body, tenant=tenant)

    def delete(self, caller: Caller, tenant: str, name: str) -> None:
        """Delete a provider that no secret is kept with."""
        self._server.do(caller, "DELETE", _path(tenant, name), tenant=tenant)

    def test(self, caller: Caller, tenant: str, wanted: ProviderCheck) -> bool:
        """Whether a provider answers to the server: a stored one, or one that could be set up."""
        path, body = "/providers-test", encode(wanted)
        return self._server.ask(caller, _Tested, "POST", path, body, tenant=tenant, asks=True).answers


def _path(tenant: str, name: str) -> str:
    missing = f"secrets provider {name!r} was not found in tenant {tenant!r}"
    hint = f"`resolver secrets providers list -t {tenant}` shows what there is"
    return f"/providers/{step(name, missing, hint)}"
