"""`/secrets-providers`, as Cloudify's client asks for them. Stored credentials are for sys_admins only."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta
from starlette.responses import Response

from resolver.core.model import Visibility
from resolver.core.providers import NewProvider, Provider, ProviderChange, ProviderCheck
from resolver.core.query import ProviderField
from resolver.core.redacted import Redacted
from resolver.core.secret_changes import unless_none
from resolver.errors import ProviderError, UnavailableError
from resolver.rest.pagination import ListQuery
from resolver.rest.responses import Answer, CloudifyPage, nothing
from resolver.rest.routing import V31, ApiCall, Flag, Group, is_true
from resolver.rest.schemas import texts

if TYPE_CHECKING:
    from collections.abc import Mapping


GROUP = Group("secrets providers", V31)

_Parameters = Annotated[dict[str, Any], Meta(max_length=50)]


class ProviderObject(Redacted, frozen=True, kw_only=True):
    """A provider as Cloudify shows it."""

    id: str
    name: str
    type: str
    connection_parameters: dict[str, str] | None
    visibility: Visibility
    created_at: str
    updated_at: str
    tenant_name: str
    created_by: str
    resource_availability: Visibility
    private_resource: bool


_SORTS: dict[str, ProviderField | None] = {
    "id": ProviderField.NAME,
    "name": ProviderField.NAME,
    "type": ProviderField.KIND,
    "connection_parameters": None,
    "visibility": ProviderField.VISIBILITY,
    "created_at": ProviderField.CREATED_AT,
    "updated_at": ProviderField.UPDATED_AT,
    "tenant_name": ProviderField.TENANT,
    "created_by": ProviderField.OWNER,
    "resource_availability": ProviderField.VISIBILITY,
    "private_resource": ProviderField.PRIVATE,
}
"""What a list of providers can be sorted by."""


class CloudifyNewProvider(Redacted, frozen=True, kw_only=True):
    """A provider to be set up, or with `test` one to be tried."""

    name: str = ""
    type: str = ""
    visibility: Visibility = Visibility.TENANT
    connection_parameters: _Parameters | None = None
    test: Flag = False


class CloudifyProviderChange(Redacted, frozen=True, kw_only=True):
    """What is to be changed of a provider; what is not there stays."""

    type: str | None = None
    visibility: Visibility | None = None
    connection_parameters: _Parameters | None = None


def _provider_object(provider: Provider, parameters: Mapping[str, str] | None = None) -> ProviderObject:
    return ProviderObject(
        id=provider.name,
        name=provider.name,
        type=provider.kind,
        connection_parameters=None if parameters is None else dict(parameters),
        visibility=provider.visibility,
        created_at=provider.created_at,
        updated_at=provider.updated_at,
        tenant_name=provider.tenant.name,
        created_by=provider.owner.name,
        resource_availability=provider.visibility,
        private_resource=provider.visibility is Visibility.PRIVATE,
    )


@GROUP.route("PUT", "/secrets-providers", ProviderObject, or_nothing=True)
def create_provider(call: ApiCall, tenant: str, body: CloudifyNewProvider) -> Response:
    """Set up a provider. With `test`, only try whether one answers, which is 204 when it does."""
    providers = call.service.providers
    parameters = texts(body.connection_parameters)
    if is_true(body.test):
        wanted = ProviderCheck(name=body.name, kind=body.type, parameters=parameters)
        try:
            works = providers.test(call.caller, tenant, wanted)
        except UnavailableError:
            works = False
        if not works:
            raise ProviderError("the provider does not answer, or not as it should")
        return nothing()
    new = NewProvider(body.type, parameters, body.visibility)
    return Answer(_provider_object(providers.create(call.caller, tenant, body.name, new)))


@GROUP.route("GET", "/secrets-providers", CloudifyPage[ProviderObject])
def list_providers(call: ApiCall, tenant: str, query: ListQuery) -> Response:
    """The providers that the caller may name in a tenant; no connection parameters."""
    page = query.part_of(
        functools.partial(call.service.providers.part, call.caller, tenant),
        _provider_object,
        ProviderObject.__struct_fields__,
        _SORTS,
    )
    return Answer(page)


@GROUP.route("GET", "/secrets-providers/{name}", ProviderObject)
def get_provider(call: ApiCall, tenant: str, name: str) -> Response:
    """A provider; with its connection parameters for those who may read them."""
    info = call.service.providers.get(call.caller, tenant, name)
    return Answer(_provider_object(info.provider, info.parameters))


@GROUP.route("PATCH", "/secrets-providers/{name}", ProviderObject)
def update_provider(call: ApiCall, tenant: str, name: str, body: CloudifyProviderChange) -> Response:
    """Change a provider. An empty type and empty parameters stay as they are, as Cloudify means it."""
    wanted = ProviderChange(
        kind=unless_none(body.type),
        parameters=texts(body.connection_parameters),
        visibility=unless_none(body.visibility),
    )
    return Answer(_provider_object(call.service.providers.update(call.caller, tenant, name, wanted)))


@GROUP.route("DELETE", "/secrets-providers/{name}", status=204)
def delete_provider(call: ApiCall, tenant: str, name: str) -> Response:
    """Delete a provider that no secret is kept with."""
    call.service.providers.delete(call.caller, tenant, name)
    return nothing()
