"""What becomes of the entries of an import, by the rows of one moment; nothing is stored here."""

from __future__ import annotations

import contextlib
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from resolver.core import policy
from resolver.core.model import Secret, SecretValue, Visibility
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.core.ports import SecretWrite, StoredVersion
from resolver.core.transfer import ImportEntry, VersionWithValue
from resolver.errors import ConflictError
from resolver.service.base import ServicePart
from resolver.service.decryption import active_data_key, value_place
from resolver.service.import_checks import CheckedEntry, EntryError, ImportRun, refused
from resolver.service.provider_values import is_local
from resolver.service.secret_change import Changes, days_after, is_shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from resolver.core.binding import Place
    from resolver.core.model import Caller, Tenant
    from resolver.core.ports import DataKey, SecretLink, Session
    from resolver.service.base import Shared

_NO_VERSION = VersionWithValue(1, SecretValue(""))
"""What is sealed in this store for a value that a provider has."""


class PreparedEntries(Struct, frozen=True):
    """Entries that may be stored, with what was found out about them outside of the transaction that does so.

    Args:
        entries: the entries.
        schemas: the schemas that their values keep to, by position.
        same: id and version of the secrets that have the value of an entry already, by position.
    """

    entries: list[CheckedEntry]
    schemas: dict[int, str | None]
    same: dict[int, tuple[str, int]]

    def add(self, other: PreparedEntries) -> None:
        """Have those of another one, too."""
        self.entries.extend(other.entries)
        self.schemas.update(other.schemas)
        self.same.update(other.same)


class PlannedEntry(Struct, frozen=True):
    """What becomes of an entry.

    Args:
        entry: the entry.
        secret: its secret, as it is then.
        write: what is to be stored; None where nothing changes.
        is_same: whether its value is the current one already.
    """

    entry: CheckedEntry
    secret: Secret
    write: SecretWrite | None = None
    is_same: bool = False


@dataclass(frozen=True, slots=True)
class _Moment:
    """What entries are planned by.

    Args:
        run: the import.
        prepared: the entries, with what is known of them.
        at: the time.
        found: the secrets that are there, by tenant and key.
        data_keys: what values are sealed with, by tenant.
        external: the ids of those whose values providers have.
        times: when the current versions of some were made, by id.
        seal: seals a value for the entry of a position, bound to a place.
        is_last: whether this is what is stored.
    """

    run: ImportRun
    prepared: PreparedEntries
    at: str
    found: Mapping[tuple[str, str], Secret]
    data_keys: Mapping[str, DataKey]
    external: frozenset[str]
    times: Mapping[str, str]
    seal: Callable[[int, Place, DataKey, SecretValue], str]
    is_last: bool


