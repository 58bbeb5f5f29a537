"""Secrets providers in our own API, as `resolver secrets providers` asks for them in remote mode."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from starlette.responses import Response

from resolver.core.providers import NewProvider, Provider, ProviderChange, ProviderCheck, ProviderInfo
from resolver.rest.responses import Answer, nothing
from resolver.rest.routing import OWN, ApiCall, Group

GROUP = Group("providers in full", OWN)


class ProviderList(Struct, frozen=True):
    """Providers."""

    providers: Sequence[Provider]


class Tested(Struct, frozen=True):
    """Whether a provider answers."""

    answers: bool


@GROUP.route("GET", "/providers", ProviderList)
def list_providers(call: ApiCall, tenant: str) -> Response:
    """The providers that the caller may name in a tenant; no connection parameters."""
    return Answer(ProviderList(call.service.providers.list(call.caller, tenant)))


@GROUP.route("PUT", "/providers/{name}", Provider)
def create_provider(call: ApiCall, tenant: str, name: str, body: NewProvider) -> Response:
    """Set up a provider."""
    return Answer(call.service.providers.create(call.caller, tenant, name, body))


@GROUP.route("GET", "/providers/{name}", ProviderInfo)
def get_provider(call: ApiCall, tenant: str, name: str) -> Response:
    """A provider; with its connection parameters for those who may read them."""
    return Answer(call.service.providers.get(call.caller, tenant, name))


@GROUP.route("PATCH", "/providers/{name}", Provider)
def update_provider(call: ApiCall, tenant: str, name: str, body: ProviderChange) -> Response:
    """Change a provider. Another destination needs the credentials again."""
    return Answer(call.service.providers.update(call.caller, tenant, name, body))


@GROUP.route("DELETE", "/providers/{name}", status=204)
def delete_provider(call: ApiCall, tenant: str, name: str) -> Response:
    """Delete a provider that no secret is kept with."""
    call.service.providers.delete(call.caller, tenant, name)
    return nothing()


@GROUP.route("POST", "/providers-test", Tested)
def test_provider(call: ApiCall, tenant: str, body: ProviderCheck) -> Response:
    """Test whether a provider answers."""
    return Answer(Tested(call.service.providers.test(call.caller, tenant, body)))
