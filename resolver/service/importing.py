"""Imports of secrets: each entry is stored whole or not at all, whatever becomes of the others."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from resolver.core import policy
from resolver.core.model import Secret, SecretValue, Tenant
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.core.transfer import ImportEntry, ImportResult, VersionWithValue
from resolver.dsl.budget import CHILD_SECONDS, Budget
from resolver.errors import ConflictError, InvalidRequestError
from resolver.service.access import MemberRefusedError
from resolver.service.base import ServicePart
from resolver.service.decryption import active_data_key, value_place
from resolver.service.import_checks import (
    CheckedEntry,
    EntryError,
    ImportChecks,
    ImportRun,
    refused,
    tenant_not_found,
)
from resolver.service.secret_change import Change, Changes, days_after, is_shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from resolver.core.model import Caller
    from resolver.core.ports import Session
    from resolver.core.transfer import ImportRequest
    from resolver.service.base import Shared
    from resolver.service.key_rotation import Progress
    from resolver.service.secret_change import Comparison

_NO_VERSION = VersionWithValue(1, SecretValue(""))
"""What is sealed in this store for a value that a provider has."""

_ENTRY_SECONDS = 0.01
"""What an entry adds to the time that an import may take to check values and their schemas."""

_MOST_AROUND = 4096
"""Most characters that a token has around those of its value."""

BATCH = 200
"""How many entries go into one transaction."""


class Imports(ServicePart):
    """Imports secrets.

    Args:
        shared: what all parts share.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._checks = ImportChecks(shared.gate, shared.external)
        self._changes = Changes(shared)

    def import_(
        self, caller: Caller, wanted: ImportRequest, progress: Progress | None = None
    ) -> ImportResult:
        """Store secrets of an export.

        Good entries are stored although others are not. A key that is taken is reported, and left as it is
        unless it is to be overridden: then it gets value, hiding and visibility of the entry, by the rules
        for changing a secret. A value that is the current one already makes no version, where the caller may
        be shown it.

        Args:
            caller: who imports, and owns what is stored unless a sys_admin's file says otherwise.
            wanted: the secrets, and where they go.
            progress: is told how far it is.

        Raises:
            NotPermittedError: the caller may not import secrets here.
            InvalidRequestError: the tenant map names a tenant that does not exist.
        """
        tenants, entries = wanted.tenant_map, wanted.entries
        try:
            with self._store.read() as session:
                current, _ = self._gate.enter(session, caller, Permission.SECRET_IMPORT, wanted.tenant)
                seconds = CHILD_SECONDS + _ENTRY_SECONDS * len(entries)
                budget = Budget(child_seconds=seconds, payer=current.user_id)
                run = ImportRun(
                    current, wanted.tenant, wanted.override, wanted.override and not wanted.rotated, budget
                )
                found = {name: self._checks.home(session, run, name) for name in tenants.values()}
        except MemberRefusedError as refused:
            entry = self._trail.entry(
                refused.caller, refused.tenant, Permission.SECRET_IMPORT, reason=refused.reason
            )
            self._trail.commit(refused.tenant.id, [entry])
            raise
        for name, home in found.items():
            if home == tenant_not_found(name):
                raise InvalidRequestError(f"the tenant map names tenant {name!r}, which does not exist")
        # In the order of keys within a batch, so that two imports at once never wait for one another.
        for start in range(0, len(entries), BATCH):
            batch = [
                (start + number, replace(one, tenant=tenants.get(one.tenant, one.tenant)))
                for number, one in enumerate(entries[start : start + BATCH])
            ]
            self._store_batch(run, sorted(batch, key=lambda pair: (pair[1].key, pair[1].tenant)))
            if progress is not None:
                progress(f"{start + len(batch)} of {len(entries)} entries", len(batch))
        return ImportResult(
            run.stored,
            {name: sorted(keys) for name, keys in sorted(run.colliding.items())},
            dict(sorted(run.errors.items())),
            run.unchanged,
        )

    def _store_batch(self, run: ImportRun, batch: Sequence[tuple[int, ImportEntry]]) -> None:
        with self._store.read() as session:
            checked = self._checks.check_all(session, run, batch)
            schemas = {
                entry.position: entry.given.schema or self._stored_schema(session, run, entry)
                for entry in checked
            }
        fit = self._checks.without_mismatches(run, checked, schemas)
        same = self._same(run, fit) if run.compares else {}
        notes: dict[str, list[dict[str, Any]]] = {}
        stored: list[CheckedEntry] = []
        with self._store.write() as session:
            for home in sorted({one.home.id for one in fit}):
                session.hold_tenant(home)
                run.held[home] = session.count_secrets(home)
            # Schemas take their time: what the caller may do, and with what, is looked at again.
            for entry in self._checks.check_all(session, run, [(one.position, one.given) for one in fit]):
                try:
                    with session.attempt():
                        secret = self._store_entry(
                            session, run, entry, schemas[entry.position], same.get(entry.position)
                        )
                except EntryError as error:
                    run.errors[entry.position] = error.problems
                except ConflictError as error:
                    run.collide(entry)
                    if run.override:
                        run.errors[entry.position] = {"key": error.message}
                else:
                    if secret is not None:
                        stored.append(entry)
                        note = self._trail.entry(
                            run.caller, entry.home, Permission.SECRET_IMPORT, secret=secret
                        )
                        notes.setdefault(entry.home.id, []).append(note)
            for chain in sorted(notes):
                self._trail.append(session, chain, notes[chain])
        run.stored += len(stored)

    def _same(self, run: ImportRun, entries: Sequence[CheckedEntry]) -> Mapping[int, tuple[str, int]]:
        """Id and version of the secrets that have the value of an entry already, if the caller may know that.

        No more tokens are held than such as the values of the entries could have.
        """
        notes: dict[str, list[dict[str, Any]]] = {}
        comparisons: list[tuple[CheckedEntry, Comparison]] = []
        with self._store.write() as session:
            for entry in self._checks.check_all(session, run, [(one.position, one.given) for one in entries]):
                found = self._comparison(session, run, entry)
                if found is None:
                    continue
                note = self._trail.entry(
                    run.caller, entry.home, Permission.SECRET_IMPORT, secret=found.row.secret, compared=True
                )
                notes.setdefault(entry.home.id, []).append(note)
                if len(found.row.token) <= _MOST_AROUND + 2 * len(entry.given.value.reveal().encode()):
                    comparisons.append((entry, found))
            self._trail.append_all(session, notes)
        return {
            entry.position: (found.row.secret.id, found.row.secret.version)
            for entry, found in comparisons
            if self._changes.is_same(found, entry.given.value)
        }

    def _comparison(self, session: Session, run: ImportRun, entry: CheckedEntry) -> Comparison | None:
        """What the value of an entry is compared with, if it would override that here."""
        if entry.provider is not None:
            return None
        for row in session.secrets_by_keys(entry.home.id, [entry.given.key]):
            may_change = policy.decide(run.caller, Permission.SECRET_UPDATE, row.secret, entry.home).allowed
            if may_change and row.secret.provider is None:
                change = Change(session, run.caller, entry.home, Permission.SECRET_IMPORT)
                with contextlib.suppress(ConflictError):  # there is no room: said when it is to be stored
                    return self._changes.comparison(change, row.secret)
        return None

    def _store_entry(
        self,
        session: Session,
        run: ImportRun,
        entry: CheckedEntry,
        schema: str | None,
        same_as: tuple[str, int] | None,
    ) -> Secret | None:
        """Store one entry; None when its key is taken and stays as it is."""
        key, home = entry.given.key, entry.home
        found = next(iter(session.secrets_by_keys(home.id, [key])), None)
        if found is None:
            return self._add(session, run, entry)
        run.collide(entry)
        if not run.override:
            return None
        existing = found.secret
        newer = _overridden(run.caller, home, existing, entry.given, schema)
        is_same = same_as == (existing.id, existing.version) and is_shown(run.caller, home, existing)
        if (
            entry.provider is None
            and existing.provider is not None
            and session.external_values([existing.id])
        ):
            raise EntryError({"provider": "The value of this secret is kept with a secrets provider"})
        if entry.is_external and schema is not None:
            raise EntryError({"schema": "A value that is kept elsewhere can't be checked against a schema"})
        if (entry.given.schema or existing.schema) != schema:
            raise EntryError({"value": "The secret was changed by someone else at the same time"})
        newer = self._kept(session, entry, newer)
        if is_same and entry.given.whole:
            (current,) = session.versions([existing.id], current_only=True)
            newer = replace(newer, rotate_at=days_after(current.created_at, newer.rotate_after))
        if entry.is_external or (is_same and newer != existing):
            newer = replace(newer, updated_at=self._clock())
        if newer != existing:
            session.change_secret(existing, newer)
        if entry.is_external or is_same:
            run.unchanged += is_same
            return newer
        with _bounded():
            self._changes.demand_version_room(session, newer, run.caller)
        return self._changes.add_version(session, newer, entry.given.value, run.caller)

    def _kept(self, session: Session, entry: CheckedEntry, secret: Secret) -> Secret:
        """A stored secret, kept with the provider that its entry names."""
        if entry.provider is None:
            return secret
        self._external.keep(session, secret, entry.provider, entry.given.provider_options)
        return replace(secret, provider=entry.provider.provider.name)

    def _stored_schema(self, session: Session, run: ImportRun, entry: CheckedEntry) -> str | None:
        """The schema of the secret that an entry would override, if the caller may do that."""
        if not run.override:
            return None
        for row in session.secrets_by_keys(entry.home.id, [entry.given.key]):
            if policy.decide(run.caller, Permission.SECRET_UPDATE, row.secret, entry.home).allowed:
                return row.secret.schema
        return None

    def _add(self, session: Session, run: ImportRun, entry: CheckedEntry) -> Secret:
        given, now = entry.given, self._clock()
        home = entry.home
        with _bounded():
            self._demand_room(
                f"tenant {home.name!r}",
                run.held[home.id],
                "secrets_per_tenant",
                "delete secrets that are not needed",
            )
        most = self._rules.versions_per_secret
        if len(given.versions) > most and not self._rules.keep_versions:
            raise EntryError({"versions": f"More than {most}: see `versions_per_secret` in `config.yaml`"})
        kept = self._rules.keep_versions or most
        first, *later = given.versions[-kept:] if given.versions else (_NO_VERSION,)
        created = (entry.trusted and given.created_at) or now
        secret = Secret(
            **{name: getattr(given, name) for name in _SAME_FIELDS},
            id=str(uuid.uuid4()),
            tenant=home,
            owner=entry.owner,
            version=first.number,
            created_at=created,
            updated_at=_time_of(entry, first.created_at, now),
        )
        data_key = active_data_key(session, self._cipher, home.id)

        def sealed(secret: Secret, value: SecretValue) -> str:
            return data_key.seal(value_place(secret, data_key.id), value)

        session.add_secret(secret, data_key.id, sealed(secret, first.value))
        for version in later:
            newer = replace(
                secret, version=version.number, updated_at=_time_of(entry, version.created_at, now)
            )
            token = sealed(newer, version.value)
            session.restore_version(secret, newer, data_key.id, token, run.caller.user_id)
            secret = newer
        due = days_after(secret.updated_at, given.rotate_after)
        updated = (entry.trusted and given.updated_at) or now
        final = replace(secret, rotate_at=due, updated_at=updated)
        if final != secret:
            session.change_secret(secret, final)
        final = self._kept(session, entry, final)
        run.held[home.id] += 1
        return final


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """A bound that is reached within is an error of the entry, and no key that is taken."""
    try:
        yield
    except ConflictError as error:
        raise EntryError({"key": f"{error.message}; {error.hint}"}) from None


