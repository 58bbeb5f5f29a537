"""What all changes of secrets share: one transaction each, recorded in it, or as refused after it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from resolver.core import policy
from resolver.core.audit import cap
from resolver.core.model import MAX_VALUE_BYTES, Caller, Tenant
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.core.ports import Session, StoredDataKey, StoredSecret, UseSession
from resolver.core.secret_changes import StaleVersionError
from resolver.core.times import show_time
from resolver.errors import (
    ApprovalNeededError,
    ElsewhereError,
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
    TokenError,
)
from resolver.service.access import MemberRefusedError, demand_key, not_found, not_permitted
from resolver.service.base import ServicePart
from resolver.service.decryption import active_data_key, look_up, look_up_to_open, value_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.core.model import Secret, SecretValue


S = TypeVar("S", bound=UseSession)


class Change(Struct, Generic[S], frozen=True):
    """A transaction about one secret, and who makes it where."""

    session: S
    caller: Caller
    tenant: Tenant
    permission: Permission


class Comparison(Struct, frozen=True):
    """A stored value that may be decrypted to compare it: that this is done is on record."""

    caller: Caller
    tenant: Tenant
    row: StoredSecret
    data_keys: Sequence[StoredDataKey]


class Changes(ServicePart):
    """Makes changes of secrets."""

    def changing(
        self, caller: Caller, permission: Permission, tenant: str, key: str
    ) -> AbstractContextManager[Change[Session]]:
        """One change of one secret: recorded in the transaction that makes it, or as refused after it."""
        return self._recorded(self._store.write(), caller, permission, tenant, key)

    def using(
        self, caller: Caller, permission: Permission, tenant: str, key: str
    ) -> AbstractContextManager[Change[UseSession]]:
        """The same about a use of one secret, which changes nothing."""
        return self._recorded(self._uses.write(), caller, permission, tenant, key)

    @contextlib.contextmanager
    def _recorded(
        self,
        transaction: AbstractContextManager[S],
        caller: Caller,
        permission: Permission,
        tenant: str,
        key: str,
    ) -> Iterator[Change[S]]:
        change: Change[S] | None = None
        try:
            with transaction as session:
                current, home = self._gate.enter(session, caller, permission, tenant)
                change = Change(session, current, home, permission)
                demand_key(current, permission, key, tenant)
                yield change
        except (NotPermittedError, NotFoundError) as error:
            refused = error if isinstance(error, MemberRefusedError) else change
            if refused is not None:
                reason = error.reason if isinstance(error, MemberRefusedError) else _reason(error)
                entry = self._trail.entry(
                    refused.caller, refused.tenant, permission, reason=reason, key=cap(key)
                )
                self._trail.commit(refused.tenant.id, [entry])
            raise

    def note(self, change: Change[Session], secret: Secret, **more: Any) -> None:  # noqa: ANN401 - JSON data
        """Record a change that was made."""
        entry = self._trail.entry(change.caller, change.tenant, change.permission, secret=secret, **more)
        self._trail.append(change.session, change.tenant.id, [entry])

    def find(self, change: Change[Session], key: str) -> Secret:
        """The secret that is to be changed, if the caller may change it."""
        row = look_up(change.session, change.caller, change.tenant, [key]).get(key)
        if row is None:
            raise not_found(key, change.tenant.name)
        demand(change.caller, change.permission, row.secret, change.tenant)
        return row.secret

    def comparison(
        self,
        change: Change[Session],
        secret: Secret,
        known: tuple[StoredSecret, StoredDataKey] | None = None,
    ) -> Comparison | None:
        """What a new value is compared with, once this transaction is committed; None where it may not be.

        The caller puts it on record in this transaction: before the stored value is decrypted, as with every
        use of a value.

        Args:
            change: the transaction.
            secret: the secret.
            known: its row with its data key, where the transaction has read them already.

        Raises:
            ConflictError: the secret has as many versions as it may have.
        """
        if not is_shown(change.caller, change.tenant, secret):
            return None
        self.demand_version_room(change.session, secret, change.caller)
        if known is not None:
            return Comparison(change.caller, change.tenant, known[0], [known[1]])
        row, data_keys = look_up_to_open(change.session, change.caller, change.tenant, secret.key)
        return None if row is None else Comparison(change.caller, change.tenant, row, data_keys)

    def is_same(self, comparison: Comparison, value: SecretValue) -> bool:
        """Whether a value is the stored one. One that does not open is another: a new value mends that."""
        caller, home = comparison.caller, comparison.tenant
        try:
            opened = self._opener.data_keys(caller, home, comparison.data_keys)
            if comparison.row.data_key_id not in opened:
                return False
            return self._opener.open(caller, home, comparison.row, opened) == value
        except TokenError:
            return False

    def add(self, session: Session, secret: Secret, value: SecretValue) -> None:
        """Store a secret that is new; ConflictError when its tenant has as many as it may have."""
        home = secret.tenant
        session.hold_tenant(home.id)
        self._demand_room(
            f"tenant {home.name!r}",
            session.count_secrets(home.id),
            "secrets_per_tenant",
            "delete secrets that are not needed",
        )
        data_key = active_data_key(session, self._cipher, secret.tenant.id)
        session.add_secret(secret, data_key.id, data_key.seal(value_place(secret, data_key.id), value))

    def add_version(self, session: Session, secret: Secret, value: SecretValue, caller: Caller) -> Secret:
        """Give a secret a new value; the secret as it is then. Drops versions beyond those to keep.

        Raises:
            ConflictError: another writer was quicker, or it has as many versions as it may have.
        """
        self.demand_version_room(session, secret, caller)
        at = self._clock()
        newer = replace(
            secret,
            version=secret.version + 1,
            updated_at=at,
            rotate_at=days_after(at, secret.rotate_after),
        )
        data_key = active_data_key(session, self._cipher, secret.tenant.id)
        token = data_key.seal(value_place(newer, data_key.id), value)
        session.add_version(newer, data_key.id, token, caller.user_id)
        if until := self.dropped_until(caller, newer):
            session.drop_versions(secret.id, until)
        return newer

    def dropped_until(self, caller: Caller, newer: Secret) -> int:
        """The number up to which a new version drops others; 0 for none."""
        return max(0, newer.version - self._rules.keep_versions) if self._drops(caller, newer.tenant) else 0

    def demand_version_room(self, session: Session, secret: Secret, caller: Caller) -> None:
        """Refuse one more version of a secret than it may have, where none is dropped for it.

        No earlier one makes room: who may only store values does not delete others by it.
        """
        # Numbers begin with 1 and are never used again, so that there are no more versions than the latest's.
        most = min(self._rules.versions_per_secret, self._rules.bytes_per_secret // MAX_VALUE_BYTES)
        if secret.version < most or self._drops(caller, secret.tenant):
            return
        count = session.count_versions(secret.id)
        if count >= self._rules.keep_versions:
            holder = f"secret {secret.key!r}"
            instead = "have `keep_versions` drop old ones, for those who may delete secrets"
            self._demand_room(holder, count, "versions_per_secret", instead)
            self._demand_room(
                holder, session.size_of_versions([secret.id]) * 3 // 4, "bytes_per_secret", instead
            )

    def _drops(self, caller: Caller, home: Tenant) -> bool:
        """Whether a new version drops old ones."""
        # Who may not delete a value does not do so by storing others.
        may_delete = policy.decide_in_tenant(caller, Permission.SECRET_DELETE, home).allowed
        return bool(self._rules.keep_versions) and may_delete


def _reason(error: NotPermittedError | NotFoundError) -> Verdict:
    return Verdict.ABSENT if isinstance(error, NotFoundError) else Verdict.ROLE


def demand(caller: Caller, permission: Permission, secret: Secret, asked_from: Tenant) -> None:
    """Refuse what a caller may not do with a secret, in words that fit what they may know of it."""
    decision = policy.decide(caller, permission, secret, asked_from)
    if decision.allowed:
        return
    match decision.reason:
        case Verdict.INVISIBLE:
            raise not_found(secret.key, asked_from.name)
        case Verdict.OTHER_TENANT:
            raise ElsewhereError(
                f"secret {secret.key!r} is global and belongs to tenant {secret.tenant.name!r}",
                hint="a global secret is changed and deleted from its own tenant only",
            )
        case Verdict.PROTECTED:
            raise approval_needed(secret)
        case _:
            raise NotPermittedError(
                f"user {caller.username!r} is not permitted to change the hidden secret {secret.key!r}",
                hint="its creator, a manager of its tenant or a sys_admin can",
            )


def approval_needed(secret: Secret) -> ApprovalNeededError:
    """The refusal of every way to a protected value but that of an approval."""
    return ApprovalNeededError(
        f"secret {secret.key!r} is protected: its value is given to approved bundles only",
        hint="`resolver approvals request BLUEPRINT` asks for one; with --unprotect KEY, for its end",
    )


def is_shown(caller: Caller, home: Tenant, secret: Secret) -> bool:
    """Whether a caller may be shown the value of a secret that a look-up found, by role, token and hiding."""
    return (
        policy.decide_in_tenant(caller, Permission.SECRET_SHOW, home).allowed
        and policy.decide(caller, Permission.SECRET_SHOW, secret, home).allowed
    )


def demand_shown(change: Change[Session], secret: Secret) -> None:
    """Refuse whoever lets more people see a value without being one to whom it is shown."""
    caller, home = change.caller, change.tenant
    if not policy.decide_in_tenant(caller, Permission.SECRET_SHOW, home).allowed:
        raise not_permitted(caller, Permission.SECRET_SHOW, home.name)
    demand(caller, Permission.SECRET_SHOW, secret, home)


def demand_global(caller: Caller, home: Tenant) -> None:
    """Refuse whoever may not make secrets global."""
    if not policy.decide_in_tenant(caller, Permission.SECRET_CREATE_GLOBAL, home).allowed:
        raise not_permitted(caller, Permission.SECRET_CREATE_GLOBAL, home.name)


def demand_guard(caller: Caller, home: Tenant) -> None:
    """Refuse whoever may not decide about approvals, and so not either what needs one."""
    if not policy.decide_in_tenant(caller, Permission.APPROVAL_GRANT, home).allowed:
        raise not_permitted(caller, Permission.APPROVAL_GRANT, home.name)


def demand_version(secret: Secret, version: int | None) -> None:
    """Refuse a change that was meant for another version."""
    if version is not None and version != secret.version:
        raise StaleVersionError(
            f"secret {secret.key!r} has version {secret.version}, not {version}",
            hint="look at it again, then repeat the change if it is still wanted",
        )


def demand_here(session: Session, secret: Secret) -> None:
    """Refuse what needs the value of a secret whose provider has it."""
    if secret.provider is not None and session.external_values([secret.id]):
        raise InvalidRequestError(
            f"the value of secret {secret.key!r} is kept with provider {secret.provider!r}",
            hint="change it there, or name another provider or other options here",
        )


def days_after(at: str, days: int | None) -> str | None:
    """The time so many days after another; None for no days, and for one that the calendar does not have."""
    if days is None:
        return None
    try:
        return show_time(datetime.fromisoformat(at) + timedelta(days=days))
    except OverflowError:
        return None
