"""The rows of versions: what values secrets had, who gave them, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, func, select

from resolver.core.ports import StoredVersion
from resolver.store import tables as t
from resolver.store.rows import Rows, batches

if TYPE_CHECKING:
    from collections.abc import Sequence

_IS_CURRENT = and_(
    t.secret.c.id == t.secret_version.c.secret_id,
    t.secret.c.version == t.secret_version.c.version,
)


class VersionRows(Rows):
    """All versions of secrets, the current ones and those before them."""

    def versions(self, secret_ids: Sequence[str], *, current_only: bool = False) -> Sequence[StoredVersion]:
        """The versions of secrets, in the order of their numbers."""
        query = (
            select(
                t.secret_version.c.secret_id,
                t.secret_version.c.version,
                t.secret_version.c.data_key_id,
                t.secret_version.c.token,
                t.secret_version.c.created_at,
                # Who made it may have been deleted since; then the id is all there is.
                func.coalesce(t.user_account.c.name, t.secret_version.c.created_by),
            )
            .select_from(
                t.secret_version.outerjoin(
                    t.user_account, t.user_account.c.id == t.secret_version.c.created_by
                ),
            )
            .order_by(t.secret_version.c.version)
        )
        if current_only:
            query = query.join(t.secret, _IS_CURRENT)
        found: list[StoredVersion] = []
        for ids in batches(secret_ids):
            named = t.secret_version.c.secret_id.in_(ids)
            found += [StoredVersion(*row) for row in self._connection.execute(query.where(named))]
        return found

    def drop_versions(self, secret_id: str, up_to: int) -> None:
        """Delete a secret's versions up to a number."""
        self._connection.execute(
            delete(t.secret_version).where(
                t.secret_version.c.secret_id == secret_id, t.secret_version.c.version <= up_to
            ),
        )
