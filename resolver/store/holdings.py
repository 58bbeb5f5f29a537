"""Secrets and providers by owner or tenant: listed, given to another owner, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import delete, exists, literal, select

from resolver.core.results import Holding
from resolver.store import tables as t
from resolver.store.aggregates import APPROVAL, PROVIDER, SECRET
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.records import RecordColumns
from resolver.store.rows import TENANT, batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Table

    from resolver.store.aggregates import Aggregate
    from resolver.store.records import Sources


class HoldingRows(AuthenticatedRows):
    """What a user owns, or what a tenant holds."""

    def holdings(self, *, user_id: str = "", tenant_id: str = "") -> Sequence[Holding]:
        """What a user owns, or what a tenant holds; by kind, tenant and name."""
        return [
            holding
            for aggregate, holdings, name in _KINDS
            for holding in self._read(
                holdings,
                select(*holdings.columns)
                .join(t.tenant, t.tenant.c.id == aggregate.table.c.tenant_id)
                .where(_of(aggregate.table, user_id, tenant_id))
                .order_by(t.tenant.c.name, name),
            )
        ]

    def give_holdings(self, user_id: str, to_user_id: str, at: str) -> None:
        """Make another user the owner of all that a user owns."""
        given = {"owner_id": to_user_id, "updated_at": at}
        for aggregate, _, _ in _KINDS:
            self._change(aggregate, aggregate.table.c.owner_id == user_id, values=given)

    def delete_holdings(self, *, user_id: str = "", tenant_id: str = "") -> None:
        """Delete what a user owns, or what a tenant holds; ConflictError when others use a provider of it."""
        mine = _of(t.secret, user_id, tenant_id)
        # In one order, as everyone locks them who deletes a secret or makes a key global.
        keys = self._execute(
            select(t.key_scope.c.key)
            .where(t.key_scope.c.key.in_(select(t.secret.c.key).where(mine)))
            .order_by(t.key_scope.c.key)
            .with_for_update()
        ).scalars()
        locked = list(keys)
        for aggregate in (SECRET, PROVIDER):  # what was forged to be among them is not deleted
            self._locked(aggregate, _of(aggregate.table, user_id, tenant_id))
        self._remove(SECRET, mine)
        # The last secret gives its key back to whoever wants it next, in either scope.
        for some in batches(locked):
            self._execute(
                delete(t.key_scope).where(
                    t.key_scope.c.key.in_(some), ~exists().where(t.secret.c.key == t.key_scope.c.key)
                )
            )
        self._remove(PROVIDER, _of(t.secrets_provider, user_id, tenant_id))
        if tenant_id:
            self._remove(APPROVAL, t.approval.c.tenant_id == tenant_id)


def _kind(aggregate: Aggregate, name: ColumnElement[Any]) -> _Kind:
    table = aggregate.table
    home = TENANT.within(id=table.c.tenant_id)
    sources: Sources = {"kind": literal(aggregate.kind), "name": name, "tenant": home}
    return (
        aggregate,
        RecordColumns(Holding, table, sources, unread=table.c.keys(), aggregate=aggregate),
        name,
    )


_Kind: TypeAlias = "tuple[Aggregate, RecordColumns[Holding], ColumnElement[Any]]"
_KINDS = (_kind(SECRET, t.secret.c.key), _kind(PROVIDER, t.secrets_provider.c.name))


def _of(table: Table, user_id: str, tenant_id: str) -> ColumnElement[bool]:
    return table.c.owner_id == user_id if user_id else table.c.tenant_id == tenant_id
