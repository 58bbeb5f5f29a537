"""Checks of an import: what is wrong with entries, and where the others go; nothing is stored here."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from resolver.core import policy
from resolver.core.audit import cap
from resolver.core.model import Owner, Tenant, Visibility, check_key
from resolver.core.permissions import Permission
from resolver.core.ports import StoredProvider
from resolver.core.transfer import ImportEntry, entry_problems
from resolver.errors import AccessError, InvalidRequestError, NotFoundError, NotPermittedError
from resolver.service.provider_values import OPTIONS_REFUSED, is_local
from resolver.service.providers import find_provider
from resolver.validation.value_schema import check_all, check_schemas

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resolver.core.binding import Place
    from resolver.core.model import Caller
    from resolver.core.ports import Session
    from resolver.dsl.budget import Budget
    from resolver.service.access import Gate
    from resolver.service.provider_values import ExternalValues


class EntryError(Exception):
    """What is wrong with one entry."""

    def __init__(self, problems: Mapping[str, Any]) -> None:
        super().__init__()
        self.problems = problems


@dataclass(slots=True)
class ImportRun:
    """One import, as far as it has come.

    Args:
        caller: who imports.
        tenant: the tenant that the right to import is asked in.
        override: whether secrets that are there are changed.
        compares: whether a value that is the current one makes no version.
        values_only: whether secrets keep their own visibility and hiding.
        atomic: whether nothing is stored when an entry is wrong.
        budget: what checking values may cost.
        sound: the positions of entries without a mistake of their own.
        tokens: what was encrypted for entries already, by their positions and what it is bound to.
        ids: the ids of secrets that are new.
    """

    caller: Caller
    tenant: str
    override: bool
    compares: bool
    budget: Budget
    values_only: bool = False
    atomic: bool = False
    tenants: dict[str, Tenant | str] = field(default_factory=dict)
    owners: dict[str, Owner | None] = field(default_factory=dict)
    providers: dict[tuple[str, str], StoredProvider | None] = field(default_factory=dict)
    schemas: dict[str, str] = field(default_factory=dict)
    sound: set[int] = field(default_factory=set)
    tokens: dict[tuple[int, Place], str] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)
    stored: int = 0
    unchanged: int = 0
    colliding: dict[str, set[str]] = field(default_factory=dict)
    errors: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)

    def collide(self, entry: CheckedEntry) -> None:
        """Note that an entry's key was taken."""
        self.colliding.setdefault(entry.home.name, set()).add(entry.given.key)

    def attempt(self) -> ImportRun:
        """A copy that may come further, and be forgotten."""
        colliding = {name: set(keys) for name, keys in self.colliding.items()}
        return replace(self, colliding=colliding, errors=dict(self.errors), held={})

    def accept(self, attempt: ImportRun) -> None:
        """Be as far as a copy has come."""
        self.caller, self.stored, self.unchanged = attempt.caller, attempt.stored, attempt.unchanged
        self.colliding, self.errors = attempt.colliding, attempt.errors


class CheckedEntry(Struct, frozen=True):
    """An entry without a mistake of its own, with where it goes and whose it will be."""

    position: int
    given: ImportEntry
    home: Tenant
    owner: Owner
    trusted: bool
    provider: StoredProvider | None = None

    @property
    def is_external(self) -> bool:
        """Whether its value is with a provider, and not in the entry."""
        return self.provider is not None and not is_local(self.provider)


