"""Secrets on their way into the store: each entry whole or not at all, whatever becomes of the others."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from resolver.core import policy
from resolver.core.audit import cap
from resolver.core.model import Secret, Tenant, Visibility, check_key
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.core.transfer import Imported, Incoming
from resolver.errors import ConflictError, InvalidRequestError, NotFoundError, NotPermittedError
from resolver.service.changes import Changes, days_after
from resolver.service.gate import MemberRefusedError
from resolver.service.rows import active_data_key, value_place
from resolver.value_schema import check_all, check_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.model import Caller, SecretValue
    from resolver.core.ports import Cipher, Session, Store
    from resolver.service.gate import Gate
    from resolver.service.rows import Opener
    from resolver.service.rules import Rules
    from resolver.service.trail import Trail

BATCH = 200
"""How many entries go into one transaction."""


class _EntryError(Exception):
    """What is wrong with one entry."""

    def __init__(self, problems: Mapping[str, Any]) -> None:
        super().__init__()
        self.problems = problems


@dataclass(slots=True)
class _Run:
    """One import, as far as it has come."""

    caller: Caller
    override: bool
    homes: dict[str, Tenant | str] = field(default_factory=dict)
    owners: dict[str, tuple[str, str] | None] = field(default_factory=dict)
    schemas: dict[str, str] = field(default_factory=dict)
    stored: int = 0
    colliding: dict[str, set[str]] = field(default_factory=dict)
    errors: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def collide(self, entry: _Entry) -> None:
        """Note that an entry's key was taken."""
        self.colliding.setdefault(entry.home.name, set()).add(entry.incoming.key)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry without a mistake of its own, with where it goes and whose it will be."""

    position: int
    incoming: Incoming
    home: Tenant
    owner: tuple[str, str]
    trusted: bool


class Arrivals:
    """Imports secrets.

    Args:
        store: where they are kept.
        cipher: encrypts.
        gate: lets callers in.
        trail: records every change, and every value that leaves.
        opener: decrypts.
        clock: gives the time as it is stored.
        rules: what holds for the whole store.
    """

    def __init__(
        self,
        store: Store,
        cipher: Cipher,
        gate: Gate,
        trail: Trail,
        opener: Opener,
        clock: Callable[[], str],
        rules: Rules,
    ) -> None:
        self._store = store
        self._cipher = cipher
        self._gate = gate
        self._trail = trail
        self._opener = opener
        self._clock = clock
        self._rules = rules
        self._changes = Changes(store, cipher, gate, trail, clock, rules)

    def import_(
        self,
        caller: Caller,
        tenant: str,
        entries: Sequence[Incoming],
        *,
        tenant_map: Mapping[str, str] | None = None,
        override: bool = False,
    ) -> Imported:
        """Store secrets that come from elsewhere.

        Good entries are stored although others are not. A key that is taken is reported, and left as it is
        unless it is to be overridden: then it gets value, hiding and visibility of the entry, by the rules
        for changing a secret.

        Args:
            caller: who imports, and owns what arrives unless a sys_admin's file says otherwise.
            tenant: the name of the tenant that the right to import is asked in.
            entries: what arrives.
            tenant_map: the tenants that entries go to, by those that they come from; others keep theirs.
            override: whether taken keys are overridden.

        Raises:
            NotPermittedError: the caller may not import secrets here.
            InvalidRequestError: the tenant map names a tenant that does not exist.
        """
        wanted = dict(tenant_map or {})
        try:
            with self._store.read() as session:
                current, _ = self._gate.enter(session, caller, Permission.SECRET_IMPORT, tenant)
                run = _Run(current, override)
                found = {name: self._home(session, run, name) for name in wanted.values()}
        except MemberRefusedError as refused:
            entry = self._trail.entry(
                refused.caller, refused.tenant, Permission.SECRET_IMPORT, reason=refused.reason
            )
            self._trail.commit(refused.tenant.id, [entry])
            raise
        for name, home in found.items():
            if home == _not_found(name):
                raise InvalidRequestError(f"the tenant map names tenant {name!r}, which does not exist")
        # In the order of keys within a batch, so that two imports at once never wait for one another.
        for start in range(0, len(entries), BATCH):
            batch = [
                (start + number, replace(one, tenant=wanted.get(one.tenant, one.tenant)))
                for number, one in enumerate(entries[start : start + BATCH])
            ]
            self._store_batch(run, sorted(batch, key=lambda pair: (pair[1].key, pair[1].tenant)))
        return Imported(
            run.stored,
            {name: sorted(keys) for name, keys in sorted(run.colliding.items())},
            dict(sorted(run.errors.items())),
        )

    def _store_batch(self, run: _Run, batch: Sequence[tuple[int, Incoming]]) -> None:
        with self._store.read() as session:
            run.caller = self._gate.current(session, run.caller)
            run.homes.clear()
            judged = [entry for pair in batch if (entry := self._judge(session, run, *pair)) is not None]
            schemas = {
                entry.position: entry.incoming.schema or self._stored_schema(session, run, entry)
                for entry in judged
            }
        judged = self._without_mismatches(run, judged, schemas)
        notes: dict[str, list[dict[str, Any]]] = {}
        stored: list[_Entry] = []
        with self._store.write() as session:
            run.caller = self._gate.current(session, run.caller)
            run.homes.clear()
            for entry in judged:
                try:
                    with session.attempt():
                        secret = self._store_entry(session, run, entry, schemas[entry.position])
                except _EntryError as error:
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

    def _judge(self, session: Session, run: _Run, position: int, incoming: Incoming) -> _Entry | None:
        """An entry that may be stored as far as can be told without its row; else its problems are kept."""
        problems: dict[str, Any] = dict(incoming.problems)
        untold = {*problems.get("missing secret fields", ()), *problems}
        home: Tenant | str = ""
        if "entry" not in problems:
            if "key" not in untold and (problem := _key_problem(run.caller, incoming.key)):
                problems["key"] = problem
            home = "" if "tenant_name" in untold else self._home(session, run, incoming.tenant)
        if isinstance(home, Tenant):
            if incoming.visibility is Visibility.GLOBAL and not _may_make_global(run.caller, home):
                problems["visibility"] = _refused_global(run.caller)
        elif home:
            problems["tenant_name"] = home
        owner, trusted = self._owner(session, run, incoming, home, problems)
        if incoming.provider is not None and "provider" not in problems:
            name = cap(incoming.provider)
            problems["provider"] = f"Requested `SecretsProvider` with ID `{name}` was not found"
        if problem := self._schema_problem(run, incoming.schema):
            problems["schema"] = problem
        if problems or not isinstance(home, Tenant) or not incoming.versions:
            run.errors[position] = problems or {"value": "the value is empty"}
            return None
        return _Entry(position, incoming, home, owner, trusted)

    @staticmethod
    def _schema_problem(run: _Run, schema: str | None) -> str:
        """What is wrong with a schema; each is looked at once in a run."""
        if schema is None:
            return ""
        if schema not in run.schemas:
            try:
                check_schema(schema)
                run.schemas[schema] = ""
            except InvalidRequestError as error:
                run.schemas[schema] = error.message
        return run.schemas[schema]

    def _home(self, session: Session, run: _Run, name: str) -> Tenant | str:
        """The tenant that entries go to, or why they can't."""
        if name not in run.homes:
            try:
                _, tenant = self._gate.enter(session, run.caller, Permission.SECRET_CREATE, name)
                run.homes[name] = tenant
            except NotFoundError:
                run.homes[name] = _not_found(name)
            except NotPermittedError:
                run.homes[name] = _refused(run.caller, "secret_create", name)
        return run.homes[name]

    def _owner(
        self, session: Session, run: _Run, incoming: Incoming, home: Tenant | str, problems: dict[str, Any]
    ) -> tuple[tuple[str, str], bool]:
        """Whose a secret will be, and whether its times are taken from the file."""
        caller = run.caller
        mine = caller.user_id, caller.username
        may = (
            isinstance(home, Tenant)
            and policy.decide_in_tenant(caller, Permission.SECRET_SET_OWNER, home).allowed
        )
        claims_time = incoming.created_at is not None or incoming.updated_at is not None
        if not may and isinstance(home, Tenant) and not incoming.whole:
            if claims_time:
                problems["timestamp"] = _refused(caller, "set_timestamp", home.name)
            if incoming.owner is not None:
                problems["creator"] = _refused(caller, "set_owner", home.name)
        if not may or incoming.owner is None:
            return mine, may
        if incoming.owner not in run.owners:
            stored = session.user(name=incoming.owner)
            run.owners[incoming.owner] = None if stored is None else (stored.user.id, stored.user.name)
        owner = run.owners[incoming.owner]
        if owner is None and not incoming.whole:
            problems["creator_valid"] = f"User {incoming.owner} does not exist."
        return owner or mine, may

    def _without_mismatches(
        self, run: _Run, judged: Sequence[_Entry], schemas: Mapping[int, str | None]
    ) -> list[_Entry]:
        """The entries whose values keep to their schemas."""
        to_check = [(entry, schema) for entry in judged if (schema := schemas[entry.position]) is not None]
        answers = check_all([(schema, entry.incoming.value) for entry, schema in to_check])
        for (entry, _), problem in zip(to_check, answers, strict=True):
            if problem:
                run.errors[entry.position] = {"value": f"The value {problem}"}
        return [entry for entry in judged if entry.position not in run.errors]

    def _store_entry(self, session: Session, run: _Run, entry: _Entry, schema: str | None) -> Secret | None:
        """Store one entry; None when its key is taken and stays as it is."""
        key, home = entry.incoming.key, entry.home
        if self._home(session, run, home.name) != home:  # the right to create was just taken away
            raise _EntryError({"tenant_name": _refused(run.caller, "secret_create", home.name)})
        found = next(iter(session.secrets_by_keys(home.id, [key])), None)
        if found is None:
            return self._add(session, run, entry)
        run.collide(entry)
        if not run.override:
            return None
        existing = found.secret
        newer = _overridden(run.caller, home, existing, entry.incoming, schema)
        if (entry.incoming.schema or existing.schema) != schema:
            raise _EntryError({"value": "The secret was changed by someone else at the same time"})
        if newer != existing:
            session.change_secret(existing, newer)
        return self._changes.add_version(session, newer, entry.incoming.value, run.caller)

    def _stored_schema(self, session: Session, run: _Run, entry: _Entry) -> str | None:
        """The schema of the secret that an entry would override, if the caller may do that."""
        if not run.override:
            return None
        for row in session.secrets_by_keys(entry.home.id, [entry.incoming.key]):
            if policy.decide(run.caller, Permission.SECRET_UPDATE, row.secret, entry.home).allowed:
                return row.secret.schema
        return None

    def _add(self, session: Session, run: _Run, entry: _Entry) -> Secret:
        incoming, now = entry.incoming, self._clock()
        kept = self._rules.keep_versions or len(incoming.versions)
        first, *later = incoming.versions[-kept:]
        created = (entry.trusted and incoming.created_at) or now
        secret = Secret(
            id=str(uuid.uuid4()),
            key=incoming.key,
            tenant=entry.home,
            visibility=incoming.visibility,
            hidden=incoming.hidden,
            owner_id=entry.owner[0],
            owner=entry.owner[1],
            version=first.number,
            created_at=created,
            updated_at=_time_of(entry, first.created_at, now),
            schema=incoming.schema,
            expires_at=incoming.expires_at,
            rotate_after=incoming.rotate_after,
        )
        data_key = active_data_key(session, self._cipher, entry.home.id)

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
        due = days_after(secret.updated_at, incoming.rotate_after)
        updated = (entry.trusted and incoming.updated_at) or now
        final = replace(secret, rotate_at=due, updated_at=updated)
        session.change_secret(secret, final)
        return final


