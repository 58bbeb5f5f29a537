"""The rows of root keys and data keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from resolver.core.ports import StoredDataKey
from resolver.store import tables as t
from resolver.store.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Row


class KeyRows(Rows):
    """Which root key wraps, and the data keys it wraps."""

    def wrapping_root_key(self) -> str | None:
        """The id of the root key that wraps, or None in a store that is not initialised."""
        return self._connection.execute(
            select(t.root_key.c.id).where(t.root_key.c.wraps)
        ).scalar_one_or_none()

    def set_wrapping_root_key(self, root_key_id: str, at: str) -> None:
        """Record which root key wraps; ConflictError when another process just did."""
        self._connection.execute(update(t.root_key).where(t.root_key.c.wraps).values(wraps=False))
        self._connection.execute(insert(t.root_key).values(id=root_key_id, wraps=True, since=at))

    def data_keys(self, ids: Collection[str]) -> Sequence[StoredDataKey]:
        """Data keys by id."""
        rows = self._connection.execute(select(t.data_key).where(t.data_key.c.id.in_(list(ids))))
        return [_data_key(row) for row in rows]

    def active_data_key(self, tenant_id: str) -> StoredDataKey | None:
        """The data key that new values of a tenant are encrypted with."""
        row = self._connection.execute(
            select(t.data_key).where(t.data_key.c.tenant_id == tenant_id, t.data_key.c.active),
        ).one_or_none()
        return None if row is None else _data_key(row)

    def add_data_key(self, data_key: StoredDataKey, at: str) -> None:
        """Store a data key and make it the active one."""
        self._connection.execute(
            update(t.data_key).where(t.data_key.c.tenant_id == data_key.tenant_id).values(active=False),
        )
        self._connection.execute(
            insert(t.data_key).values(
                id=data_key.id,
                tenant_id=data_key.tenant_id,
                root_key_id=data_key.root_key_id,
                wrapped=data_key.wrapped,
                active=True,
                created_at=at,
            ),
        )

    def destroy_data_keys(self, tenant_id: str) -> int:
        """Delete all data keys of a tenant; how many. ConflictError while anything is sealed with one.

        What copies of the database still hold of it opens nothing without them; `Store.wipe_deleted` sees to
        the copy that SQLite keeps in its log.
        """
        return self._connection.execute(
            delete(t.data_key).where(t.data_key.c.tenant_id == tenant_id)
        ).rowcount


def _data_key(row: Row[*tuple[Any, ...]]) -> StoredDataKey:
    return StoredDataKey(row.id, row.tenant_id, row.root_key_id, row.wrapped)