class ImportChecks:
    """Checks entries of an import, by the rights of whoever imports them.

    Args:
        gate: lets callers in.
        external: knows the types of providers.
    """

    def __init__(self, gate: Gate, external: ExternalValues) -> None:
        self._gate = gate
        self._external = external

    def check_all(
        self, session: Session, run: ImportRun, batch: Sequence[tuple[int, ImportEntry]]
    ) -> list[CheckedEntry]:
        """Those entries that may be stored by the rights and the rows of this moment; notes on the others."""
        run.tenants.clear()
        run.owners.clear()
        run.providers.clear()
        try:
            run.caller, _ = self._gate.enter(session, run.caller, Permission.SECRET_IMPORT, run.tenant)
        except (AccessError, NotFoundError):  # what was stored before is still to be reported
            lost = {"tenant_name": refused(run.caller, "secret_import", run.tenant)}
            run.errors.update(dict.fromkeys((position for position, _ in batch), lost))
            return []
        return [entry for pair in batch if (entry := self._check(session, run, *pair)) is not None]

    def _check(
        self, session: Session, run: ImportRun, position: int, given: ImportEntry
    ) -> CheckedEntry | None:
        """An entry that may be stored, as far as one knows without its row; None with a note otherwise."""
        is_sound = position in run.sound
        problems: dict[str, Any] = {} if is_sound else entry_problems(given)
        if not problems:
            run.sound.add(position)
        unusable = {*problems.get("missing secret fields", ()), *problems}
        home: Tenant | str = ""
        if "entry" not in problems:
            if "key" not in unusable and (
                problem := _key_problem(run.caller, given.key, is_checked=is_sound)
            ):
                problems["key"] = problem
            home = "" if "tenant_name" in unusable else self.home(session, run, given.tenant)
        if isinstance(home, Tenant):
            if given.visibility is Visibility.GLOBAL and not _may_make_global(run.caller, home):
                problems["visibility"] = _refused_global(run.caller)
        elif home:
            problems["tenant_name"] = home
        owner, trusted = self._owner(session, run, given, home, problems)
        provider = None
        if given.provider is not None and isinstance(home, Tenant):
            provider = self._provider(session, run, home, given, problems)
        if not given.versions and (provider is None or is_local(provider)):
            problems = problems or {"value": "the value is empty"}
        if problems or not isinstance(home, Tenant):
            run.errors[position] = problems
            return None
        return CheckedEntry(position, given, home, owner, trusted, provider)

    def _provider(
        self, session: Session, run: ImportRun, home: Tenant, given: ImportEntry, problems: dict[str, Any]
    ) -> StoredProvider | None:
        """The provider that an entry names; what is wrong with it or for it goes to the problems."""
        caller, name = run.caller, given.provider or ""
        if (home.id, name) not in run.providers:
            run.providers[home.id, name] = None
            with contextlib.suppress(NotFoundError):
                run.providers[home.id, name] = find_provider(session, caller, home, name)
        stored = run.providers[home.id, name]
        if stored is None:
            problems["provider"] = f"Requested `SecretsProvider` with ID `{cap(name)}` was not found"
            return None
        if given.provider_options and not caller.scope.permits_options:
            problems["provider_options"] = OPTIONS_REFUSED
        try:
            self._external.check_options(stored.provider.kind, given.provider_options)
        except InvalidRequestError as error:
            problems["provider_options"] = error.message
        if not is_local(stored) and given.versions:
            problems["value"] = "The provider has the value, so none can be given"
        if not is_local(stored) and given.schema is not None:
            problems["schema"] = "A value that is kept elsewhere can't be checked against a schema"
        return stored

    def home(self, session: Session, run: ImportRun, name: str) -> Tenant | str:
        """The tenant that entries go to, or why they can't."""
        if name not in run.tenants:
            try:
                _, tenant = self._gate.enter(session, run.caller, Permission.SECRET_CREATE, name)
                run.tenants[name] = tenant
            except NotFoundError:
                run.tenants[name] = tenant_not_found(name)
            except NotPermittedError:
                run.tenants[name] = refused(run.caller, "secret_create", name)
        return run.tenants[name]

    def _owner(
        self,
        session: Session,
        run: ImportRun,
        given: ImportEntry,
        home: Tenant | str,
        problems: dict[str, Any],
    ) -> tuple[Owner, bool]:
        """Whose a secret will be, and whether its times are taken from the file."""
        caller = run.caller
        mine = caller.as_owner
        may = (
            isinstance(home, Tenant)
            and policy.decide_in_tenant(caller, Permission.SECRET_SET_OWNER, home).allowed
        )
        claims_time = given.created_at is not None or given.updated_at is not None
        if not may and isinstance(home, Tenant) and not given.whole:
            if claims_time:
                problems["timestamp"] = refused(caller, "set_timestamp", home.name)
            if given.owner is not None:
                problems["creator"] = refused(caller, "set_owner", home.name)
        if not may or given.owner is None:
            return mine, may
        if given.owner not in run.owners:
            stored = session.user(name=given.owner)
            run.owners[given.owner] = None if stored is None else Owner(stored.user.id, stored.user.name)
        owner = run.owners[given.owner]
        if owner is None and not given.whole:
            problems["creator_valid"] = f"User {given.owner} does not exist."
        return owner or mine, may

    def without_mismatches(
        self, run: ImportRun, checked: Sequence[CheckedEntry], schemas: Mapping[int, str | None]
    ) -> list[CheckedEntry]:
        """The entries whose schemas are some, and whose values keep to them.

        Those that the run has no time for any more are among the others.
        """
        given = [entry.given.schema for entry in checked if entry.given.schema is not None]
        new = [schema for schema in dict.fromkeys(given) if schema not in run.schemas]
        for schema, answer in zip(new, check_schemas(new, run.budget), strict=True):
            run.schemas[schema] = answer.message if isinstance(answer, InvalidRequestError) else ""
        for entry in checked:
            if problem := run.schemas.get(entry.given.schema or ""):
                run.errors[entry.position] = {"schema": problem}
        to_check = [
            (entry, used)
            for entry in checked
            if (used := schemas[entry.position]) is not None
            and not entry.is_external
            and entry.position not in run.errors
        ]
        answers = check_all([(schema, entry.given.value) for entry, schema in to_check], run.budget)
        for (entry, _), problem in zip(to_check, answers, strict=True):
            if problem:
                run.errors[entry.position] = {"value": f"The value {problem}"}
        return [entry for entry in checked if entry.position not in run.errors]


def _key_problem(caller: Caller, key: str, *, is_checked: bool) -> str:
    try:
        if not is_checked:
            check_key(key)
    except InvalidRequestError as error:
        return error.message
    return "" if caller.scope.permits_key(key) else "This token may not name the key"


def _may_make_global(caller: Caller, home: Tenant) -> bool:
    return policy.decide_in_tenant(caller, Permission.SECRET_CREATE_GLOBAL, home).allowed


def tenant_not_found(tenant: str) -> str:
    """The answer about a tenant that does not exist, to those who may know."""
    return f"The tenant `{cap(tenant)}` was not found"


def refused(caller: Caller, action: str, tenant: str) -> str:
    """The refusal, in Cloudify's words; the same whether or not the tenant exists."""
    who = f"User `{caller.username}` is not permitted"
    return f"{who} to perform the action {action} in the tenant `{cap(tenant)}`"


def _refused_global(caller: Caller) -> str:
    return f"User `{caller.username}` is not permitted to set or create a global resource"