def _time_of(entry: _Entry, told: str | None, now: str) -> str:
    return (entry.trusted and told) or now


def _overridden(
    caller: Caller, home: Tenant, existing: Secret, incoming: Incoming, schema: str | None
) -> Secret:
    """A secret as an entry changes it, by the same rules as any other change."""
    if not policy.decide_in_tenant(caller, Permission.SECRET_UPDATE, home).allowed:
        raise _EntryError({"tenant_name": _refused(caller, "secret_update", home.name)})
    switched = replace(existing, hidden=existing.hidden or incoming.hidden)
    for seen in (existing, switched):
        match policy.decide(caller, Permission.SECRET_UPDATE, seen, home).reason:
            case Verdict.ALLOWED:
                continue
            case Verdict.HIDDEN:
                who = f"User `{caller.username}` is not permitted"
                text = f"{who} to modify the hidden value secret `{existing.key}`"
                raise _EntryError({"is_hidden_value": text})
            case _:
                # One text for a secret that may not be seen and for one that is global elsewhere.
                raise _EntryError({"key": "The key is taken by a secret that can't be overridden from here"})
    if incoming.visibility.width < existing.visibility.width:
        raise _EntryError(
            {"visibility": f"`{existing.key}` has visibility {existing.visibility}, which is never narrowed"}
        )
    newer = replace(existing, visibility=incoming.visibility, hidden=incoming.hidden, schema=schema)
    if not incoming.whole:
        return newer
    return replace(newer, expires_at=incoming.expires_at, rotate_after=incoming.rotate_after, rotate_at=None)


def _key_problem(caller: Caller, key: str) -> str:
    try:
        check_key(key)
    except InvalidRequestError as error:
        return error.message
    return "" if caller.narrowing.permits_key(key) else "This token may not name the key"


def _may_make_global(caller: Caller, home: Tenant) -> bool:
    return policy.decide_in_tenant(caller, Permission.SECRET_CREATE_GLOBAL, home).allowed


def _not_found(tenant: str) -> str:
    return f"The tenant `{cap(tenant)}` was not found"


def _refused(caller: Caller, action: str, tenant: str) -> str:
    who = f"User `{caller.username}` is not permitted"
    return f"{who} to perform the action {action} in the tenant `{cap(tenant)}`"


def _refused_global(caller: Caller) -> str:
    return f"User `{caller.username}` is not permitted to set or create a global resource"
