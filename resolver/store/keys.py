"""The rows of root keys and data keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from resolver.core.ports import DataKeyState, RootKeyState, StoredDataKey
from resolver.errors import ConflictError
from resolver.store import tables as t
from resolver.store.aggregates import DATA_KEY as DATA_KEYS
from resolver.store.aggregates import ROOT_KEY
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.records import RecordColumns

if TYPE_CHECKING:
    from collections.abc import Sequence


_ROOT_KEY = RecordColumns(RootKeyState, t.root_key, aggregate=ROOT_KEY)
DATA_KEY = RecordColumns(
    StoredDataKey, t.data_key, unread=["active", "outdated", "created_at"], aggregate=DATA_KEYS
)
_DATA_KEY_STATE = RecordColumns(DataKeyState, t.data_key, {"key": DATA_KEY})


class KeyRows(AuthenticatedRows):
    """Which root key wraps, and the data keys it wraps."""

    def wrapping_root_key(self, *, lock: bool = False) -> str | None:
        """The id of the root key that wraps, or None in a store that is not initialised.

        Args:
            lock: keep it the one that wraps until the transaction ends.
        """
        query = select(*_ROOT_KEY.columns).where(t.root_key.c.wraps)
        if lock:
            query = query.with_for_update(read=True)
        found = self._read_first(_ROOT_KEY, query)
        if found is None and lock:
            # While it was waited for, another one may have begun to wrap, which only a new statement sees.
            found = self._read_first(_ROOT_KEY, query)
        if found is not None and not found.wraps:
            self._refuse_other(ROOT_KEY.kind, found.id)
        return None if found is None else found.id

    def root_keys(self) -> Sequence[RootKeyState]:
        """All root keys that wrap or ever wrapped, oldest first."""
        query = select(*_ROOT_KEY.columns).order_by(t.root_key.c.since, t.root_key.c.id)
        return self._read(_ROOT_KEY, query)

    def set_wrapping_root_key(self, root_key_id: str, at: str) -> None:
        """Record which root key wraps; ConflictError when another process just did."""
        self._change(ROOT_KEY, t.root_key.c.wraps, values={"wraps": False})
        values = _ROOT_KEY.values(RootKeyState(root_key_id, wraps=True, since=at))
        if not self._change(ROOT_KEY, t.root_key.c.id == root_key_id, values=values):
            self._execute(insert(t.root_key).values(self._made(ROOT_KEY, values)))

    def data_key_states(self, tenant_id: str | None = None) -> Sequence[DataKeyState]:
        """All data keys, or those of a tenant, with what becomes of them; oldest first."""
        query = select(*_DATA_KEY_STATE.columns).order_by(t.data_key.c.created_at, t.data_key.c.id)
        if tenant_id is not None:
            query = query.where(t.data_key.c.tenant_id == tenant_id)
        return self._read(_DATA_KEY_STATE, query)

    def data_keys_to_rewrap(self, root_key_id: str, limit: int, after: str = "") -> Sequence[StoredDataKey]:
        """Some data keys that another root key wraps, by id."""
        query = (
            select(*DATA_KEY.columns)
            .where(t.data_key.c.root_key_id != root_key_id, t.data_key.c.id > after)
            .order_by(t.data_key.c.id)
            .limit(limit)
        )
        return self._read(DATA_KEY, query)

    def add_data_key(self, data_key: StoredDataKey, at: str) -> None:
        """Store the first data key of a tenant, which is active; ConflictError when there is one."""
        values = _DATA_KEY_STATE.values(DataKeyState(data_key, active=True, outdated=False, created_at=at))
        first = not data_key.tenant_id and self._begin_with(data_key)
        self._execute(insert(t.data_key).values(self._made(DATA_KEYS, values)))
        if first:  # the root key that wraps it is older than any MAC
            for fields, _ in self._fields(ROOT_KEY, []):
                self._update(ROOT_KEY, [(fields, self._row_mac(ROOT_KEY, fields, 1))])

    def replace_data_key(self, old_id: str, data_key: StoredDataKey, at: str) -> None:
        """Have another data key be the active one; nothing happens when the old one is not, any more."""
        old = (t.data_key.c.id == old_id, t.data_key.c.active)
        if self._change(DATA_KEYS, *old, values={"active": False, "outdated": True}):
            self.add_data_key(data_key, at)

    def outdate_data_keys(self, tenant_id: str | None = None) -> None:
        """Mark the active data keys of all tenants, or of one, as to be replaced."""
        where = [] if tenant_id is None else [t.data_key.c.tenant_id == tenant_id]
        self._change(DATA_KEYS, t.data_key.c.active, *where, values={"outdated": True})

    def rewrap_data_key(self, old: StoredDataKey, new: StoredDataKey) -> None:
        """Store a data key as another root key wraps it, unless it was changed or destroyed meanwhile."""
        same = (t.data_key.c.id == old.id, t.data_key.c.wrapped == old.wrapped)
        self._change(DATA_KEYS, *same, values={"root_key_id": new.root_key_id, "wrapped": new.wrapped})

    def destroy_data_key(self, data_key_id: str) -> None:
        """Delete a data key that is not active; ConflictError while anything is sealed with it."""
        # Locked first: who makes MACs with it holds it until the commit, and those are looked for then.
        self._execute(select(t.data_key.c.id).where(t.data_key.c.id == data_key_id).with_for_update())
        if self.has_row_macs(data_key_id):
            raise ConflictError(f"data key {data_key_id} is in use")
        self._remove(DATA_KEYS, t.data_key.c.id == data_key_id, ~t.data_key.c.active)

    def destroy_data_keys(self, tenant_id: str) -> int:
        """Delete all data keys of a tenant; how many. ConflictError while anything is sealed with one.

        What copies of the database still hold of it opens nothing without them; `Store.wipe_deleted` sees to
        the copy that SQLite keeps in its log.
        """
        return self._remove(DATA_KEYS, t.data_key.c.tenant_id == tenant_id)
