"""Managing secrets: create, show, list, update, delete."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resolver.core import policy
from resolver.core.audit import cap
from resolver.core.model import Secret, Visibility, check_key, check_value
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.errors import InvalidRequestError, NotFoundError, NotPermittedError
from resolver.service.gate import MemberRefusedError, demand_key, not_found, not_permitted
from resolver.service.rows import active_data_key, look_up, look_up_to_open, value_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from resolver.core.model import Caller, SecretValue, Tenant
    from resolver.core.ports import Cipher, Session, Store
    from resolver.service.gate import Gate
    from resolver.service.rows import Opener
    from resolver.service.trail import Trail


@dataclass(frozen=True, slots=True)
class _Change:
    """A transaction about one secret, and who makes it where."""

    session: Session
    caller: Caller
    tenant: Tenant
    permission: Permission


class Secrets:
    """The secrets of all tenants, as callers manage them.

    Args:
        store: where they are kept.
        cipher: encrypts.
        gate: lets callers in.
        trail: records every change, and every value that is shown.
        opener: decrypts.
        clock: gives the time as it is stored.
    """

    def __init__(
        self,
        store: Store,
        cipher: Cipher,
        gate: Gate,
        trail: Trail,
        opener: Opener,
        clock: Callable[[], str],
    ) -> None:
        self._store = store
        self._cipher = cipher
        self._gate = gate
        self._trail = trail
        self._opener = opener
        self._clock = clock

    def create(
        self,
        caller: Caller,
        tenant: str,
        key: str,
        value: str,
        *,
        visibility: Visibility = Visibility.TENANT,
        hidden: bool = False,
        update_if_exists: bool = False,
    ) -> Secret:
        """Store a new secret.

        Args:
            caller: who creates it, and owns it from then on.
            tenant: the name of the tenant it will live in.
            key: its name.
            value: its value.
            visibility: who knows of it.
            hidden: whether others may use it but not see it.
            update_if_exists: when the key is there already, give it this value and leave all else as it is.

        Returns:
            The secret as stored.

        Raises:
            InvalidRequestError: the key or the value breaks the rules.
            NotPermittedError: the caller may not create here, or not globally.
            ConflictError: the key is taken; never whose it is.
        """
        check_key(key)
        checked = check_value(value)
        with self._changing(caller, Permission.SECRET_CREATE, tenant, key) as change:
            session, current, home = change.session, change.caller, change.tenant
            row = look_up(session, current, home, [key]).get(key)
            if row is not None and update_if_exists:
                if not policy.decide_in_tenant(current, Permission.SECRET_UPDATE, home).allowed:
                    raise not_permitted(current, Permission.SECRET_UPDATE, tenant)
                decision = policy.decide(current, Permission.SECRET_UPDATE, row.secret, home)
                if decision.reason is not Verdict.INVISIBLE:  # else the store says that the key is taken
                    _demand(current, Permission.SECRET_UPDATE, row.secret, home)
                    return self._store_version(change, row.secret, checked)
            if visibility is Visibility.GLOBAL:
                _demand_global(current, home)
            at = self._clock()
            secret = Secret(
                id=str(uuid.uuid4()),
                key=key,
                tenant=home,
                visibility=visibility,
                hidden=hidden,
                owner_id=current.user_id,
                owner=current.username,
                version=1,
                created_at=at,
                updated_at=at,
            )
            data_key = active_data_key(session, self._cipher, home.id)
            session.add_secret(secret, data_key.id, data_key.seal(value_place(secret, data_key.id), checked))
            self._note(change, secret)
            return secret

    def show(self, caller: Caller, tenant: str, key: str) -> tuple[Secret, SecretValue | None]:
        """A secret with its value; None for a hidden value that the caller may not see.

        Raises:
            NotPermittedError: the caller may not see secrets here.
            NotFoundError: there is no such secret, or the caller may not see that there is.
        """
        with self._changing(caller, Permission.SECRET_SHOW, tenant, key) as change:
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
            self._trail.append(session, home.id, [entry])
        if not decision.allowed:
            return row.secret, None
        opened = self._opener.data_keys(current, home, data_keys)
        return row.secret, self._opener.open(current, home, row, opened)

    def list(self, caller: Caller, tenant: str) -> Sequence[Secret]:
        """The secrets of a tenant that the caller may see, and the global ones; no values.

        Raises:
            NotPermittedError: the caller may not list secrets here.
        """
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.SECRET_LIST, tenant)
            found = session.secrets(home.id)
        return [
            secret
            for secret in found
            if current.narrowing.permits_key(secret.key)
            and policy.decide(current, Permission.SECRET_LIST, secret, home).allowed
        ]

    def update(
        self,
        caller: Caller,
        tenant: str,
        key: str,
        *,
        value: str | None = None,
        visibility: Visibility | None = None,
        hidden: bool | None = None,
    ) -> Secret:
        """Change a secret's value, visibility or hiding; what is None stays.

        Raises:
            InvalidRequestError: the value breaks the rules, nothing is to be changed, or the visibility would
                be narrowed.
            NotPermittedError: the caller may not change this secret, or not make it global.
            NotFoundError: there is no such secret, or the caller may not see that there is.
            ConflictError: another writer was quicker, or the key can't be global.
        """
        if value is None and visibility is None and hidden is None:
            raise InvalidRequestError("nothing to change was given")
        checked = None if value is None else check_value(value)
        with self._changing(caller, Permission.SECRET_UPDATE, tenant, key) as change:
            session, current, home = change.session, change.caller, change.tenant
            secret = self._find_for_change(change, Permission.SECRET_UPDATE, key)
            if hidden is not None and hidden != secret.hidden:
                # Whoever switches hiding must be one to whom the hidden value is open.
                _demand(current, Permission.SECRET_UPDATE, replace(secret, hidden=True), home)
            if visibility is not None and visibility.width < secret.visibility.width:
                raise InvalidRequestError(
                    f"secret {key!r} is {secret.visibility} already, and visibility is never narrowed",
                )
            if visibility is Visibility.GLOBAL and secret.visibility is not Visibility.GLOBAL:
                _demand_global(current, home)
            if visibility is not None or hidden is not None:
                wider = secret.visibility if visibility is None else visibility
                hides = secret.hidden if hidden is None else hidden
                session.set_attributes(replace(secret, updated_at=self._clock()), wider, hidden=hides)
                secret = replace(secret, visibility=wider, hidden=hides, updated_at=self._clock())
            if checked is not None:
                return self._store_version(change, secret, checked)
            self._note(change, secret)
            return secret

    def delete(self, caller: Caller, tenant: str, key: str) -> None:
        """Delete a secret with all its versions.

        Raises:
            NotPermittedError: the caller may not delete this secret.
            NotFoundError: there is no such secret, or the caller may not see that there is.
        """
        with self._changing(caller, Permission.SECRET_DELETE, tenant, key) as change:
            secret = self._find_for_change(change, Permission.SECRET_DELETE, key)
            change.session.delete_secret(secret)
            self._note(change, secret)

    @contextlib.contextmanager
    def _changing(self, caller: Caller, permission: Permission, tenant: str, key: str) -> Iterator[_Change]:
        """One change of one secret: recorded in the transaction that makes it, or as refused after it."""
        change: _Change | None = None
        try:
            with self._store.write() as session:
                current, home = self._gate.enter(session, caller, permission, tenant)
                change = _Change(session, current, home, permission)
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

    def _note(self, change: _Change, secret: Secret) -> None:
        entry = self._trail.entry(change.caller, change.tenant, change.permission, secret=secret)
        self._trail.append(change.session, change.tenant.id, [entry])

    def _find_for_change(self, change: _Change, permission: Permission, key: str) -> Secret:
        row = look_up(change.session, change.caller, change.tenant, [key]).get(key)
        if row is None:
            raise not_found(key, change.tenant.name)
        _demand(change.caller, permission, row.secret, change.tenant)
        return row.secret

    def _store_version(self, change: _Change, secret: Secret, value: SecretValue) -> Secret:
        newer = replace(secret, version=secret.version + 1, updated_at=self._clock())
        data_key = active_data_key(change.session, self._cipher, secret.tenant.id)
        token = data_key.seal(value_place(newer, data_key.id), value)
        change.session.add_version(newer, data_key.id, token, change.caller.user_id)
        self._note(change, newer)
        return newer


def _reason(error: NotPermittedError | NotFoundError) -> Verdict:
    return Verdict.ABSENT if isinstance(error, NotFoundError) else Verdict.ROLE


def _demand(caller: Caller, permission: Permission, secret: Secret, asked_from: Tenant) -> None:
    decision = policy.decide(caller, permission, secret, asked_from)
    if decision.allowed:
        return
    match decision.reason:
        case Verdict.INVISIBLE:
            raise not_found(secret.key, asked_from.name)
        case Verdict.OTHER_TENANT:
            raise NotPermittedError(
                f"secret {secret.key!r} is global and belongs to tenant {secret.tenant.name!r}",
                hint="a global secret is changed and deleted from its own tenant only",
            )
        case _:
            raise NotPermittedError(
                f"user {caller.username!r} is not permitted to change the hidden secret {secret.key!r}",
                hint="its creator, a manager of its tenant or a sys_admin can",
            )


def _demand_global(caller: Caller, home: Tenant) -> None:
    if not policy.decide_in_tenant(caller, Permission.SECRET_CREATE_GLOBAL, home).allowed:
        raise not_permitted(caller, Permission.SECRET_CREATE_GLOBAL, home.name)
