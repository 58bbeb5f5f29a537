"""`/secrets-providers`, as Cloudify's client asks for them. Stored credentials are for sys_admins only."""

import functools
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.core.model import Visibility
from resolver.core.providers import Provider
from resolver.core.query import ProviderField
from resolver.errors import ProviderError, UnavailableError
from resolver.rest.pagination import ListQueryDep
from resolver.rest.responses import Answer, nothing
from resolver.rest.routing import V31, Body, CallerDep, Flag, Group, ServiceDep, TenantDep
from resolver.rest.schemas import VisibilityName, texts

GROUP = Group("secrets providers", V31)

_Parameters = Annotated[dict[str, Any], Field(max_length=50)]


class ProviderObject(TypedDict):
    """A provider as Cloudify shows it."""

    id: str
    name: str
    type: str
    connection_parameters: dict[str, str] | None
    visibility: str
    created_at: str
    updated_at: str
    tenant_name: str
    created_by: str
    resource_availability: str
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


class ProviderPage(TypedDict):
    """A page of providers."""

    items: list[ProviderObject]
    metadata: dict[str, Any]


class NewProvider(Body):
    """A provider to be set up, or with `test` one to be tried."""

    name: str = ""
    type: str = ""
    visibility: VisibilityName = "tenant"
    connection_parameters: _Parameters | None = None
    test: Flag = False


class ProviderChange(Body):
    """What is to be changed of a provider; what is not there stays."""

    type: str | None = None
    visibility: VisibilityName | None = None
    connection_parameters: _Parameters | None = None


def _provider_object(provider: Provider, parameters: Any = None) -> ProviderObject:  # noqa: ANN401
    return ProviderObject(
        id=provider.name,
        name=provider.name,
        type=provider.kind,
        connection_parameters=None if parameters is None else dict(parameters),
        visibility=provider.visibility.value,
        created_at=provider.created_at,
        updated_at=provider.updated_at,
        tenant_name=provider.tenant.name,
        created_by=provider.owner.name,
        resource_availability=provider.visibility.value,
        private_resource=provider.visibility is Visibility.PRIVATE,
    )


@GROUP.route("PUT", "/secrets-providers", ProviderObject, or_nothing=True)
def create_provider(body: NewProvider, caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """Set up a provider. With `test`, only try whether one answers, which is 204 when it does."""
    if body.test:
        try:
            works = service.providers.test(
                caller, tenant, name=body.name, kind=body.type, parameters=texts(body.connection_parameters)
            )
        except UnavailableError:
            works = False
        if not works:
            raise ProviderError("the provider does not answer, or not as it should")
        return nothing()
    provider = service.providers.create(
        caller, tenant, body.name, body.type, texts(body.connection_parameters), Visibility(body.visibility)
    )
    return Answer(_provider_object(provider))


@GROUP.route("GET", "/secrets-providers", ProviderPage)
def list_providers(
    query: ListQueryDep, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """The providers that the caller may name in a tenant; no connection parameters."""
    page = query.part_of(
        functools.partial(service.providers.part, caller, tenant),
        _provider_object,
        list(ProviderObject.__annotations__),
        _SORTS,
    )
    return Answer(page)


@GROUP.route("GET", "/secrets-providers/{name}", ProviderObject)
def get_provider(name: str, caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """A provider; with its connection parameters for those who may read them."""
    info = service.providers.get(caller, tenant, name)
    return Answer(_provider_object(info.provider, info.parameters))


@GROUP.route("PATCH", "/secrets-providers/{name}", ProviderObject)
def update_provider(
    name: str, body: ProviderChange, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """Change a provider. An empty type and empty parameters stay as they are, as Cloudify means it."""
    provider = service.providers.update(
        caller,
        tenant,
        name,
        kind=body.type or "",
        parameters=texts(body.connection_parameters) or None,
        visibility=None if body.visibility is None else Visibility(body.visibility),
    )
    return Answer(_provider_object(provider))


@GROUP.route("DELETE", "/secrets-providers/{name}", status=204)
def delete_provider(name: str, caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """Delete a provider that no secret is kept with."""
    service.providers.delete(caller, tenant, name)
    return nothing()
