"""The versions of a secret: its history, and going back to one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from resolver.core import policy
from resolver.core.permissions import Permission
from resolver.core.ports import StoredSecret
from resolver.core.results import Version
from resolver.dsl.budget import Budget
from resolver.errors import ConflictError, NotFoundError
from resolver.service.access import demand_key, not_found
from resolver.service.base import ServicePart
from resolver.service.decryption import LOOKS, look_up
from resolver.service.secret_change import Changes, demand_here, demand_version
from resolver.validation.value_schema import check_against

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.model import Caller, Secret, SecretValue
    from resolver.core.ports import Session, StoredDataKey, StoredVersion
    from resolver.service.base import Shared
    from resolver.service.secret_change import Change


class Versions(ServicePart):
    """The versions of secrets.

    Args:
        shared: what all parts share.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._changes = Changes(shared)

    def history(self, caller: Caller, tenant: str, key: str) -> Sequence[Version]:
        """Who gave a secret which version, and when; no values. Oldest first.

        Raises:
            NotPermittedError: the caller may not list secrets here.
            NotFoundError: there is no such secret, or the caller may not see that there is.
        """
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.SECRET_LIST, tenant)
            demand_key(current, Permission.SECRET_LIST, key, tenant)
            row = look_up(session, current, home, [key]).get(key)
            if row is None or not policy.decide(current, Permission.SECRET_LIST, row.secret, home).allowed:
                raise not_found(key, tenant)
            return [
                Version(
                    version.version,
                    version.created_at,
                    version.created_by,
                    version.version == row.secret.version,
                )
                for version in session.history(row.secret.id)
            ]

    def rollback(
        self, caller: Caller, tenant: str, key: str, version: int, *, if_version: int | None = None
    ) -> Secret:
        """Give a secret the value of an earlier version, as a new version.

        Args:
            caller: who changes it.
            tenant: the name of the tenant it lives in.
            key: its name.
            version: the number of the version to go back to.
            if_version: change nothing unless this is the current version.

        Raises:
            NotPermittedError: the caller may not change this secret.
            NotFoundError: there is no such secret, or the caller may not see that there is; or it has no such
                version any more.
            ConflictError: another writer was quicker, it is the current version, or there is room for none.
        """
        with self._changes.changing(caller, Permission.SECRET_UPDATE, tenant, key) as change:
            secret = self._changes.find(change, key)
            demand_version(secret, if_version)
            demand_here(change.session, secret)
            if version == secret.version:
                raise ConflictError(f"version {version} is the current version of secret {key!r}")
            stored, data_keys = _stored(change, secret, version)
            if stored is None:
                raise NotFoundError(
                    f"secret {key!r} has no version {version}",
                    hint=f"`resolver secrets history {key} -t {tenant}` shows those that are kept",
                )
            self._changes.demand_version_room(change.session, secret, change.caller)
            # Committed before the old value is decrypted, like every other use of a value.
            self._changes.note(change, secret, rollback_to=version)
            current, home = change.caller, change.tenant
        opened = self._opener.data_keys(current, home, data_keys)
        row = StoredSecret(replace(secret, version=version), stored.data_key_id, stored.token)
        value = self._opener.open(current, home, row, opened)
        if secret.schema is not None:
            check_against(secret.schema, value, Budget(payer=caller.user_id))
        with self._changes.changing(caller, Permission.SECRET_UPDATE, tenant, key) as change:
            found = self._changes.find(change, key)
            if found.id != secret.id or found.schema != secret.schema:
                raise not_found(key, tenant)
            demand_version(found, secret.version)
            return self._store_version(change, found, value, rollback_to=version)

    def _store_version(
        self,
        change: Change[Session],
        secret: Secret,
        value: SecretValue,
        **more: Any,  # noqa: ANN401 - JSON data
    ) -> Secret:
        newer = self._changes.add_version(change.session, secret, value, change.caller)
        self._changes.note(change, newer, **more)
        return newer


def _stored(
    change: Change[Session], secret: Secret, version: int
) -> tuple[StoredVersion | None, Sequence[StoredDataKey]]:
    """A version with its data key; looked at again when a rotation came between the two statements."""
    stored: StoredVersion | None = None
    data_keys: Sequence[StoredDataKey] = ()
    if not 0 < version < secret.version:  # any number, also one that no database takes
        return None, ()
    for _ in range(LOOKS):
        stored = change.session.version(secret.id, version)
        data_keys = () if stored is None else change.session.data_keys([stored.data_key_id])
        if stored is None or data_keys:
            break
    return stored, data_keys