class ImportPlans(ServicePart):
    """Plans what becomes of entries.

    Args:
        shared: what all parts share.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._changes = Changes(shared)

    def seal_ahead(
        self, run: ImportRun, prepared: PreparedEntries, found: Mapping[tuple[str, str], Secret]
    ) -> None:
        """Encrypt what entries will most likely store; outside of any transaction.

        Args:
            run: the import.
            prepared: the entries.
            found: the secrets that were there when they were checked, by tenant and key.
        """
        wanted: list[tuple[int, Place, DataKey, SecretValue]] = []

        def note(*one: *tuple[int, Place, DataKey, SecretValue]) -> str:
            wanted.append(one)
            return ""

        first = next(in_turns(prepared.entries), [])
        with self._store.read() as session:
            self._plan(session, run.attempt(), prepared, first, found, note, is_last=False)
        for position, place, data_key, value in wanted:
            run.tokens[position, place] = data_key.seal(place, value)

    def plan(
        self, session: Session, run: ImportRun, prepared: PreparedEntries, entries: Sequence[CheckedEntry]
    ) -> list[PlannedEntry]:
        """What becomes of entries, no two of which are about one secret; in the transaction that stores it.

        What was encrypted ahead is taken where it is bound to what it would be bound to now.
        """

        def seal(position: int, place: Place, data_key: DataKey, value: SecretValue) -> str:
            return run.tokens.get((position, place)) or data_key.seal(place, value)

        found = find_secrets(session, entries)
        return self._plan(session, run, prepared, entries, found, seal, is_last=True)

    def _plan(
        self,
        session: Session,
        run: ImportRun,
        prepared: PreparedEntries,
        entries: Sequence[CheckedEntry],
        found: Mapping[tuple[str, str], Secret],
        seal: Callable[[int, Place, DataKey, SecretValue], str],
        *,
        is_last: bool,
    ) -> list[PlannedEntry]:
        linked = [secret.id for secret in found.values() if secret.provider is not None]
        same = [prepared.same[one.position][0] for one in entries if one.position in prepared.same]
        moment = _Moment(
            run,
            prepared,
            self._clock(),
            found,
            {home: active_data_key(session, self._cipher, home, lock=is_last) for home in by_home(entries)},
            frozenset(one.secret_id for one in session.external_values(linked)) if linked else frozenset(),
            session.version_times(same) if same else {},
            seal,
            is_last,
        )
        planned: list[PlannedEntry] = []
        for entry in entries:
            try:
                one = self._planned(session, moment, entry)
            except EntryError as error:
                run.errors[entry.position] = error.problems
            else:
                planned += [] if one is None else [one]
        return planned

    def _planned(self, session: Session, moment: _Moment, entry: CheckedEntry) -> PlannedEntry | None:
        """What becomes of an entry; None when its key is taken and stays as it is."""
        run, given, home = moment.run, entry.given, entry.home
        existing = moment.found.get((home.id, given.key))
        if existing is None:
            return self._new(moment, entry)
        run.collide(entry)
        if not run.override:
            return None
        schema = moment.prepared.schemas[entry.position]
        if run.values_only:
            given = replace(given, visibility=existing.visibility, hidden=existing.hidden)
        newer = _overridden(run.caller, home, existing, given, schema)
        is_same = moment.prepared.same.get(entry.position) == (existing.id, existing.version) and (
            not moment.is_last or is_shown(run.caller, home, existing)
        )
        if entry.provider is None and existing.id in moment.external:
            raise EntryError({"provider": "The value of this secret is kept with a secrets provider"})
        if entry.is_external and schema is not None:
            raise EntryError({"schema": "A value that is kept elsewhere can't be checked against a schema"})
        if (given.schema or existing.schema) != schema:
            raise EntryError({"value": "The secret was changed by someone else at the same time"})
        newer, link = self._linked(moment, entry, newer)
        if is_same and given.whole:
            made = moment.times.get(existing.id, existing.updated_at)
            newer = replace(newer, rotate_at=days_after(made, newer.rotate_after))
        if entry.is_external or (is_same and newer != existing):
            newer = replace(newer, updated_at=moment.at)
        if entry.is_external or is_same:
            changes = newer != existing or link is not None
            write = SecretWrite(newer, before=existing, link=link) if changes else None
            return PlannedEntry(entry, newer, write, is_same)
        with _bounded():
            self._changes.demand_version_room(session, newer, run.caller)
        newer = replace(
            newer,
            version=existing.version + 1,
            updated_at=moment.at,
            rotate_at=days_after(moment.at, newer.rotate_after),
        )
        version = self._version(moment, entry, newer, given.value, run.caller.user_id)
        drop = self._changes.dropped_until(run.caller, newer)
        return PlannedEntry(entry, newer, SecretWrite(newer, existing, [version], link, drop))

    def _new(self, moment: _Moment, entry: CheckedEntry) -> PlannedEntry:
        run, given, home, now = moment.run, entry.given, entry.home, moment.at
        with _bounded():
            self._demand_room(
                f"tenant {home.name!r}",
                run.held.get(home.id, 0),
                "secrets_per_tenant",
                "delete secrets that are not needed",
            )
        most = self._rules.versions_per_secret
        if len(given.versions) > most and not self._rules.keep_versions:
            raise EntryError({"versions": f"More than {most}: see `versions_per_secret` in `config.yaml`"})
        kept = self._rules.keep_versions or most
        given_versions = given.versions[-kept:] if given.versions else (_NO_VERSION,)
        secret = Secret(
            **{name: getattr(given, name) for name in _SAME_FIELDS},
            id=run.ids.setdefault(entry.position, str(uuid.uuid4())),
            tenant=home,
            owner=entry.owner,
            version=given_versions[0].number,
            created_at=(entry.trusted and given.created_at) or now,
            updated_at=now,
        )
        secret, link = self._linked(moment, entry, secret)
        versions: list[StoredVersion] = []
        for version in given_versions:
            at = (entry.trusted and version.created_at) or now
            secret = replace(secret, version=version.number, updated_at=at)
            by = run.caller.user_id if versions else secret.owner.id
            versions.append(self._version(moment, entry, secret, version.value, by))
        due = days_after(secret.updated_at, given.rotate_after)
        final = replace(secret, rotate_at=due, updated_at=(entry.trusted and given.updated_at) or now)
        run.held[home.id] = run.held.get(home.id, 0) + 1
        return PlannedEntry(entry, final, SecretWrite(final, None, versions, link))

    def _version(
        self, moment: _Moment, entry: CheckedEntry, secret: Secret, value: SecretValue, by: str
    ) -> StoredVersion:
        data_key = moment.data_keys[secret.tenant.id]
        token = moment.seal(entry.position, value_place(secret, data_key.id), data_key, value)
        return StoredVersion(secret.id, secret.version, data_key.id, token, secret.updated_at, by)

    def _linked(
        self, moment: _Moment, entry: CheckedEntry, secret: Secret
    ) -> tuple[Secret, SecretLink | None]:
        """A secret, kept with the provider that its entry names."""
        if entry.provider is None:
            return secret, None
        if secret.protected_at is not None and not is_local(entry.provider):
            raise EntryError({"provider": "A protected secret is not moved to a provider"})
        data_key = moment.data_keys[secret.tenant.id]

        def seal(place: Place, text: SecretValue) -> str:
            return moment.seal(entry.position, place, data_key, text)

        options = entry.given.provider_options
        link = self._external.link(secret, entry.provider, options, data_key.id, seal)
        return replace(secret, provider=entry.provider.provider.name), link


def in_turns(entries: Iterable[CheckedEntry]) -> Iterator[list[CheckedEntry]]:
    """Entries so that no two of a turn are about one secret, or a global one's key."""
    listed = list(entries)
    everyones = {one.given.key for one in listed if one.given.visibility is Visibility.GLOBAL}
    seen: Counter[tuple[str, str]] = Counter()
    turns: list[list[CheckedEntry]] = []
    for one in listed:
        key = one.given.key
        about = ("" if key in everyones else one.home.id, key)
        if seen[about] == len(turns):
            turns.append([])
        turns[seen[about]].append(one)
        seen[about] += 1
    return iter(turns)


def by_home(entries: Iterable[CheckedEntry]) -> Mapping[str, list[CheckedEntry]]:
    """Entries by the ids of the tenants that they go to."""
    found: dict[str, list[CheckedEntry]] = {}
    for one in entries:
        found.setdefault(one.home.id, []).append(one)
    return found


def find_secrets(session: Session, entries: Iterable[CheckedEntry]) -> Mapping[tuple[str, str], Secret]:
    """The secrets that the keys of entries mean already, by tenant and key."""
    return {
        (home, secret.key): secret
        for home, some in by_home(entries).items()
        for secret in session.find_secrets(home, {one.given.key for one in some})
    }


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