_SAME_FIELDS = frozenset(ImportEntry.__struct_fields__) & frozenset(Secret.__struct_fields__) - {
    "tenant",
    "owner",
    "created_at",
    "updated_at",
    "provider",
}
"""What a secret has just as its entry has it."""


def _time_of(entry: CheckedEntry, given: str | None, now: str) -> str:
    return (entry.trusted and given) or now


def _overridden(
    caller: Caller, home: Tenant, existing: Secret, given: ImportEntry, schema: str | None
) -> Secret:
    """A secret as an entry changes it, by the same rules as any other change."""
    if not policy.decide_in_tenant(caller, Permission.SECRET_UPDATE, home).allowed:
        raise EntryError({"tenant_name": refused(caller, "secret_update", home.name)})
    switched = replace(existing, hidden=existing.hidden or given.hidden)
    for seen in (existing, switched):
        match policy.decide(caller, Permission.SECRET_UPDATE, seen, home).reason:
            case Verdict.ALLOWED:
                continue
            case Verdict.HIDDEN:
                who = f"User `{caller.username}` is not permitted"
                text = f"{who} to modify the hidden value secret `{existing.key}`"
                raise EntryError({"is_hidden_value": text})
            case _:
                # One text for a secret that may not be seen and for one that is global elsewhere.
                raise EntryError({"key": "The key is taken by a secret that can't be overridden from here"})
    if given.visibility.width < existing.visibility.width:
        raise EntryError(
            {"visibility": f"`{existing.key}` has visibility {existing.visibility}, which is never narrowed"}
        )
    widens = given.visibility is not existing.visibility or (existing.hidden and not given.hidden)
    # Who rolls back to an earlier value is told whether it keeps to the schema: a guess at it could be one.
    if (widens or schema != existing.schema) and not policy.decide_in_tenant(
        caller, Permission.SECRET_SHOW, home
    ).allowed:
        raise EntryError({"visibility" if widens else "schema": refused(caller, "secret_show", home.name)})
    newer = replace(existing, visibility=given.visibility, hidden=given.hidden, schema=schema)
    if not given.whole:
        return newer
    whole = {name: getattr(given, name) for name in _SAME_FIELDS - {"key", "visibility", "hidden", "schema"}}
    return replace(newer, **whole, rotate_at=None)
