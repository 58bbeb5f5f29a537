"""The columns that a secret is read from."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from resolver.core.model import Secret, Tenant, Visibility
from resolver.store import tables as t

if TYPE_CHECKING:
    from collections.abc import Sequence

GLOBAL = "global"

OWNER = t.user_account.alias("owner")

SECRET_COLUMNS = (
    t.secret.c.id,
    t.secret.c.key,
    t.secret.c.tenant_id,
    t.tenant.c.name.label("tenant_name"),
    t.secret.c.visibility,
    t.secret.c.hidden,
    t.secret.c.owner_id,
    OWNER.c.name.label("owner_name"),
    t.secret.c.version,
    t.secret.c.created_at,
    t.secret.c.updated_at,
    t.secret.c.schema,
    t.secret.c.expires_at,
    t.secret.c.rotate_after,
    t.secret.c.rotate_at,
    t.secrets_provider.c.name.label("provider_name"),
)

SECRETS = (
    t.secret.join(t.tenant, t.tenant.c.id == t.secret.c.tenant_id)
    .join(OWNER, OWNER.c.id == t.secret.c.owner_id)
    .outerjoin(t.secrets_provider, t.secrets_provider.c.id == t.secret.c.provider_id)
)


# Many rows are of one tenant, and there are three visibilities: none is made anew for each row.
_tenant = functools.lru_cache(Tenant)
_VISIBILITIES = {visibility.value: visibility for visibility in Visibility}


def make_secret(row: Sequence[Any]) -> Secret:
    """A secret from the values of `SECRET_COLUMNS`, in their order; more of them may follow."""
    secret_id, key, tenant_id, tenant, visibility, *others = row[: len(SECRET_COLUMNS)]
    return Secret(secret_id, key, _tenant(tenant_id, tenant), _VISIBILITIES[visibility], *others)
