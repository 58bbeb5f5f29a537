"""Secrets, and what belongs to them, as Cloudify's API shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from resolver.core.model import Secret, Visibility
from resolver.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping


class SecretItem(Struct, frozen=True, kw_only=True):
    """A secret in a list, as Cloudify shows it."""

    key: str
    created_at: str
    updated_at: str
    visibility: Visibility
    tenant_name: str
    created_by: str
    is_hidden_value: bool
    provider_name: str | None
    resource_availability: Visibility


class SecretObject(SecretItem, frozen=True, kw_only=True):
    """A secret as Cloudify shows it; `value` is empty unless a value was asked for and may be shown."""

    value: Any
    schema: dict[str, Any] | None
    provider_options: str | None
    private_resource: bool

    def __repr__(self) -> str:
        return f"SecretObject({self.key!r})"


def secret_item(secret: Secret) -> SecretItem:
    """A secret in a list."""
    return SecretItem(**_item_fields(secret))


def _item_fields(secret: Secret) -> dict[str, Any]:
    return {
        "key": secret.key,
        "created_at": secret.created_at,
        "updated_at": secret.updated_at,
        "visibility": secret.visibility,
        "tenant_name": secret.tenant.name,
        "created_by": secret.owner.name,
        "is_hidden_value": secret.hidden,
        "provider_name": secret.provider,
        "resource_availability": secret.visibility,
    }


def secret_object(
    secret: Secret,
    value: Any = "",  # noqa: ANN401 - JSON data
    options: Mapping[str, str] | None = None,
) -> SecretObject:
    """A secret as a whole."""
    return SecretObject(
        **_item_fields(secret),
        value=value,
        schema=None if secret.schema is None else json.loads(secret.schema),
        provider_options=json.dumps(dict(options)) if options else None,
        private_resource=secret.visibility is Visibility.PRIVATE,
    )


def texts(parameters: Mapping[str, Any] | None) -> dict[str, str]:
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
