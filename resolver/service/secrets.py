"""Managing secrets: create, show, list, update, delete."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import asdict, replace

from resolver.core import policy
from resolver.core.model import Owner, Secret, SecretValue, Visibility, check_key, check_value
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.core.providers import ASK_PROVIDER, FetchFailure
from resolver.core.query import EVERYTHING, Listing, Page
from resolver.core.results import WrittenSecret
from resolver.core.secret_changes import NO_VALUE, UNCHANGED, NewSecret, SecretChange, check_fields, or_none
from resolver.dsl.budget import Budget
from resolver.errors import (
    InvalidRequestError,
    NarrowedVisibilityError,
    NoSuchUserError,
    NotAtProviderError,
    NotPermittedError,
    ProviderError,
)
from resolver.service.access import narrowed, not_found, not_permitted, reach_of_all
from resolver.service.decryption import demand_still, look_up, look_up_to_open
from resolver.service.provider_values import OPTIONS_REFUSED, find_external, is_local
from resolver.service.providers import find_provider
from resolver.service.secret_change import (
    Change,
    Comparison,
    approval_needed,
    days_after,
    demand,
    demand_global,
    demand_guard,
    demand_here,
    demand_shown,
    demand_version,
    is_shown,
)
from resolver.service.versions import Versions
from resolver.validation.value_schema import check_against, check_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resolver.core.model import Caller, Tenant
    from resolver.core.ports import Session
    from resolver.service.provider_values import ExternalSecret


_RULED_FIELDS = frozenset({"value", "visibility", "hidden", "owner", "rotate_after", "provider"})
"""What a change of needs more than to write it down."""

_PLAIN_FIELDS = (
    frozenset(SecretChange.__struct_fields__) & frozenset(Secret.__struct_fields__) - _RULED_FIELDS
)
"""What a change of is written down as it was asked for."""

_SAME_FIELDS = frozenset(NewSecret.__struct_fields__) & frozenset(Secret.__struct_fields__) - {"provider"}
"""What a secret has from the beginning just as it was asked for."""


class _UncheckedError(Exception):
    """A value meets a schema that it was not checked against: done outside of the transaction, then again."""

    def __init__(self, schema: str) -> None:
        super().__init__()
        self.schema = schema


class _Known(Struct, frozen=True):
    """What is known of a value that is to be stored, found out outside of the transaction.

    Args:
        schema: the schema that it keeps to.
        compared: whether it was compared with the current value.
        same_as: id and version of the secret that had it when it was compared.
    """

    schema: str | None = None
    compared: bool = False
    same_as: tuple[str, int] | None = None


class Secrets(Versions):
    """The secrets of all tenants, as callers manage them."""

    def create(self, caller: Caller, tenant: str, key: str, new: NewSecret) -> WrittenSecret:
        """Store a new secret, which the caller owns from then on.

        Args:
            caller: who creates it.
            tenant: the name of the tenant it will live in.
            key: its name.
            new: what it is to be.

        Returns:
            The secret as stored, and whether an existing one had this value already.

        Raises:
            InvalidRequestError: the key, the value, the schema, a time or an option breaks the rules.
            NotFoundError: there is no such provider, or the caller may not see that there is.
            SchemaMismatchError: the value does not keep to the schema.
            NotPermittedError: the caller may not create here, or not globally.
            ConflictError: the key is taken; never whose it is.
        """
        check_key(key)
        value = (
            NO_VALUE
            if new.provider is not None and new.value == NO_VALUE
            else check_value(new.value.reveal())
        )
        if value is NO_VALUE and new.schema is not None:
            raise InvalidRequestError("a value that is kept elsewhere can't be checked against a schema")
        if new.provider_options and new.provider is None and not new.update_if_exists:
            raise InvalidRequestError("provider options were given without a provider")
        check_fields(new)
        budget = Budget(payer=caller.user_id)
        if new.schema is not None:
            with self._changes.changing(caller, Permission.SECRET_CREATE, tenant, key):
                pass  # who may not create has nothing checked
            new = replace(new, schema=check_schema(new.schema, budget))

        def attempt(known: _Known) -> WrittenSecret | Comparison:
            with self._changes.changing(caller, Permission.SECRET_CREATE, tenant, key) as change:
                existing = self._existing(change, key) if new.update_if_exists else None
                if existing is not None:
                    return self._update_existing(change, existing, new, value, known)
                if new.visibility is Visibility.GLOBAL:
                    demand_global(change.caller, change.tenant)
                if new.protected:
                    demand_guard(change.caller, change.tenant)
                _demand_checked(new.schema, known)
                secret = self._made(change, key, new)
                self._changes.add(change.session, secret, value)
                if new.provider is not None:
                    local = self._place(change, secret, new.provider, new.provider_options or {})
                    if local is (value is NO_VALUE):
                        raise InvalidRequestError(
                            "the value is empty"
                            if local
                            else f"provider {new.provider!r} has the value, so none can be given here"
                        )
                    secret = replace(secret, provider=new.provider)
                self._changes.note(change, secret)
                return _written(secret)

        return self._storing(value, attempt, budget)

    def add(self, session: Session, caller: Caller, home: Tenant, key: str, value: str) -> Secret:
        """Store a new secret within a transaction that has let the caller in."""
        change = Change(session, caller, home, Permission.SECRET_CREATE)
        secret = self._made(change, check_key(key), NewSecret())
        self._changes.add(session, secret, check_value(value))
        self._changes.note(change, secret)
        return secret

    def _update_existing(
        self,
        change: Change[Session],
        secret: Secret,
        new: NewSecret,
        value: SecretValue,
        known: _Known,
    ) -> WrittenSecret | Comparison:
        """What a create with update does to a secret that is there: a new value, or new provider options."""
        if new.provider_options:
            secret = self._moved(change, secret, new.provider, new.provider_options, value)
        if value is NO_VALUE:
            self._changes.note(change, secret)
            return _written(secret)
        demand_here(change.session, secret)
        _demand_checked(secret.schema, known)
        same = not (new.rotated or new.provider_options) and self._same(change, secret, known)
        if isinstance(same, Comparison):
            return same
        if same:
            self._changes.note(change, secret)
            return _written(secret, unchanged=True)
        return _written(self._store_version(change, secret, value))

    def _same(self, change: Change[Session], secret: Secret, known: _Known) -> Comparison | bool:
        """Whether a value is the current one, as far as the caller may know; or what to compare it with."""
        if not known.compared:
            comparison = self._changes.comparison(change, secret)
            if comparison is not None:
                self._changes.note(change, secret, compared=True)
            return comparison or False
        is_current = (secret.id, secret.version) == known.same_as
        return is_current and is_shown(change.caller, change.tenant, secret)

    def _storing(
        self,
        value: SecretValue | None,
        attempt: Callable[[_Known], WrittenSecret | Comparison],
        budget: Budget,
    ) -> WrittenSecret:
        """Attempt a change; do what it finds missing outside of its transaction, and attempt it again."""
        known = _Known()
        while True:
            try:
                done = attempt(known)
            except _UncheckedError as unchecked:
                if value is not None:
                    check_against(unchecked.schema, value, budget)
                known = replace(known, schema=unchecked.schema)
                continue
            if isinstance(done, WrittenSecret):
                return done
            current = done.row.secret
            is_same = value is not None and self._changes.is_same(done, value)
            known = replace(known, compared=True, same_as=(current.id, current.version) if is_same else None)

    def _made(self, change: Change[Session], key: str, new: NewSecret) -> Secret:
        """A secret that is the caller's, before it is stored. Its provider is set by who finds that."""
        at = self._clock()
        same = {name: getattr(new, name) for name in _SAME_FIELDS}
        return Secret(
            **same,
            id=str(uuid.uuid4()),
            key=key,
            tenant=change.tenant,
            owner=change.caller.as_owner,
            version=1,
            created_at=at,
            updated_at=at,
            rotate_at=days_after(at, new.rotate_after),
            protected_at=at if new.protected else None,
        )

    def _place(
        self, change: Change[Session], secret: Secret, provider: str, options: Mapping[str, str]
    ) -> bool:
        """Keep a stored secret with a provider; whether that is this store after all."""
        if options and not change.caller.scope.permits_options:
            raise NotPermittedError(OPTIONS_REFUSED, hint="without options the key is looked for")
        stored = find_provider(change.session, change.caller, change.tenant, provider)
        if secret.protected_at is not None and not is_local(stored):
            raise InvalidRequestError(
                "a secret whose value a provider has can't be protected",
                hint="others could name it there, too",
            )
        self._external.keep(change.session, secret, stored, options)
        return is_local(stored)

    def _existing(self, change: Change[Session], key: str) -> Secret | None:
        """The secret that a create with update would update; None when the store is to decide."""
        session, current, home = change.session, change.caller, change.tenant
        row = look_up(session, current, home, [key]).get(key)
        if row is None:
            return None
        if not policy.decide_in_tenant(current, Permission.SECRET_UPDATE, home).allowed:
            raise not_permitted(current, Permission.SECRET_UPDATE, home.name)
        decision = policy.decide(current, Permission.SECRET_UPDATE, row.secret, home)
        if decision.reason is Verdict.INVISIBLE:  # the store says that the key is taken
            return None
        demand(current, Permission.SECRET_UPDATE, row.secret, home)
        return row.secret

    def show(
        self, caller: Caller, tenant: str, key: str, *, forwards: int = 0
    ) -> tuple[Secret, SecretValue | None]:
        """A secret with its value; None for a hidden value that the caller may not see.

        Args:
            caller: who asks.
            tenant: the name of the tenant to ask in.
            key: its name.
            forwards: how many managers the request has come through.

        Raises:
            ProviderError: the value is kept with a provider that does not give it.
            NotPermittedError: the caller may not see secrets here.
            NotFoundError: there is no such secret, or the caller may not see that there is.
        """
        with self._changes.using(caller, Permission.SECRET_SHOW, tenant, key) as change:
            session, current, home = change.session, change.caller, change.tenant
            row, data_keys = look_up_to_open(session, current, home, key)
            if row is None:
                raise not_found(key, tenant)
            decision = policy.decide(current, Permission.SECRET_SHOW, row.secret, home)
            if decision.reason is Verdict.INVISIBLE:
                raise not_found(key, tenant)
            entry = self._trail.entry(
                current,
                home,
                Permission.SECRET_SHOW,
                secret=row.secret,
                reason=decision.reason,
            )
            self._trail.append(session, row.secret.tenant.id, [entry])
            if decision.allowed:  # others may have been waited for
                demand_still(session, self._gate, caller, Permission.SECRET_SHOW, tenant, [row.secret])
            kept = find_external(session, [row.secret] if decision.allowed else [])
        if decision.reason is Verdict.PROTECTED:
            raise approval_needed(row.secret)
        if not decision.allowed:
            return row.secret, None
        if kept:
            return row.secret, self._fetched(current, home, row.secret, kept, forwards)
        opened = self._opener.data_keys(current, home, data_keys)
        return row.secret, self._opener.open(current, home, row, opened)

    def _fetched(
        self, caller: Caller, home: Tenant, secret: Secret, kept: Mapping[str, ExternalSecret], forwards: int
    ) -> SecretValue:
        got = self._external.fetch(caller, home, kept, forwards)[secret.key]
        if isinstance(got, FetchFailure):
            failure = NotAtProviderError if got.is_missing else ProviderError
            raise failure(
                f"secret {secret.key!r} is kept with provider {secret.provider!r}, and {got.cause}",
                hint=ASK_PROVIDER,
            )
        with self._uses.read() as session:  # the provider may have taken its time
            demand_still(session, self._gate, caller, Permission.SECRET_SHOW, home.name, [secret])
        return got

    def list(
        self, caller: Caller, tenant: str, listing: Listing = EVERYTHING, *, all_tenants: bool = False
    ) -> Page:
        """The secrets of a tenant that the caller may see, and the global ones; no values.

        Args:
            caller: who asks.
            tenant: the name of the tenant to ask in; may be empty with all tenants.
            listing: which of them, in which order.
            all_tenants: list those of all tenants in which the caller may list, each judged by the caller's
                role in its own tenant.

        Raises:
            NotPermittedError: the caller may not list secrets here, or in no tenant.
        """
        with self._store.read() as session:
            current, reach = reach_of_all(
                session, self._gate, caller, Permission.SECRET_LIST, tenant, all_tenants=all_tenants
            )
            return session.page(reach, narrowed(current, listing))

    def update(self, caller: Caller, tenant: str, key: str, wanted: SecretChange) -> WrittenSecret:
        """Change a secret's value, visibility, hiding, owner, times or provider.

        Args:
            caller: who changes it.
            tenant: the name of the tenant it lives in.
            key: its name.
            wanted: what is to be changed.

        Returns:
            The secret as stored, and whether the value was the current one already.

        Raises:
            InvalidRequestError: the value, an option or a time breaks the rules, nothing is to be changed, or
                the visibility would be narrowed.
            SchemaMismatchError: the value does not keep to the secret's schema.
            NotPermittedError: the caller may not change this secret, or not make it global, or not give it
                away.
            NotFoundError: there is no such secret, or the caller may not see that there is; or the new owner
                does not exist.
            ConflictError: another writer was quicker, the version is another one, or the key can't be global.
        """
        fields = wanted.changed
        if not fields:
            raise InvalidRequestError("nothing to change was given")
        value = None if wanted.value is UNCHANGED else check_value(wanted.value.reveal())
        if value is None and or_none(wanted.rotated):
            raise InvalidRequestError("a value was said to be renewed, and none was given")
        check_fields(wanted)
        # Whoever only gives it away needs the permission for that, and no other.
        permission = Permission.SECRET_SET_OWNER if fields == {"owner"} else Permission.SECRET_UPDATE

        elsewhere = fields & {"provider", "provider_options"}

        def attempt(known: _Known) -> WrittenSecret | Comparison:
            with self._changes.changing(caller, permission, tenant, key) as change:
                secret = self._changes.find(change, key)
                demand_version(secret, or_none(wanted.if_version))
                newer = self._timed(change.session, _changed(change, secret, wanted), wanted)
                if or_none(wanted.protected) is not None:
                    newer = self._protected(change, newer, protect=bool(wanted.protected))
                if elsewhere:
                    options = or_none(wanted.provider_options) or {}
                    newer = self._moved(change, newer, or_none(wanted.provider), options, value)
                if value is not None:
                    demand_here(change.session, newer)
                    _demand_checked(secret.schema, known)
                compares = value is not None and not elsewhere and not or_none(wanted.rotated)
                same = compares and self._same(change, secret, known)
                if isinstance(same, Comparison):
                    return same
                if value is None or newer != secret:
                    newer = replace(newer, updated_at=self._clock())
                    change.session.change_secret(secret, newer)
                if value is not None and not same:
                    return _written(self._store_version(change, newer, value))
                self._changes.note(change, newer)
                return _written(newer, unchanged=same)

        return self._storing(value, attempt, Budget(payer=caller.user_id))

    def _moved(
        self,
        change: Change[Session],
        secret: Secret,
        provider: str | None,
        options: Mapping[str, str],
        value: SecretValue | None,
    ) -> Secret:
        """A secret that is kept with another provider, or found there by other options."""
        named = secret.provider if provider is None else provider
        if named is None:
            raise InvalidRequestError("provider options were given without a provider")
        was_here = secret.provider is None or not change.session.external_values([secret.id])
        local = self._place(change, secret, named, options)
        if local and not was_here and value is None:
            raise InvalidRequestError(f"provider {named!r} is this store, so a value has to be given, too")
        if not local and secret.schema is not None:
            raise InvalidRequestError("a value that is kept elsewhere can't be checked against a schema")
        return replace(secret, provider=named)

    def _protected(self, change: Change[Session], secret: Secret, *, protect: bool) -> Secret:
        """A secret that is protected from now on; another person ends that."""
        if not protect and secret.protected_at is not None:
            raise approval_needed(secret)
        if protect and secret.protected_at is None:
            demand_guard(change.caller, change.tenant)
            demand_here(change.session, secret)
            secret = replace(secret, protected_at=self._clock())
        return secret

    def _timed(self, session: Session, secret: Secret, wanted: SecretChange) -> Secret:
        """A secret with another life of its value, counted from when that was given."""
        if wanted.rotate_after is UNCHANGED:
            return secret
        (current,) = session.versions([secret.id], current_only=True)
        due = days_after(current.created_at, wanted.rotate_after)
        return replace(secret, rotate_after=wanted.rotate_after, rotate_at=due)

    def delete(self, caller: Caller, tenant: str, key: str, *, if_version: int | None = None) -> None:
        """Delete a secret with all its versions.

        Raises:
            NotPermittedError: the caller may not delete this secret.
            NotFoundError: there is no such secret, or the caller may not see that there is.
            ConflictError: another writer was quicker, or the version is another one.
        """
        with self._changes.changing(caller, Permission.SECRET_DELETE, tenant, key) as change:
            secret = self._changes.find(change, key)
            demand_version(secret, if_version)
            change.session.delete_secret(secret)
            self._changes.note(change, secret)


