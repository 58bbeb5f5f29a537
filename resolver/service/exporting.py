"""Exports of secrets, with their values."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from resolver.core import policy
from resolver.core.audit_rounds import RoundKey
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.core.ports import StoredSecret
from resolver.core.query import KEY_ALONE, Field, Listing
from resolver.core.transfer import ExportedSecret, ExportResult, VersionWithValue
from resolver.errors import ConflictError, TamperedRowError
from resolver.service.access import MemberRefusedError, demand_confirmed, narrowed, reach_of_all
from resolver.service.audit import decided, named
from resolver.service.importing import Imports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.model import Caller, Secret, Tenant
    from resolver.core.ports import DataKey, StoredDataKey, StoredVersion
    from resolver.core.query import Reach
    from resolver.core.transfer import ExportRequest


class Transfer(Imports):
    """Secrets moved between stores: exports and imports."""

    def export(
        self,
        caller: Caller,
        wanted: ExportRequest,
        equal: Mapping[Field, Sequence[str | int | bool]] = MappingProxyType({}),
    ) -> ExportResult:
        """The secrets of a tenant, and the global ones, with their values.

        Hidden ones whose values the caller may not see are left out and counted. Each secret is recorded
        before any is decrypted.

        Args:
            caller: who asks.
            wanted: which of them.
            equal: more values that fields must have, one of several for each field.

        Raises:
            NotPermittedError: the caller may not export secrets here, or in no tenant.
            TokenError: a stored value does not decrypt, or belongs elsewhere; then nothing leaves.
        """
        tenant, all_tenants = wanted.tenant, wanted.all_tenants
        if wanted.visibility is not None:
            equal = {**equal, Field.VISIBILITY: [wanted.visibility]}
        listing = Listing(wanted.search, size=None, equal=equal, searched=KEY_ALONE)
        try:
            with self._store.read() as session:
                current, reach = reach_of_all(
                    session, self._gate, caller, Permission.SECRET_EXPORT, tenant, all_tenants=all_tenants
                )
                demand_confirmed(current, self._clock(), "export secrets")
                page = session.page(reach, narrowed(current, listing))
                _demand_reached(current, reach, page.items)
                may_leave = [one for one in page.items if _may_leave(current, one)]
                provided = [one.id for one in may_leave if one.provider is not None]
                external = {row.secret_id for row in session.external_values(provided)}
                secrets = [one for one in may_leave if one.id not in external]
                size = session.size_of_versions(
                    [one.id for one in secrets], current_only=not wanted.all_versions
                )
                self._demand_room(
                    "what is to be exported", size * 3 // 4, "bytes_per_export", "export a part with --search"
                )
                stored = session.versions([one.id for one in secrets], current_only=not wanted.all_versions)
                data_keys = session.data_keys({version.data_key_id for version in stored})
                homes = {one.id: one for one in session.tenants()}
        except MemberRefusedError as refused:
            entry = self._trail.entry(
                refused.caller, refused.tenant, Permission.SECRET_EXPORT, reason=refused.reason
            )
            self._trail.commit(refused.tenant.id, [entry])
            raise
        asked = [] if all_tenants else [one for one in homes.values() if one.name == tenant]
        chains: dict[str, list[RoundKey]] = {}
        for one in secrets:
            key = RoundKey({**decided(Verdict.ALLOWED), **named(one)})
            chains.setdefault(one.tenant.id, []).append(key)
        with self._store.write() as session:
            _, now = reach_of_all(
                session, self._gate, caller, Permission.SECRET_EXPORT, tenant, all_tenants=all_tenants
            )
            if not reach.is_within(now):
                raise ConflictError("what you may export has just become less", hint="try again")
            rounds = {
                chain: self._trail.round(
                    current, asked[0] if asked else homes[chain], Permission.SECRET_EXPORT, keys
                )
                for chain, keys in chains.items()
            }
            self._trail.append_all(session, {chain: [entry] for chain, entry in rounds.items()})
        return ExportResult(
            self._opened(current, secrets, stored, data_keys, next(iter(asked), None)),
            len(page.items) - len(may_leave),
            len(external),
        )

    def _opened(
        self,
        caller: Caller,
        secrets: Sequence[Secret],
        stored: Sequence[StoredVersion],
        data_keys: Sequence[StoredDataKey],
        asked_from: Tenant | None,
    ) -> Sequence[ExportedSecret]:
        if not secrets:
            return ()
        opened = self._opener.data_keys(caller, asked_from or secrets[0].tenant, data_keys)
        versions: dict[str, list[StoredVersion]] = {}
        for version in stored:
            versions.setdefault(version.secret_id, []).append(version)
        return [
            ExportedSecret(
                one,
                [self._open(caller, one, version, opened, asked_from) for version in versions[one.id]],
            )
            for one in secrets
        ]

    def _open(
        self,
        caller: Caller,
        secret: Secret,
        version: StoredVersion,
        opened: Mapping[str, DataKey],
        asked_from: Tenant | None,
    ) -> VersionWithValue:
        row = StoredSecret(replace(secret, version=version.version), version.data_key_id, version.token)
        value = self._opener.open(caller, asked_from or secret.tenant, row, opened)
        return VersionWithValue(version.version, value, version.created_at, version.created_by)


def _demand_reached(caller: Caller, reach: Reach, secrets: Sequence[Secret]) -> None:
    """Refuse what a database lists that the caller did not ask for, as a view in place of a table can."""
    for one in secrets:
        if not (reach.covers(one) and caller.scope.permits_key(one.key)):
            raise TamperedRowError.of("secret", one.id, "is refused, it was not asked for")


def _may_leave(caller: Caller, secret: Secret) -> bool:
    if secret.protected_at is not None:
        return False
    return not secret.hidden or policy.may_open_hidden(caller, Permission.SECRET_EXPORT, secret)
