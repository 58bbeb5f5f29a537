"""The rows of secrets and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from resolver.core.model import Visibility
from resolver.core.ports import SecretWrite, StoredDataKey, StoredSecret, StoredVersion
from resolver.errors import ConflictError
from resolver.store import tables as t
from resolver.store.aggregates import DATA_KEY, VERSION
from resolver.store.aggregates import SECRET as OF_A_SECRET
from resolver.store.authenticated import AuthenticatedRows
from resolver.store.records import RecordColumns
from resolver.store.rows import GLOBAL, SECRET, batches, count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Select

    from resolver.core.model import Secret

SEALING = RecordColumns(
    StoredDataKey,
    t.data_key,
    unread=["active", "outdated", "created_at"],
    shared=True,  # by the secrets of a tenant
    aggregate=DATA_KEY,
)
STORED = RecordColumns(
    StoredSecret,
    t.secret_version,
    {"secret": SECRET, "data_key": SEALING.within(id=t.secret_version.c.data_key_id)},
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
"""The columns of a secret that stay, and those that a change sets without having looked at them."""


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
        version = _version_of(secret, data_key_id, token, secret.owner.id)
        for error in self.add_secrets([SecretWrite(secret, versions=[version])]).values():
            raise error

    def add_secrets(self, new: Sequence[SecretWrite]) -> Mapping[str, ConflictError]:
        """Store new secrets, all of them by a few statements; why some were not stored, by their ids."""
        scopes = self._claimed({one.secret.key: _scope(one.secret) for one in new})
        tenants = sorted({one.secret.tenant.id for one in new})
        taken: set[tuple[str, str]] = set()
        for keys in batches(sorted(scopes)):
            near = or_(t.secret.c.tenant_id.in_(tenants), t.secret.c.scope == GLOBAL)
            query = select(t.secret.c.key, t.secret.c.tenant_id, t.secret.c.scope)
            for key, tenant_id, scope in self._execute(query.where(t.secret.c.key.in_(keys), near)):
                taken.add((key, "" if scope == GLOBAL else tenant_id))
        refused = {
            one.secret.id: _taken(one.secret)
            for one in new
            if scopes[one.secret.key] != _scope(one.secret)
            or not taken.isdisjoint([(one.secret.key, ""), (one.secret.key, one.secret.tenant.id)])
        }
        free = [one for one in new if one.secret.id not in refused]
        self._insert_all(
            t.secret,
            [
                self._made(OF_A_SECRET, {**_NO_LINK, **SECRET.values(one.secret), **_beside(one)})
                for one in free
            ],
        )
        self._insert_versions(free)
        return refused

    def _claimed(self, scopes: Mapping[str, str]) -> Mapping[str, str]:
        """The scopes of keys, which are these where a key had none; no other writer changes them now."""
        found: dict[str, str] = {}
        # Again only when another writer deleted a key's last secret in between.
        while missing := sorted(scopes.keys() - found.keys()):
            self._execute(
                self._insert(t.key_scope).on_conflict_do_nothing(index_elements=["key"]),
                [{"key": key, "scope": scopes[key]} for key in missing],
            )
            for keys in batches(missing):
                # Locked, so that a scope which was just read can't be widened or removed before the commit.
                query = select(t.key_scope.c.key, t.key_scope.c.scope).where(t.key_scope.c.key.in_(keys))
                query = query.order_by(t.key_scope.c.key).with_for_update(read=True)
                found |= {row.key: row.scope for row in self._execute(query)}
        return found

    def _insert_versions(self, writes: Sequence[SecretWrite]) -> None:
        versions = [version for one in writes for version in one.versions]
        rows = [{**_VERSION.values(one), "created_by": one.created_by} for one in versions]
        self._insert_all(t.secret_version, [self._made(VERSION, row) for row in rows])

    def change_secrets(self, changes: Sequence[SecretWrite]) -> Mapping[str, ConflictError]:
        """Change secrets that were found before, each once; why some stay as they are, by their ids."""
        refused = self._make_global([one for one in changes if _is_widened(one)])
        by_id = {one.secret.id: one for one in changes if one.secret.id not in refused}
        done: list[SecretWrite] = []

        def changed(fields: Mapping[str, Any]) -> Mapping[str, Any]:
            one = by_id[fields["id"]]
            if not _is_as_found(one, fields):
                return {}
            done.append(one)
            return {**SECRET.values(one.secret, without=_FIXED), **_beside(one), **_moved(one)}

        for ids in batches(sorted(by_id)):
            self._change(OF_A_SECRET, t.secret.c.id.in_(ids), values=changed)
        self._insert_versions(done)
        dropped = [{"of": one.secret.id, "until": one.drop} for one in done if one.drop]
        if dropped:
            c = t.secret_version.c
            which = (c.secret_id == bindparam("of"), c.version <= bindparam("until"))
            self._execute(delete(t.secret_version).where(*which), dropped)
        changed_by_others = by_id.keys() - {one.secret.id for one in done}
        return refused | {one: _overtaken(by_id[one].secret) for one in changed_by_others}

    def add_version(self, secret: Secret, data_key_id: str, token: str, by: str) -> None:
        """Store a new version; `secret` has the new number. ConflictError when it is not the next one."""
        before = (t.secret.c.id == secret.id, t.secret.c.version == secret.version - 1)
        if not self._change(OF_A_SECRET, *before, values=SECRET.values(secret, only=_OF_A_VERSION)):
            raise _overtaken(secret)
        self._insert_versions([SecretWrite(secret, versions=[_version_of(secret, data_key_id, token, by)])])

    def change_secret(self, secret: Secret, newer: Secret) -> None:
        """Change everything but key, tenant and value; ConflictError when a global key would collide."""
        for error in self.change_secrets([SecretWrite(newer, before=secret)]).values():
            raise error

    def _make_global(self, widened: Sequence[SecretWrite]) -> dict[str, ConflictError]:
        """Have keys belong to one secret each, of all tenants; why that can't be, by the secrets' ids."""
        ids = {one.secret.key: one.secret.id for one in widened}
        refused: dict[str, ConflictError] = {}
        for keys in batches(sorted(ids)):
            scopes = select(t.key_scope.c.scope).where(t.key_scope.c.key.in_(keys))
            self._execute(scopes.order_by(t.key_scope.c.key).with_for_update()).all()
            used = select(t.secret.c.key, t.secret.c.id).where(t.secret.c.key.in_(keys))
            taken = {key for key, secret_id in self._execute(used) if ids[key] != secret_id}
            refused |= {
                ids[key]: ConflictError(
                    f"secret {key!r} can't be made global: its key is used in another tenant"
                )
                for key in taken
            }
            free = sorted(set(keys) - taken)
            self._execute(update(t.key_scope).where(t.key_scope.c.key.in_(free)).values(scope=GLOBAL))
        return refused

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


def _scope(secret: Secret) -> str:
    return GLOBAL if secret.visibility is Visibility.GLOBAL else "tenant"


def _version_of(secret: Secret, data_key_id: str, token: str, by: str) -> StoredVersion:
    return StoredVersion(secret.id, secret.version, data_key_id, token, secret.updated_at, by)


_NO_LINK = {"provider_id": None, "provider_options": None, "provider_options_data_key_id": None}


def _beside(one: SecretWrite) -> dict[str, Any]:
    """The columns of a secret that are no fields of it."""
    beside: dict[str, Any] = {"scope": _scope(one.secret)}
    if one.link is not None:
        beside |= {
            "provider_id": one.link.provider_id,
            "provider_options": one.link.options,
            "provider_options_data_key_id": one.link.options_key_id,
        }
    return beside


def _moved(one: SecretWrite) -> dict[str, Any]:
    """The columns that say how far a secret has come."""
    return {"version": one.secret.version, "updated_at": one.secret.updated_at}


def _is_widened(one: SecretWrite) -> bool:
    before = one.before
    return before is not None and _scope(one.secret) == GLOBAL and before.visibility is not Visibility.GLOBAL


def _is_as_found(one: SecretWrite, fields: Mapping[str, Any]) -> bool:
    """Whether a secret is as it was before, but for the time of its last change."""
    if one.before is None:
        return False
    before = {**SECRET.values(one.before, without=_FIXED), "version": one.before.version}
    has_provider = one.before.provider is not None
    return (fields["provider_id"] is not None) == has_provider and all(
        fields[name] == value for name, value in before.items()
    )


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

    def version_times(self, secret_ids: Sequence[str]) -> Mapping[str, str]:
        """When the current versions of secrets were made, by the secrets' ids."""
        query = _versions(_WITHOUT_TOKEN).join(t.secret, CURRENT)
        found: dict[str, str] = {}
        for ids in batches(secret_ids):
            rows = self._read(_WITHOUT_TOKEN, query.where(t.secret_version.c.secret_id.in_(ids)))
            found |= {row.secret_id: row.created_at for row in rows}
        return found

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
