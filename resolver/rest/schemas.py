"""How secrets, and what belongs to them, look on the wire: Cloudify's objects, and our own."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from resolver.core.model import Narrowing, Secret
from resolver.core.permissions import Permission
from resolver.errors import InvalidRequestError
from resolver.rest.routing import Body

VisibilityName = Literal["private", "tenant", "global"]
VersionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Narrowed(Body):
    """What a new token is narrowed to: null leaves everything, an empty list nothing at all."""

    permissions: list[Permission] | None = None
    tenants: list[str] | None = None
    keys: list[str] | None = None

    def narrowing(self) -> Narrowing:
        """The same, for the service."""
        return Narrowing(
            None if self.permissions is None else frozenset(self.permissions),
            None if self.tenants is None else frozenset(self.tenants),
            None if self.keys is None else tuple(self.keys),
        )


class SecretItem(TypedDict):
    """A secret in a list, as Cloudify shows it."""

    key: str
    created_at: str
    updated_at: str
    visibility: str
    tenant_name: str
    created_by: str
    is_hidden_value: bool
    provider_name: str | None
    resource_availability: str


class SecretObject(SecretItem):
    """A secret as Cloudify shows it; `value` is empty unless a value was asked for and may be shown."""

    value: Any
    schema: dict[str, Any] | None
    provider_options: str | None
    private_resource: bool


def secret_item(secret: Secret) -> SecretItem:
    """A secret in a list."""
    return SecretItem(
        key=secret.key,
        created_at=secret.created_at,
        updated_at=secret.updated_at,
        visibility=secret.visibility.value,
        tenant_name=secret.tenant.name,
        created_by=secret.owner.name,
        is_hidden_value=secret.hidden,
        provider_name=secret.provider,
        resource_availability=secret.visibility.value,
    )


def secret_object(
    secret: Secret,
    value: Any = "",  # noqa: ANN401 - JSON data
    options: Mapping[str, str] | None = None,
) -> SecretObject:
    """A secret as a whole."""
    return SecretObject(
        **secret_item(secret),
        value=value,
        schema=None if secret.schema is None else json.loads(secret.schema),
        provider_options=json.dumps(dict(options)) if options else None,
        private_resource=secret.visibility.value == "private",
    )


class SecretFacts(TypedDict):
    """A secret without its value, in our own words."""

    id: str
    key: str
    tenant: str
    visibility: str
    hidden: bool
    owner: str
    version: int
    created_at: str
    updated_at: str
    schema: str | None
    expires_at: str | None
    rotate_after: int | None
    rotate_at: str | None
    provider: str | None


def secret_facts(secret: Secret) -> SecretFacts:
    """A secret without its value."""
    return SecretFacts(
        id=secret.id,
        key=secret.key,
        tenant=secret.tenant.name,
        visibility=secret.visibility.value,
        hidden=secret.hidden,
        owner=secret.owner.name,
        version=secret.version,
        created_at=secret.created_at,
        updated_at=secret.updated_at,
        schema=secret.schema,
        expires_at=secret.expires_at,
        rotate_after=secret.rotate_after,
        rotate_at=secret.rotate_at,
        provider=secret.provider,
    )


class NarrowingFacts(TypedDict):
    """How a token is narrower than its user; null where it is not."""

    permissions: list[str] | None
    tenants: list[str] | None
    keys: list[str] | None


class HoldingFacts(TypedDict):
    """Something that a tenant holds and a user owns."""

    kind: str
    id: str
    name: str
    tenant: str


def texts(parameters: dict[str, Any] | None) -> dict[str, str]:
    """Parameters and options of a provider as text; numbers and booleans as JSON writes them."""
    read: dict[str, str] = {}
    for name, value in (parameters or {}).items():
        if isinstance(value, bool):
            read[name] = str(value).lower()
        elif isinstance(value, (str, int)):
            read[name] = str(value)
        else:
            raise InvalidRequestError("a parameter of a provider is neither text nor a number")
    return read
