"""The rows of secrets and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from resolver.core.model import Visibility
from resolver.core.ports import StoredSecret, StoredVersion
from resolver.errors import ConflictError
from resolver.store import tables as t
from resolver.store.aggregates import SECRET as OF_A_SECRET
from resolver.store.aggregates import VERSION
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.records import RecordColumns
from resolver.store.rows import GLOBAL, SECRET, batches, count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Select

    from resolver.core.model import Secret

STORED = RecordColumns(
    StoredSecret,
    t.secret_version,
    {"secret": SECRET},
    unread=["secret_id", "version", "created_at", "created_by"],
)
_VERSION = RecordColumns(
    StoredVersion,
    t.secret_version,
    # Who made it may have been deleted since; then the id is all there is.
    {"created_by": func.coalesce(t.user_account.c.name, t.secret_version.c.created_by)},
    aggregate=VERSION,
)
_WITHOUT_TOKEN = _VERSION.within(token=literal(""))

CURRENT = and_(
    t.secret_version.c.secret_id == t.secret.c.id, t.secret_version.c.version == t.secret.c.version
)


def _versions(columns: RecordColumns[StoredVersion]) -> Select[Any]:
    """The versions of all secrets, in the order of their numbers."""
    maker = t.user_account.c.id == t.secret_version.c.created_by
    return (
        select(*columns.columns)
        .select_from(t.secret_version.outerjoin(t.user_account, maker))
        .order_by(t.secret_version.c.version)
    )


SIZE = [func.coalesce(func.sum(func.length(t.secret_version.c.token)), 0)]


_OF_A_VERSION = frozenset({"version", "updated_at", "rotate_at"})
"""The columns of a secret that a new version changes."""

_FIXED = frozenset({"id", "tenant_id", "key", "version", "created_at", "updated_at"})
"""The columns of a secret that a change without a new version leaves alone; `updated_at` it only sets."""


class SecretRows(AuthenticatedRows):
    """Secrets, their versions, and the scopes of their keys."""

    def count_secrets(self, tenant_id: str) -> int:
        """How many secrets a tenant has."""
        return count_of(self._connection, t.secret, t.secret.c.tenant_id == tenant_id)

    def count_versions(self, secret_id: str) -> int:
        """How many versions of a secret there are."""
        return count_of(self._connection, t.secret_version, t.secret_version.c.secret_id == secret_id)

    def add_secret(self, secret: Secret, data_key_id: str, token: str) -> None:
        """Store a secret with its first version; ConflictError when its key is taken."""
        scope = _scope(secret.visibility)
        found = None
        while found is None:  # again only when another writer deleted the key's last secret in between
            self._execute(
                self._insert(t.key_scope)
                .values(key=secret.key, scope=scope)
                .on_conflict_do_nothing(index_elements=["key"])
            )
            # Locked, so that a scope which was just read can't be widened or removed before the commit.
            found = self._execute(
                select(t.key_scope.c.scope).where(t.key_scope.c.key == secret.key).with_for_update(read=True)
            ).scalar_one_or_none()
        own = t.secret.c.tenant_id == secret.tenant.id
        taken = self._execute(
            select(exists().where(t.secret.c.key == secret.key, or_(own, t.secret.c.scope == GLOBAL)))
        ).scalar_one()
        if taken or found != scope:
            raise _taken(secret)
        values = {**SECRET.values(secret), "scope": scope}
        self._execute(insert(t.secret).values(self._made(OF_A_SECRET, values)))
        self._add_version(secret, data_key_id, token, secret.owner.id)

    def _add_version(self, secret: Secret, data_key_id: str, token: str, by: str) -> None:
        version = StoredVersion(secret.id, secret.version, data_key_id, token, secret.updated_at, by)
        values = {**_VERSION.values(version), "created_by": by}
        self._execute(insert(t.secret_version).values(self._made(VERSION, values)))

    def add_version(self, secret: Secret, data_key_id: str, token: str, by: str) -> None:
        """Store a new version; `secret` has the new number. ConflictError when it is not the next one."""
        self._go_on(secret, secret.version - 1)
        self._add_version(secret, data_key_id, token, by)

    def restore_version(self, secret: Secret, newer: Secret, data_key_id: str, token: str, by: str) -> None:
        """Store a later version that is imported; numbers in between may be missing."""
        self._go_on(newer, secret.version)
        self._add_version(newer, data_key_id, token, by)

    def _go_on(self, secret: Secret, version: int) -> None:
        before = (t.secret.c.id == secret.id, t.secret.c.version == version)
        if not self._change(OF_A_SECRET, *before, values=SECRET.values(secret, only=_OF_A_VERSION)):
            raise _overtaken(secret)

    def change_secret(self, secret: Secret, newer: Secret) -> None:
        """Change everything but key, tenant and value; ConflictError when a global key would collide."""
        if newer.visibility is Visibility.GLOBAL and secret.visibility is not Visibility.GLOBAL:
            self._make_global(secret)
        old, new = (SECRET.values(each, without=_FIXED) for each in (secret, newer))
        new |= {"scope": _scope(newer.visibility), "updated_at": newer.updated_at}
        done = self._change(
            OF_A_SECRET,
            t.secret.c.id == secret.id,
            t.secret.c.version == secret.version,
            *(t.secret.c[name].is_not_distinct_from(value) for name, value in old.items()),
            values=new,
        )
        if not done:
            raise _overtaken(secret)

    def _make_global(self, secret: Secret) -> None:
        self._execute(select(t.key_scope.c.scope).where(t.key_scope.c.key == secret.key).with_for_update())
        used = self._execute(
            select(exists().where(t.secret.c.key == secret.key, t.secret.c.id != secret.id))
        ).scalar_one()
        if used:
            raise ConflictError(
                f"secret {secret.key!r} can't be made global: its key is used in another tenant"
            )
        self._execute(update(t.key_scope).where(t.key_scope.c.key == secret.key).values(scope=GLOBAL))

    def delete_secret(self, secret: Secret) -> None:
        """Delete a secret with all its versions."""
        self._execute(select(t.key_scope.c.scope).where(t.key_scope.c.key == secret.key).with_for_update())
        if not self._remove(OF_A_SECRET, t.secret.c.id == secret.id):
            raise _overtaken(secret)
        # The last one gives the key back to whoever wants it next, in either scope.
        self._execute(
            delete(t.key_scope).where(
                t.key_scope.c.key == secret.key, ~exists().where(t.secret.c.key == secret.key)
            )
        )


def _scope(visibility: Visibility) -> str:
    return GLOBAL if visibility is Visibility.GLOBAL else "tenant"


def _taken(secret: Secret) -> ConflictError:
    # Never whose it is: whoever may create learns that the key is taken, and no more.
    return ConflictError(
        f"secret {secret.key!r} already exists",
        hint="update it with `resolver secrets update`, or choose another key",
    )


def _overtaken(secret: Secret) -> ConflictError:
    return ConflictError(
        f"secret {secret.key!r} was changed or deleted by someone else at the same time",
        hint="look at it again, then repeat the change if it is still wanted",
    )


class VersionRows(AuthenticatedRows):
    """All versions of secrets, the current ones and those before them."""

    def versions(self, secret_ids: Sequence[str], *, current_only: bool = False) -> Sequence[StoredVersion]:
        """The versions of secrets, in the order of their numbers."""
        query = _versions(_VERSION).join(t.secret, CURRENT) if current_only else _versions(_VERSION)
        found: list[StoredVersion] = []
        for ids in batches(secret_ids):
            named = t.secret_version.c.secret_id.in_(ids)
            found += self._read(_VERSION, query.where(named))
        return found

    def size_of_versions(self, secret_ids: Sequence[str], *, current_only: bool = False) -> int:
        """How many characters the stored tokens of the versions of secrets have in all."""
        query = select(*SIZE)
        query = query.join(t.secret, CURRENT) if current_only else query
        named = (query.where(t.secret_version.c.secret_id.in_(ids)) for ids in batches(secret_ids))
        return sum(self._execute(one).scalar_one() for one in named)

    def version(self, secret_id: str, number: int) -> StoredVersion | None:
        """One version of a secret."""
        c = t.secret_version.c
        return self._read_first(
            _VERSION, _versions(_VERSION).where(c.secret_id == secret_id, c.version == number)
        )

    def history(self, secret_id: str) -> Sequence[StoredVersion]:
        """The versions of a secret in the order of their numbers, without their tokens."""
        query = _versions(_WITHOUT_TOKEN).where(t.secret_version.c.secret_id == secret_id)
        return self._read(_WITHOUT_TOKEN, query)

    def drop_versions(self, secret_id: str, up_to: int) -> None:
        """Delete a secret's versions up to a number."""
        self._execute(
            delete(t.secret_version).where(
                t.secret_version.c.secret_id == secret_id, t.secret_version.c.version <= up_to
            )
        )
