"""Requests about users: creating, listing, changing and deleting them, and who the caller is."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

from msgspec.structs import replace

from resolver.core import policy
from resolver.core.login_backoff import Failures
from resolver.core.model import Caller, User, UserProfile, check_key
from resolver.core.permissions import Permission, SystemRole
from resolver.core.query import WHOLE, Part
from resolver.core.results import DeletedUser, Identity, UserInfo, count_holdings
from resolver.core.secret_changes import UNCHANGED
from resolver.core.sign_in import MAX_SUBJECT
from resolver.errors import ConflictError, InvalidRequestError, NotFoundError, TamperedRowError
from resolver.service.access import (
    MAX_PASSWORD,
    demand_confirmed,
    demand_credentials,
    demand_full_scope,
    demand_way_in,
    find_user,
    not_permitted,
    tell,
    unconfirmed,
)
from resolver.service.base import ServicePart
from resolver.service.group_roles import end_roles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resolver.core.account_changes import NewPassword, NewUser, UserChange
    from resolver.core.login_rules import LoginRules
    from resolver.core.model import SecretValue
    from resolver.core.ports import Session, StoredUser
    from resolver.core.query import Choice, UserField
    from resolver.service.base import Rules


def check_password(password: str, rules: Rules) -> str:
    """Return a new password after checking how long it is; InvalidRequestError when that is not allowed."""
    if not rules.password_length <= len(password) <= MAX_PASSWORD:
        raise InvalidRequestError(f"a password has {rules.password_length} to {MAX_PASSWORD} characters")
    return password


def check_person(issuer: object, subject: object, rules: LoginRules) -> tuple[str, str] | tuple[None, None]:
    """Check who a user is to be for an OpenID provider; two times None for nobody.

    Raises:
        InvalidRequestError: one is given without the other, or there is no such provider.
    """
    if issuer is None and subject is None:
        return None, None
    if not isinstance(issuer, str) or not isinstance(subject, str):
        raise InvalidRequestError("issuer and subject are given together")
    if issuer not in rules.issuers:
        raise InvalidRequestError(
            "nobody signs in by this issuer", hint="`sign_in` in `config.yaml` has them"
        )
    if not 0 < len(subject) <= MAX_SUBJECT or not subject.isascii() or not subject.isprintable():
        raise InvalidRequestError(f"a subject has 1 to {MAX_SUBJECT} printable ASCII characters")
    return issuer, subject


def replace_password(session: Session, user_id: str, hashed: str) -> None:
    """Give a user another password, with which the back-off begins anew."""
    session.set_password(user_id, hashed)
    session.delete_console_sessions_of(user_id)  # whoever knew the old one is out
    session.login_failures(user_id)
    session.set_login_failures(user_id, Failures())


class Users(ServicePart):
    """The users."""

    def create(self, caller: Caller, name: str, new: NewUser) -> UserProfile:
        """Make a user; one without a password can only use tokens. ConflictError when the name is taken."""
        check_key(name, "user name")
        with self._store.read() as session:  # before the hash, which is made slow on purpose
            self._enter_to_create(session, caller, new)
            if new.password is not None:
                self._demand_password(name, linked=False)
        hashed = None if new.password is None else self._hashed(new.password)
        with self._store.write() as session:
            current = self._enter_to_create(session, caller, new)
            user = User(name, new.system_role, active=True, created_at=self._clock(), id=str(uuid.uuid4()))
            session.add_user(user, hashed)
            self._trail.append_system(session, current, "user:create", object=name, role=new.system_role)
            return user.profile

    def list(self, caller: Caller, choice: Choice[UserField] = WHOLE) -> Part[UserInfo]:
        """A part of all users, by name, or of those whose names have a text in them."""
        with self._store.read() as session:
            self._gate.enter_system(session, caller, Permission.USER_MANAGE)
            return Part(self._infos(session, session.users(choice)), session.count_users(choice.search))

    def get(self, caller: Caller, username: str = "") -> UserInfo:
        """One user: oneself, when no other is named. NotFoundError when there is none."""
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            if username.casefold() not in ("", current.username.casefold()):
                self._gate.enter_system(session, caller, Permission.USER_MANAGE)
            found = session.user(name=username or current.username)
            if found is None:
                raise NotFoundError(f"user {username!r} does not exist")
            info = self._infos(session, [found])[0]
            if not current.scope.is_limited:
                return info
            # A narrowed token learns of its user's tenants as far as it reaches.
            homes = session.tenants(set(found.roles))
            reached = {tenant.name for tenant in homes if policy.rights(current, tenant)}
            return replace(info, roles={name: role for name, role in info.roles.items() if name in reached})

    def _infos(self, session: Session, found: Sequence[StoredUser]) -> Sequence[UserInfo]:
        homes = {tenant_id for stored in found for tenant_id in stored.roles}
        tenants = {tenant.id: tenant.name for tenant in session.tenants(homes)}
        for missing in homes - tenants.keys():
            raise TamperedRowError.of("tenant", missing, "is missing, and has members")
        refused = session.refused_logins(self._clock())
        return [
            UserInfo(
                stored.user.profile,
                {tenants[tenant_id]: role for tenant_id, role in stored.roles.items()},
                stored.user.id in refused,
            )
            for stored in found
        ]

    def update(
        self, caller: Caller, username: str, wanted: UserChange, *, even_last: bool = False
    ) -> UserInfo:
        """Give a user another system role, or let the user in again or not any more.

        Who is not active gets in neither by password nor by any token, at once. Tokens are kept, and work
        again with the user.

        Args:
            caller: who asks.
            username: the user.
            wanted: what changes.
            even_last: go on where no sys_admin could log in any more.

        Returns:
            The user after the change, also where it ended the caller's own rights.

        Raises:
            ConflictError: no active sys_admin would remain.
            LastCredentialError: none of those who would has a credential.
        """
        with self._changing(caller, username) as (session, current, user):
            if (role := wanted.system_role) is not UNCHANGED:
                session.set_system_role(user.id, role, self._clock())
                self._trail.append_system(session, current, "user:set_role", object=user.name, role=role)
            if (active := wanted.active) is not UNCHANGED:
                session.set_active(user.id, self._clock(), active=active)
                action = "user:activate" if active else "user:deactivate"
                self._trail.append_system(session, current, action, object=user.name)
            if wanted.issuer is not UNCHANGED or wanted.subject is not UNCHANGED:
                self._link(session, current, user, wanted)
            self._demand_way_in(session, user, even_last=even_last)
            return self._after_change(session, user)

    def _link(self, session: Session, current: Caller, user: User, wanted: UserChange) -> None:
        """Have a user sign in by a provider and by no password, or no more by one.

        Roles that came of groups end with it: nobody would take them away.
        """
        demand_credentials(current, self._clock(), "say who signs in as a user")
        issuer, subject = check_person(wanted.issuer, wanted.subject, self._rules.sign_in)
        if issuer is not None and self._rules.sign_in.is_break_glass(user.name):
            raise ConflictError("the break-glass account signs in by its password alone")
        if issuer is None and user.issuer is None:
            raise ConflictError(f"user {user.name!r} signs in by no provider")
        session.set_identity(user.id, issuer, subject)
        session.delete_console_sessions_of(user.id)
        stored = session.user(user_id=user.id)
        if user.roles_until is not None and stored is not None:
            end_roles(session, self._trail, current, stored, self._clock())
        self._trail.append_system(
            session, current, "user:link", object=user.name, issuer=issuer, subject=subject
        )

    def _demand_password(self, name: str, *, linked: bool) -> None:
        """Refuse a password that nobody could log in by."""
        rules = self._rules.sign_in
        if linked:
            raise ConflictError(f"user {name!r} signs in by a provider, and has no password here")
        if not rules.password_sign_in and not rules.is_break_glass(name):
            raise ConflictError("passwords are switched off", hint="`sign_in` in `config.yaml` says so")

    def _demand_way_in(self, session: Session, changed: User, *, even_last: bool) -> None:
        if changed.system_role is SystemRole.SYS_ADMIN and not even_last:
            demand_way_in(session, self._clock(), self._rules.sign_in)

    def unlock(self, caller: Caller, username: str) -> UserInfo:
        """Forget the wrong passwords that were given for a user, so that logins are not refused any more."""
        with self._changing(caller, username) as (session, current, user):
            session.login_failures(user.id)
            session.set_login_failures(user.id, Failures())
            self._trail.append_system(session, current, "user:unlock", object=user.name)
            return self._after_change(session, user)

    def _after_change(self, session: Session, user: User) -> UserInfo:
        """A user whom someone just changed who may see all of it, whatever that one may do now."""
        stored = session.user(user_id=user.id)
        return self._infos(session, [stored] if stored else [])[0]

    def set_password(self, caller: Caller, username: str, new: NewPassword) -> int:
        """Give a user a new password: one's own, or another's for those who manage users.

        One's own is changed by giving the old one: a login of its own, or one that was just confirmed. Every
        login with the old one ends at once. Access tokens have nothing to do with it, and are kept
        unless they are to be revoked, too. Then the trusts end as well that the user made for themselves:
        whoever knew the old password may have made one, and would get new tokens by it.

        Returns:
            How many access tokens were revoked, or else are still there.
        """
        with self._store.read() as session:  # before the hash, which is made slow on purpose
            self._enter_for_password(session, caller, username)
            self._demand_password(username, linked=find_user(session, username).issuer is not None)
        hashed = self._hashed(new.password)
        with self._store.write() as session:
            self._enter_for_password(session, caller, username)
            user = find_user(session, username)
            session.hold_user(user.id)
            current = self._enter_for_password(session, caller, username)
            self._demand_password(user.name, linked=find_user(session, username).issuer is not None)
            replace_password(session, user.id, hashed)
            number = session.delete_tokens(user.id) if new.revoke_tokens else session.count_tokens(user.id)
            revoked = number if new.revoke_tokens else 0
            self._trail.append_system(
                session, current, "user:set_password", object=user.name, tokens_revoked=revoked
            )
            for trust in session.trusts(user_id=user.id) if new.revoke_tokens else ():
                if trust.created_by == user.id:
                    session.delete_trust(trust.id)
                    self._trail.append_system(session, current, "trust:delete", object=trust.name)
            return number

    def delete(
        self,
        caller: Caller,
        username: str,
        *,
        reassign_to: str = "",
        purge: bool = False,
        even_last: bool = False,
    ) -> DeletedUser:
        """Delete a user, with memberships and tokens.

        Args:
            caller: who asks.
            username: who is deleted.
            reassign_to: the user who gets what the deleted one owns.
            purge: delete what the user owns, in all tenants.
            even_last: go on where no sys_admin could log in any more.

        Returns:
            What was given to the other user, or deleted.

        Raises:
            InvalidRequestError: both were asked for, or the user would be given the own things.
            ConflictError: the user owns something and neither was asked for, or no active sys_admin would
                remain.
            LastCredentialError: none of those who would has a credential.
        """
        if reassign_to and purge:
            raise InvalidRequestError("what a user owns is either given to another one or deleted")
        with self._changing(caller, username) as (session, current, user):
            heir = find_user(session, reassign_to) if reassign_to else None
            if heir is not None and heir.id == user.id:
                raise InvalidRequestError("a user's things are given to another user")
            owned = session.holdings(user_id=user.id)
            if owned and heir is None and not purge:
                raise ConflictError(
                    f"user {user.name!r} owns {count_holdings(owned)}: {tell(owned)}",
                    hint="--reassign-to NAME gives all of it to another user, --purge deletes it",
                )
            if heir is not None:
                session.give_holdings(user.id, heir.id, self._clock())
            elif owned:
                session.delete_holdings(user_id=user.id)
            session.delete_user(user.id, self._clock())
            more = {"owner": heir.name} if heir is not None else {}
            action = "set_owner" if heir is not None else "delete"
            self._trail.append_holdings(session, current, owned, action, **more)
            self._trail.append_system(
                session,
                current,
                "user:delete",
                object=user.name,
                owned=len(owned),
                reassigned_to=heir.name if heir is not None else None,
            )
            self._demand_way_in(session, user, even_last=even_last)
            return DeletedUser(owned)

    def _hashed(self, password: SecretValue) -> str:
        return self._gate.passwords.hash(check_password(password.reveal(), self._rules))

    @contextlib.contextmanager
    def _changing(self, caller: Caller, username: str) -> Iterator[tuple[Session, Caller, User]]:
        with self._store.write() as session:
            self._enter(session, caller)
            session.hold_admins()
            current = self._enter(session, caller)  # who had to wait may have lost the role meanwhile
            yield session, current, find_user(session, username)

    def _enter(self, session: Session, caller: Caller) -> Caller:
        current = self._gate.enter_system(session, caller, Permission.USER_MANAGE)
        # It could make itself a user that is not narrowed.
        demand_full_scope(current, "change users")
        demand_confirmed(current, self._clock(), "change users")
        return current

    def _enter_to_create(self, session: Session, caller: Caller, new: NewUser) -> Caller:
        current = self._enter(session, caller)
        if new.password is not None:
            demand_credentials(current, self._clock(), "set a password")
        return current

    def _enter_for_password(self, session: Session, caller: Caller, username: str) -> Caller:
        current, now = self._gate.current(session, caller), self._clock()
        demand_credentials(current, now, "set a password")
        if username.casefold() != current.username.casefold():
            if not policy.decide_in_tenant(current, Permission.USER_MANAGE, None).allowed:
                raise not_permitted(current, Permission.USER_MANAGE, "")
        elif not policy.is_confirmed(current, now):
            stored = session.user(user_id=current.user_id)
            if stored is None or stored.password_hash is not None:
                raise unconfirmed("set a password")
        return current

    def whoami(self, caller: Caller) -> Identity:
        """Who the caller is, and what may be done where."""
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            tenants = [tenant for tenant in session.tenants() if policy.rights(current, tenant)]
        roles = {tenant.name: current.roles[tenant.id] for tenant in tenants if tenant.id in current.roles}
        return Identity(
            current.username,
            current.system_role,
            roles,
            current.token_id,
            current.scope,
            {tenant.name: policy.rights(current, tenant) for tenant in tenants},
            policy.rights(current, None),
        )
