"""Imports of secrets: checked and encrypted outside of transactions, then stored at once, or in parts."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from resolver.core import policy
from resolver.core.audit_rounds import RoundKey
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.core.transfer import ImportResult
from resolver.dsl.budget import CHILD_SECONDS, Budget
from resolver.errors import ConflictError, InvalidRequestError, StoppedError
from resolver.service.access import MemberRefusedError
from resolver.service.audit import decided, named
from resolver.service.base import ServicePart
from resolver.service.import_checks import CheckedEntry, ImportChecks, ImportRun, tenant_not_found
from resolver.service.import_plan import (
    ImportPlans,
    PlannedEntry,
    PreparedEntries,
    by_home,
    find_secrets,
    in_turns,
)
from resolver.service.secret_change import Change, Changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from resolver.core.model import Caller, Secret, Tenant
    from resolver.core.ports import Session
    from resolver.core.transfer import ImportEntry, ImportRequest
    from resolver.service.base import Shared
    from resolver.service.key_rotation import Progress
    from resolver.service.secret_change import Comparison


class _WrongEntryError(Exception):
    """An entry is wrong, and then none of them is to be stored."""


_ENTRY_SECONDS = 0.01
"""What an entry adds to the time that an import may take to check values and their schemas."""

_MOST_AROUND = 4096
"""Most characters that a token has around those of its value."""

BATCH = 200
"""How many entries are checked and encrypted at once, and stored at once where that is done in parts."""

_ATTEMPTS = 3
"""How often it is tried to store entries that collide with what another writer does."""

_MOST_MAPPED = 10_000
"""Most tenants that a map names: each is looked up before the first entry."""

_MOST_OF_A_KEY = 20
"""How often an import may change one secret: each time takes statements of its own."""


class Imports(ServicePart):
    """Imports secrets.

    Args:
        shared: what all parts share.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._checks = ImportChecks(shared.gate, shared.external)
        self._plans = ImportPlans(shared)
        self._changes = Changes(shared)

    def import_(
        self,
        caller: Caller,
        wanted: ImportRequest,
        progress: Progress | None = None,
        *,
        in_parts: bool = False,
    ) -> ImportResult:
        """Store secrets of an export.

        Good entries are stored although others are not: all of them in one transaction, or none. A key that
        is taken is reported, and left as it is unless it is to be overridden: then it gets value, hiding and
        visibility of the entry, by the rules for changing a secret. A value that is the current one already
        makes no version, where the caller may be shown it.

        Args:
            caller: who imports, and owns what is stored unless a sys_admin's file says otherwise.
            wanted: the secrets, and where they go.
            progress: is told how far it is, and asked once more before each commit. A StoppedError that it
                raises ends the import: what is not committed then is not stored.
            in_parts: whether entries are stored as soon as they are checked, and not all at the end.

        Raises:
            NotPermittedError: the caller may not import secrets here.
            InvalidRequestError: the tenant map names a tenant that does not exist.
            ConflictError: another writer was quicker again and again; nothing is stored.
            StoppedError: it was stopped; the message says what is stored.
        """
        tenants, entries = wanted.tenant_map, wanted.entries
        run = self._begun(caller, wanted)
        report: Progress = progress or (lambda _doing, _more: None)
        whole = PreparedEntries([], {}, {})
        seen: set[tuple[str, str]] = set()
        compared: dict[int, bool] = {}
        done = 0
        try:
            # In the order of keys within a batch, so that two imports at once never wait for one another.
            for start in range(0, len(entries), BATCH):
                batch = [
                    (start + number, replace(one, tenant=tenants.get(one.tenant, one.tenant)))
                    for number, one in enumerate(entries[start : start + BATCH])
                ]
                if wanted.dry_run:
                    self._preview(run, batch, seen, compared)
                    report(f"{start + len(batch)} of {len(entries)} entries", len(batch))
                    continue
                prepared = self._prepared(run, sorted(batch, key=lambda pair: (pair[1].key, pair[1].tenant)))
                if in_parts:
                    self._store_all(run, prepared, report)
                    done = start + len(batch)
                else:
                    whole.add(prepared)
                report(f"{start + len(batch)} of {len(entries)} entries", len(batch))
            if not (wanted.atomic and run.errors):
                self._store_all(run, whole, report)
        except StoppedError as error:
            raise StoppedError(f"{error.message}: {_told(run, done, len(entries))}", hint=_AGAIN) from None
        return ImportResult(
            run.stored,
            {name: sorted(keys) for name, keys in sorted(run.colliding.items())},
            dict(sorted(run.errors.items())),
            run.unchanged,
            compared,
        )

    def _preview(
        self,
        run: ImportRun,
        batch: Sequence[tuple[int, ImportEntry]],
        seen: set[tuple[str, str]],
        compared: dict[int, bool],
    ) -> None:
        """Note what is wrong with entries, which keys are taken, and which of those have the value already.

        Args:
            run: the import; `stored` counts the entries that are new.
            batch: the entries.
            seen: the tenants and keys of the entries before; those of these are added.
            compared: whether a secret that is there has the value of an entry, by its position; added to.
        """
        with self._store.read() as session:
            checked = self._checks.check_all(session, run, batch)
            found = find_secrets(session, checked)
            schemas = self._schemas(run, found, checked)
        fit = self._checks.without_mismatches(run, checked, schemas)
        for entry in fit:
            about = (entry.home.id, entry.given.key)
            if about in found or about in seen:
                run.collide(entry)
            else:
                run.stored += 1
            seen.add(about)
        same = {position: is_same for position, (_, is_same) in self._compared(run, fit).items()}
        compared.update(same)

    def _begun(self, caller: Caller, wanted: ImportRequest) -> ImportRun:
        """The run of a caller who may import."""
        try:
            with self._store.read() as session:
                current, _ = self._gate.enter(session, caller, Permission.SECRET_IMPORT, wanted.tenant)
                mapped = sorted(set(wanted.tenant_map.values()))
                if len(mapped) > _MOST_MAPPED:
                    raise InvalidRequestError(f"the tenant map names more than {_MOST_MAPPED} tenants")
                seconds = CHILD_SECONDS + _ENTRY_SECONDS * len(wanted.entries)
                budget = Budget(child_seconds=seconds, payer=current.user_id)
                run = ImportRun(
                    current,
                    wanted.tenant,
                    wanted.override,
                    wanted.override and not wanted.rotated,
                    budget,
                    wanted.values_only,
                    wanted.atomic,
                )
                found = {name: self._checks.home(session, run, name) for name in mapped}
        except MemberRefusedError as refused:
            entry = self._trail.entry(
                refused.caller, refused.tenant, Permission.SECRET_IMPORT, reason=refused.reason
            )
            self._trail.commit(refused.tenant.id, [entry])
            raise
        for name, home in found.items():
            if home == tenant_not_found(name):
                raise InvalidRequestError(f"the tenant map names tenant {name!r}, which does not exist")
        return run

    def _prepared(self, run: ImportRun, batch: Sequence[tuple[int, ImportEntry]]) -> PreparedEntries:
        """Check entries, and encrypt the values of those that may be stored."""
        with self._store.read() as session:
            checked = self._checks.check_all(session, run, batch)
            found = find_secrets(session, checked)
            schemas = self._schemas(run, found, checked)
        fit = self._checks.without_mismatches(run, checked, schemas)
        same = self._same(run, fit) if run.compares else {}
        prepared = PreparedEntries(fit, {one.position: schemas[one.position] for one in fit}, same)
        self._plans.seal_ahead(run, prepared, found)
        return prepared

    @staticmethod
    def _schemas(
        run: ImportRun, found: Mapping[tuple[str, str], Secret], entries: Sequence[CheckedEntry]
    ) -> Mapping[int, str | None]:
        """The schemas of entries, or else of the secrets that they would override, by position."""
        schemas: dict[int, str | None] = {}
        for entry in entries:
            existing = found.get((entry.home.id, entry.given.key)) if run.override else None
            theirs = existing.schema if existing and _may_change(run.caller, existing, entry.home) else None
            schemas[entry.position] = entry.given.schema or theirs
        return schemas

    def _again(self, session: Session, run: ImportRun, entries: Sequence[CheckedEntry]) -> list[CheckedEntry]:
        """Those of some entries that may be stored by the rights and the rows of another moment."""
        return self._checks.check_all(session, run, [(one.position, one.given) for one in entries])

    def _same(self, run: ImportRun, entries: Sequence[CheckedEntry]) -> dict[int, tuple[str, int]]:
        """Id and version of the secrets that have an entry's value already, if the caller may know that."""
        compared = self._compared(run, entries)
        return {at: (secret.id, secret.version) for at, (secret, is_same) in compared.items() if is_same}

    def _compared(self, run: ImportRun, entries: Sequence[CheckedEntry]) -> dict[int, tuple[Secret, bool]]:
        """The secrets that entries would change, and whether they have the value already, by position.

        Those alone whose value the caller may be shown: it is put on record as compared. No more tokens are
        held than such as the values of the entries could have.
        """
        told: list[tuple[CheckedEntry, Secret]] = []
        kept: list[tuple[CheckedEntry, Comparison]] = []
        with self._store.write() as session:
            for entry, found in self._comparisons(session, run, self._again(session, run, entries)):
                told.append((entry, found.row.secret))
                if len(found.row.token) <= _room_of(entry):
                    kept.append((entry, found))
            self._note(session, run, ((entry.home, secret) for entry, secret in told), compared=True)
        same = {one.position for one, found in kept if self._changes.is_same(found, one.given.value)}
        return {entry.position: (secret, entry.position in same) for entry, secret in told}

    def _comparisons(
        self, session: Session, run: ImportRun, entries: Sequence[CheckedEntry]
    ) -> Iterator[tuple[CheckedEntry, Comparison]]:
        """What the values of entries are compared with, where they would override that here."""
        given = [entry for entry in entries if entry.provider is None]
        for home_id, some in by_home(given).items():
            home, keys = some[0].home, {entry.given.key for entry in some}
            # At once, where they are no larger than they could be if all were the same.
            is_small = session.size_by_keys(home_id, keys) <= sum(map(_room_of, some))
            rows = session.secrets_by_keys(home_id, keys) if is_small else ()
            secrets = [row.secret for row in rows] if is_small else session.find_secrets(home_id, keys)
            found = {secret.key: secret for secret in secrets}
            data_keys = {one.id: one for one in session.data_keys({row.data_key_id for row in rows})}
            known = {
                row.secret.key: (row, data_keys[row.data_key_id])
                for row in rows
                if row.data_key_id in data_keys
            }
            for entry in some:
                secret = found.get(entry.given.key)
                if secret is None or secret.provider or not _may_change(run.caller, secret, home):
                    continue
                change = Change(session, run.caller, home, Permission.SECRET_IMPORT)
                with contextlib.suppress(ConflictError):  # there is no room: said when it is to be stored
                    compared = self._changes.comparison(change, secret, known.get(secret.key))
                    if compared is not None:
                        yield entry, compared

    def _store_all(self, run: ImportRun, prepared: PreparedEntries, report: Progress) -> None:
        """Store entries in one transaction, by the rights and the rows of that moment."""
        entries = prepared.entries
        for left in reversed(range(_ATTEMPTS if entries else 0)):
            attempt = run.attempt()
            try:
                with self._store.write() as session:
                    self._store_entries(session, attempt, prepared, entries)
                    if run.atomic and (attempt.errors or (attempt.colliding and not run.override)):
                        raise _WrongEntryError  # noqa: TRY301 - ends the transaction
                    report("", 0)
            except _WrongEntryError:
                run.errors, run.colliding = attempt.errors, attempt.colliding
                return
            except ConflictError as error:
                if not left and not run.stored:
                    raise
                if not left:  # those before are stored, and to be told of
                    run.errors.update({one.position: {"key": error.message} for one in entries})
                    return
                with self._store.read() as session:
                    entries = self._again(session, run, entries)
            else:
                run.accept(attempt)
                return

    def _store_entries(
        self, session: Session, run: ImportRun, prepared: PreparedEntries, entries: Sequence[CheckedEntry]
    ) -> None:
        for home in sorted(by_home(entries)):
            session.hold_tenant(home)
            run.held[home] = session.count_secrets(home)
        stored: list[PlannedEntry] = []
        # Checks and encryption take their time: what the caller may do, and with what, is looked at again.
        for number, some in enumerate(in_turns(self._again(session, run, entries))):
            if number < _MOST_OF_A_KEY:
                stored += self._written(session, run, self._plans.plan(session, run, prepared, some))
                continue
            for entry in some:
                run.collide(entry)
                if run.override:
                    text = f"The import has this key more than {_MOST_OF_A_KEY} times"
                    run.errors[entry.position] = {"key": text}
        self._note(session, run, ((one.entry.home, one.secret) for one in stored))
        run.stored += len(stored)
        run.unchanged += sum(one.is_same for one in stored)

    @staticmethod
    def _written(session: Session, run: ImportRun, planned: Sequence[PlannedEntry]) -> list[PlannedEntry]:
        """Store what is planned; what of it was."""
        writes = [one.write for one in planned if one.write is not None]
        taken = {
            **session.add_secrets([one for one in writes if one.before is None]),
            **session.change_secrets([one for one in writes if one.before is not None]),
        }
        for one in planned:
            if (error := taken.get(one.secret.id)) is not None:
                run.collide(one.entry)
                if run.override:
                    run.errors[one.entry.position] = {"key": error.message}
        return [one for one in planned if one.secret.id not in taken]

    def _note(
        self,
        session: Session,
        run: ImportRun,
        secrets: Iterable[tuple[Tenant, Secret]],
        **more: Any,  # noqa: ANN401 - JSON data
    ) -> None:
        """Put one record for each tenant, about all its secrets, to the trail."""
        keys: dict[Tenant, list[RoundKey]] = {}
        for home, secret in secrets:
            about = decided(Verdict.ALLOWED) | named(secret)
            keys.setdefault(home, []).append(RoundKey(about))
        action = Permission.SECRET_IMPORT
        self._trail.append_all(
            session,
            {home.id: [self._trail.round(run.caller, home, action, keys[home], **more)] for home in keys},
        )


_AGAIN = "import it again: what is there already is left as it is, unless it is overridden"


def _told(run: ImportRun, done: int, total: int) -> str:
    """What is stored of an import that was stopped, in words."""
    if not run.stored:
        return "nothing of the import is stored"
    return f"{run.stored} of the first {done} entries are stored, and none of the other {total - done}"


def _may_change(caller: Caller, secret: Secret, home: Tenant) -> bool:
    return policy.decide(caller, Permission.SECRET_UPDATE, secret, home).allowed


def _room_of(entry: CheckedEntry) -> int:
    """Most characters that a token of an entry's value has."""
    return _MOST_AROUND + 2 * len(entry.given.value.reveal().encode()) if entry.given.versions else 0
