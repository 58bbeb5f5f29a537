"""`/secrets`, as Cloudify has it."""

from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import Response
from typing_extensions import TypedDict

from resolver.core.model import Visibility
from resolver.errors import InvalidRequestError
from resolver.rest.answers import Answer, nothing, page
from resolver.rest.routes.shapes import SecretItem, SecretObject, secret_item, secret_object
from resolver.rest.routing import V3, V31, Body, CallerDep, Flag, Group, ServiceDep, TenantDep

GROUP = Group("secrets", V31, V3)

DEFAULT_SIZE = 1000
"""The size of a page when none is asked for."""


class NewSecret(Body):
    """A secret to be created."""

    value: Any
    visibility: Literal["private", "tenant", "global"] = "tenant"
    is_hidden_value: Flag = False
    update_if_exists: Flag = False


class SecretChange(Body):
    """What is to be changed of a secret; what is not there stays."""

    value: Any = None
    visibility: Literal["private", "tenant", "global"] | None = None
    is_hidden_value: Flag | None = None


class SecretPage(TypedDict):
    """A page of secrets."""

    items: list[SecretItem]
    metadata: dict[str, Any]


def _text(value: Any) -> str:  # noqa: ANN401 - JSON data
    if not isinstance(value, str):
        raise InvalidRequestError("the value is not text")
    return value


@GROUP.route("PUT", "/secrets/{key}", SecretObject)
def create_secret(
    key: str, body: NewSecret, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """Create a secret, or with `update_if_exists` give an existing one this value."""
    secret = service.secrets.create(
        caller,
        tenant,
        key,
        _text(body.value),
        visibility=Visibility(body.visibility),
        hidden=body.is_hidden_value,
        update_if_exists=body.update_if_exists,
    )
    return Answer(secret_object(secret))


@GROUP.route("GET", "/secrets/{key}", SecretObject)
def get_secret(key: str, caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """A secret with its value; an empty one in place of a hidden value that the caller may not see."""
    secret, value = service.secrets.show(caller, tenant, key)
    return Answer(secret_object(secret, value.reveal() if value is not None else ""))


@GROUP.route("PATCH", "/secrets/{key}", SecretObject)
def update_secret(
    key: str, body: SecretChange, caller: CallerDep, tenant: TenantDep, service: ServiceDep
) -> Response:
    """Change a secret."""
    secret = service.secrets.update(
        caller,
        tenant,
        key,
        value=_text(body.value) if body.value else None,
        visibility=None if body.visibility is None else Visibility(body.visibility),
        hidden=body.is_hidden_value,
    )
    return Answer(secret_object(secret))


@GROUP.route("DELETE", "/secrets/{key}", status=204)
def delete_secret(key: str, caller: CallerDep, tenant: TenantDep, service: ServiceDep) -> Response:
    """Delete a secret with all its versions."""
    service.secrets.delete(caller, tenant, key)
    return nothing()


@GROUP.route("GET", "/secrets", SecretPage)
def list_secrets(
    caller: CallerDep,
    tenant: TenantDep,
    service: ServiceDep,
    size: Annotated[int, Query(alias="_size", ge=0)] = DEFAULT_SIZE,
    offset: Annotated[int, Query(alias="_offset", ge=0)] = 0,
) -> Response:
    """The secrets of a tenant that the caller may see, and the global ones; no values."""
    found = [secret_item(secret) for secret in service.secrets.list(caller, tenant).items]
    return Answer(page(found[offset : offset + size], len(found), size, offset))
