"""Secrets providers in our own words, for `resolver secrets providers` in remote mode."""

from typing import Annotated

from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.core.model import Visibility
from resolver.protocol.codec import encode
from resolver.rest.responses import Answer, nothing
from resolver.rest.routing import OWN, Body, CallerDep, Group, ServiceDep, TenantDep
from resolver.rest.schemas import VisibilityName

GROUP = Group("providers in full", OWN)

_Parameters = Annotated[dict[str, str], Field(max_length=50)]


class ProviderFacts(TypedDict):
    """A secrets provider, without its connection parameters."""

    id: str
    name: str
    kind: str
    tenant: str
    visibility: str
    owner: str
    created_at: str
    updated_at: str


class ShownProvider(TypedDict):
    """A provider; `parameters` is null for who may not read them."""

    provider: ProviderFacts
    parameters: dict[str, str] | None


class ProviderList(TypedDict):
    """Providers."""

    providers: list[ProviderFacts]


class Tested(TypedDict):
    """Whether a provider answers."""

    answers: bool


class NewProviderFacts(Body):
    """A provider to be set up."""

    type: str
    parameters: _Parameters = Field({})
    visibility: VisibilityName = "tenant"


class ProviderFactsChange(Body):
    """What is to be changed of a provider; what is empty stays."""

    type: str = ""
    parameters: _Parameters = Field({})
    visibility: VisibilityName | None = None


class ProviderTrial(Body):
    """A provider to be tested: a stored one by its name, or one that could be set up."""

    name: str = ""
    type: str = ""
    parameters: _Parameters = Field({})


@GROUP.route("GET", "/providers", ProviderList)
def list_provider_facts(caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """The providers that the caller may name in a tenant; no connection parameters."""
    return Answer({"providers": encode(service.providers.list(caller, tenant))})


@GROUP.route("PUT", "/providers/{name}", ProviderFacts)
def make_provider(
    name: str, body: NewProviderFacts, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """Set up a provider."""
    made = service.providers.create(
        caller, tenant, name, body.type, body.parameters, Visibility(body.visibility)
    )
    return Answer(encode(made))


@GROUP.route("GET", "/providers/{name}", ShownProvider)
def show_provider(name: str, caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """A provider; with its connection parameters for those who may read them."""
    return Answer(encode(service.providers.get(caller, tenant, name)))


@GROUP.route("PATCH", "/providers/{name}", ProviderFacts)
def change_provider(
    name: str, body: ProviderFactsChange, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """Change a provider. Another destination needs the credentials again."""
    changed = service.providers.update(
        caller,
        tenant,
        name,
        kind=body.type,
        parameters=body.parameters,
        visibility=None if body.visibility is None else Visibility(body.visibility),
    )
    return Answer(encode(changed))


@GROUP.route("DELETE", "/providers/{name}", status=204)
def drop_provider(name: str, caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """Delete a provider that no secret is kept with."""
    service.providers.delete(caller, tenant, name)
    return nothing()


@GROUP.route("POST", "/providers-test", Tested)
def test_provider(body: ProviderTrial, caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """Test whether a provider answers."""
    answers = service.providers.test(
        caller, tenant, name=body.name, kind=body.type, parameters=body.parameters
    )
    return Answer({"answers": answers})
