"""The rows of secrets providers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import case, delete, or_, select, update

from resolver.core.model import Owner, Tenant, Visibility
from resolver.core.ports import StoredExternal, StoredProvider
from resolver.core.providers import LOCAL, Provider
from resolver.core.query import ProviderField
from resolver.errors import ConflictError
from resolver.store import tables as t
from resolver.store.rows import Rows, batches, count_of, is_storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Row

    from resolver.core.query import Choice

_TABLE = t.secrets_provider

_OWNER = t.user_account.alias("provider_owner")

_PROVIDERS = select(
    *_TABLE.c,
    t.tenant.c.name.label("tenant_name"),
    _OWNER.c.name.label("owner_name"),
).select_from(
    _TABLE.join(t.tenant, t.tenant.c.id == _TABLE.c.tenant_id).join(_OWNER, _OWNER.c.id == _TABLE.c.owner_id)
)


_FIELDS: dict[ProviderField, ColumnElement[Any]] = {
    ProviderField.NAME: _TABLE.c.name,
    ProviderField.KIND: _TABLE.c.type,
    ProviderField.VISIBILITY: _TABLE.c.visibility,
    ProviderField.PRIVATE: case((_TABLE.c.visibility == Visibility.PRIVATE.value, 1), else_=0),
    ProviderField.TENANT: t.tenant.c.name,
    ProviderField.OWNER: _OWNER.c.name,
    ProviderField.CREATED_AT: _TABLE.c.created_at,
    ProviderField.UPDATED_AT: _TABLE.c.updated_at,
}


class ProviderRows(Rows):
    """Secrets providers, and the secrets that are kept with them."""

    def providers(self, tenant_id: str, name: str) -> Sequence[StoredProvider]:
        """Those of a name: the tenant's own before global ones of others, oldest first."""
        if not is_storable(name):
            return []
        own = _TABLE.c.tenant_id == tenant_id
        rows = self._connection.execute(
            _PROVIDERS.where(
                or_(own, _TABLE.c.visibility == Visibility.GLOBAL.value), _TABLE.c.name == name
            ).order_by(case((own, 0), else_=1), _TABLE.c.created_at, _TABLE.c.id)
        )
        return [_provider(row) for row in rows]

    def provider_part(
        self, tenant_id: str, private_of: str | None, choice: Choice[ProviderField]
    ) -> Sequence[Provider]:
        """A part of the tenant's providers, then of global ones of others, each by name.

        Args:
            tenant_id: the tenant.
            private_of: of its private ones only this user's; None for all.
            choice: which part.
        """
        own = case((_TABLE.c.tenant_id == tenant_id, 0), else_=1)
        query = _PROVIDERS.where(*self._seen(tenant_id, private_of, choice.search))
        ties = [own, _TABLE.c.name, _TABLE.c.created_at, _TABLE.c.id]
        rows = self._connection.execute(self._part(query, choice, _FIELDS, ties))
        return [_provider(row).provider for row in rows]

    def count_providers(self, tenant_id: str, private_of: str | None, search: str = "") -> int:
        """How many providers a tenant has, with global ones of others."""
        return count_of(self._connection, _TABLE, *self._seen(tenant_id, private_of, search))

    def _seen(self, tenant_id: str, private_of: str | None, search: str) -> list[ColumnElement[bool]]:
        own = _TABLE.c.tenant_id == tenant_id
        if private_of is not None:
            own &= or_(_TABLE.c.visibility != Visibility.PRIVATE.value, _TABLE.c.owner_id == private_of)
        seen = or_(own, _TABLE.c.visibility == Visibility.GLOBAL.value)
        return [seen, *self._named(_TABLE.c.name, search)]

    def add_provider(self, stored: StoredProvider) -> None:
        """Store a provider; ConflictError when its tenant has one of this name."""
        provider = stored.provider
        taken = self._connection.execute(
            self._insert(_TABLE)
            .values(
                id=provider.id,
                tenant_id=provider.tenant.id,
                name=provider.name,
                owner_id=provider.owner.id,
                created_at=provider.created_at,
                **_changeable(stored),
            )
            .on_conflict_do_nothing(index_elements=["tenant_id", "name"])
            .returning(_TABLE.c.id),  # PostgreSQL's driver counts no inserted rows
        ).one_or_none()
        if taken is None:
            raise ConflictError(f"secrets provider {provider.name!r} already exists")

    def change_provider(self, stored: StoredProvider, since: str) -> None:
        """Change a provider that was last changed at `since`; ConflictError when another was quicker."""
        done = self._connection.execute(
            update(_TABLE)
            .where(_TABLE.c.id == stored.provider.id, _TABLE.c.updated_at == since)
            .values(**_changeable(stored))
        )
        if done.rowcount == 0:
            raise ConflictError(
                f"secrets provider {stored.provider.name!r} was changed by someone else at the same time",
                hint="look at it again, then repeat the change if it is still wanted",
            )

    def delete_provider(self, provider_id: str) -> None:
        """Delete a provider that no secret is kept with; the database refuses one that still has any."""
        self._connection.execute(delete(_TABLE).where(_TABLE.c.id == provider_id))

    def external_values(self, secret_ids: Sequence[str]) -> Sequence[StoredExternal]:
        """Those of the secrets whose values are kept with providers."""
        columns = (t.secret.c.id, t.secret.c.provider_options_data_key_id, t.secret.c.provider_options)
        found = []
        for ids in batches(secret_ids):
            rows = self._connection.execute(
                _PROVIDERS.add_columns(*(column.label(f"secret_{column.name}") for column in columns))
                .join(t.secret, t.secret.c.provider_id == _TABLE.c.id)
                .where(t.secret.c.id.in_(ids), _TABLE.c.type != LOCAL)
            )
            found += [StoredExternal(row[-3], _provider(row), row[-2], row[-1]) for row in rows]
        return found

    def set_provider(
        self, secret_id: str, provider_id: str | None, options_key_id: str | None, options: str | None
    ) -> None:
        """Say which provider a secret is kept with, and its sealed options for that."""
        self._connection.execute(
            update(t.secret)
            .where(t.secret.c.id == secret_id)
            .values(
                provider_id=provider_id,
                provider_options=options,
                provider_options_data_key_id=options_key_id,
            )
        )

    def secrets_of_provider(self, provider_id: str, limit: int) -> Sequence[tuple[str, str]]:
        """Tenant and key of some of the secrets that are kept with a provider."""
        rows = self._connection.execute(
            select(t.tenant.c.name, t.secret.c.key)
            .join(t.tenant, t.tenant.c.id == t.secret.c.tenant_id)
            .where(t.secret.c.provider_id == provider_id)
            .order_by(t.tenant.c.name, t.secret.c.key)
            .limit(limit)
        )
        return [(row[0], row[1]) for row in rows]


def _changeable(stored: StoredProvider) -> dict[str, Any]:
    return {
        "type": stored.provider.kind,
        "visibility": stored.provider.visibility.value,
        "connection_parameters": stored.token,
        "data_key_id": stored.data_key_id,
        "updated_at": stored.provider.updated_at,
    }


def _provider(row: Row[*tuple[Any, ...]]) -> StoredProvider:
    return StoredProvider(
        Provider(
            row.id,
            row.name,
            row.type,
            Tenant(row.tenant_id, row.tenant_name),
            Visibility(row.visibility),
            Owner(row.owner_id, row.owner_name),
            row.created_at,
            row.updated_at,
        ),
        row.data_key_id,
        row.connection_parameters,
    )
