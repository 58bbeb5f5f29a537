"""The rows of secrets providers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import case, or_, select

from resolver.core.model import Visibility, is_storable
from resolver.core.ports import StoredExternal, StoredProvider
from resolver.core.providers import Provider
from resolver.core.query import ProviderField
from resolver.errors import ConflictError
from resolver.store import tables as t
from resolver.store.aggregates import PROVIDER, SECRET
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.records import RecordColumns
from resolver.store.rows import OWNED_BY, TENANT, count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from resolver.core.query import Choice

_TABLE = t.secrets_provider

_OWNER = t.user_account.alias("provider_owner")

_PROVIDER = RecordColumns(
    Provider,
    _TABLE,
    {
        "kind": _TABLE.c.type,
        "tenant": TENANT.within(id=_TABLE.c.tenant_id),
        "owner": OWNED_BY.within(id=_TABLE.c.owner_id, name=_OWNER.c.name),
    },
    unread=["connection_parameters", "data_key_id"],
)
_STORED = RecordColumns(
    StoredProvider,
    _TABLE,
    {"provider": _PROVIDER, "token": _TABLE.c.connection_parameters},
    aggregate=PROVIDER,
)
_FIXED = frozenset({"id", "tenant_id", "name", "owner_id", "created_at"})
"""The columns of a provider that `change_provider` leaves as they are."""

EXTERNAL = RecordColumns(
    StoredExternal,
    t.secret,
    {
        "secret_id": t.secret.c.id,
        "stored": _STORED,
        "options_key_id": t.secret.c.provider_options_data_key_id,
        "options": t.secret.c.provider_options,
    },
    unread=t.secret.c.keys(),
    aggregate=SECRET,
)

_FROM = _TABLE.join(t.tenant, t.tenant.c.id == _TABLE.c.tenant_id).join(
    _OWNER, _OWNER.c.id == _TABLE.c.owner_id
)
EXTERNAL_FROM = _FROM.join(t.secret, t.secret.c.provider_id == _TABLE.c.id)
_PROVIDERS = select(*_STORED.columns).select_from(_FROM)


_FIELDS: dict[ProviderField, ColumnElement[Any]] = {
    ProviderField.NAME: _TABLE.c.name,
    ProviderField.KIND: _TABLE.c.type,
    ProviderField.VISIBILITY: _TABLE.c.visibility,
    ProviderField.PRIVATE: case((_TABLE.c.visibility == Visibility.PRIVATE, 1), else_=0),
    ProviderField.TENANT: t.tenant.c.name,
    ProviderField.OWNER: _OWNER.c.name,
    ProviderField.CREATED_AT: _TABLE.c.created_at,
    ProviderField.UPDATED_AT: _TABLE.c.updated_at,
}


class ProviderRows(AuthenticatedRows):
    """Secrets providers, and the secrets whose values they have."""

    def providers(self, tenant_id: str, name: str) -> Sequence[StoredProvider]:
        """The providers with a name: the tenant's own before global ones of others, oldest first."""
        if not is_storable(name):
            return []
        own = _TABLE.c.tenant_id == tenant_id
        found = self._read(
            _STORED,
            _PROVIDERS.where(
                or_(own, _TABLE.c.visibility == Visibility.GLOBAL), _TABLE.c.name == name
            ).order_by(case((own, 0), else_=1), _TABLE.c.created_at, _TABLE.c.id),
        )
        for stored in found:
            self._demand_asked_for(PROVIDER.kind, name, stored.provider.name)
        return found

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
        return [stored.provider for stored in self._read(_STORED, self._part(query, choice, _FIELDS, ties))]

    def count_providers(self, tenant_id: str, private_of: str | None, search: str = "") -> int:
        """How many providers a tenant has, with global ones of others."""
        return count_of(self._connection, _TABLE, *self._seen(tenant_id, private_of, search))

    def count_own_providers(self, tenant_id: str) -> int:
        """How many providers a tenant has, without those of others."""
        return count_of(self._connection, _TABLE, _TABLE.c.tenant_id == tenant_id)

    def _seen(self, tenant_id: str, private_of: str | None, search: str) -> list[ColumnElement[bool]]:
        own = _TABLE.c.tenant_id == tenant_id
        if private_of is not None:
            own &= or_(_TABLE.c.visibility != Visibility.PRIVATE, _TABLE.c.owner_id == private_of)
        seen = or_(own, _TABLE.c.visibility == Visibility.GLOBAL)
        return [seen, *self._named(_TABLE.c.name, search)]

    def add_provider(self, stored: StoredProvider) -> None:
        """Store a provider; ConflictError when its tenant has one of this name."""
        taken = self._execute(
            self._insert(_TABLE)
            .values(self._made(PROVIDER, _STORED.values(stored)))
            .on_conflict_do_nothing(index_elements=["tenant_id", "name"])
            .returning(_TABLE.c.id)  # PostgreSQL's driver counts no inserted rows
        ).one_or_none()
        if taken is None:
            raise ConflictError(f"secrets provider {stored.provider.name!r} already exists")

    def change_provider(self, stored: StoredProvider, since: str) -> None:
        """Change a provider that was last changed at `since`; ConflictError when another was quicker."""
        before = (_TABLE.c.id == stored.provider.id, _TABLE.c.updated_at == since)
        if not self._change(PROVIDER, *before, values=_STORED.values(stored, without=_FIXED)):
            raise ConflictError(
                f"secrets provider {stored.provider.name!r} was changed by someone else at the same time",
                hint="look at it again, then repeat the change if it is still wanted",
            )

    def delete_provider(self, provider_id: str) -> None:
        """Delete a provider that no secret names; the database refuses one that is still named."""
        self._remove_one(PROVIDER, _TABLE.c.id == provider_id)

    def set_provider(
        self, secret_id: str, provider_id: str | None, options_key_id: str | None, options: str | None
    ) -> None:
        """Store which provider a secret names, and its encrypted provider options."""
        values = {
            "provider_id": provider_id,
            "provider_options": options,
            "provider_options_data_key_id": options_key_id,
        }
        self._change_one(SECRET, t.secret.c.id == secret_id, values=values)

    def secrets_of_provider(self, provider_id: str, limit: int) -> Sequence[tuple[str, str]]:
        """Tenant and key of some of the secrets that name a provider."""
        rows = self._execute(
            select(t.tenant.c.name, t.secret.c.key)
            .join(t.tenant, t.tenant.c.id == t.secret.c.tenant_id)
            .where(t.secret.c.provider_id == provider_id)
            .order_by(t.tenant.c.name, t.secret.c.key)
            .limit(limit)
        )
        return [(row.name, row.key) for row in rows]