def _written(secret: Secret, *, unchanged: bool = False) -> WrittenSecret:
    return WrittenSecret(**asdict(secret), unchanged=unchanged)


def _demand_checked(schema: str | None, known: _Known) -> None:
    if schema is not None and schema != known.schema:
        raise _UncheckedError(schema)


def _changed(change: Change[Session], secret: Secret, wanted: SecretChange) -> Secret:
    """A secret with what is to be changed, if the caller may; all but value, life and provider."""
    if wanted.hidden is not UNCHANGED and wanted.hidden != secret.hidden:
        # Whoever switches hiding must be one to whom the hidden value is open.
        demand(change.caller, Permission.SECRET_UPDATE, replace(secret, hidden=True), change.tenant)
        if not wanted.hidden:
            demand_shown(change, secret)
        secret = replace(secret, hidden=wanted.hidden)
    visibility = wanted.visibility
    if visibility is not UNCHANGED and visibility is not secret.visibility:
        if visibility.width < secret.visibility.width:
            raise NarrowedVisibilityError(
                f"secret {secret.key!r} is {secret.visibility} already, and visibility is never narrowed",
            )
        demand_shown(change, secret)
        if visibility is Visibility.GLOBAL:
            demand_global(change.caller, change.tenant)
        secret = replace(secret, visibility=visibility)
    secret = replace(secret, **{name: getattr(wanted, name) for name in wanted.changed & _PLAIN_FIELDS})
    return secret if wanted.owner is UNCHANGED else _given_to(change, secret, wanted.owner)


def _given_to(change: Change[Session], secret: Secret, name: str) -> Secret:
    """A secret with another owner, if the caller may give it away and there is such a user."""
    if not policy.decide_in_tenant(change.caller, Permission.SECRET_SET_OWNER, change.tenant).allowed:
        raise not_permitted(change.caller, Permission.SECRET_SET_OWNER, change.tenant.name)
    stored = change.session.user(name=name)
    if stored is None:
        raise NoSuchUserError(
            f"user {name!r} does not exist", hint="`resolver users list` shows who there is"
        )
    return replace(secret, owner=Owner(stored.user.id, stored.user.name))
