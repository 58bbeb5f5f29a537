"""What needs the root key and no login: filling an empty store, and letting a sys_admin in again."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from resolver.core.account_changes import NewToken
from resolver.core.model import Caller, User, check_key
from resolver.core.permissions import SystemRole
from resolver.core.query import WHOLE
from resolver.errors import ConflictError, InvalidRequestError
from resolver.service.access import find_user
from resolver.service.base import ServicePart
from resolver.service.users import check_password, replace_password

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resolver.core.ports import Session
    from resolver.service.base import Shared
    from resolver.service.secrets import Secrets
    from resolver.service.tenants import Tenants
    from resolver.service.tokens import Tokens


class Setup(ServicePart):
    """Fills a store that is empty, and makes a way back into one whose credentials are lost.

    Args:
        shared: what all parts share.
        tenants: makes the first tenant.
        secrets: stores the first secrets.
        tokens: makes the first token.
    """

    def __init__(self, shared: Shared, tenants: Tenants, secrets: Secrets, tokens: Tokens) -> None:
        super().__init__(shared)
        self._tenants = tenants
        self._secrets = secrets
        self._tokens = tokens

    def initialise(
        self,
        admin: str,
        password: str | None,
        tenant: str,
        keep: Callable[[str], None] | None,
        secrets: Mapping[str, str] | None = None,
    ) -> str | None:
        """Fill an empty store, all or nothing: root key, system key, tenant, and a sys_admin with a token.

        Args:
            admin: the sys_admin's name.
            password: the sys_admin's password; None for no password login.
            tenant: the first tenant's name.
            keep: called with the token before anything is committed: a token that could not be kept anywhere
                would leave a store that nobody can enter. None for no token: the password is enough.
            secrets: values to store in the first tenant, by key.

        Returns:
            The sys_admin's token, empty when there is none; None when the store is initialised already, and
            nothing was changed.

        Raises:
            StoreError: the store was initialised with a root key that is not at hand.
        """
        at = self._clock()
        hashed = (
            None if password is None else self._gate.passwords.hash(check_password(password, self._rules))
        )
        with self._store.write() as session:
            if session.wrapping_root_key() is not None:
                return None
            root_key_id = self._cipher.root_key_ids[0]
            session.set_wrapping_root_key(root_key_id, at)
            session.add_data_key(self._cipher.new_data_key("", root_key_id), at)
            user = User(
                check_key(admin, "user name"),
                SystemRole.SYS_ADMIN,
                active=True,
                created_at=at,
                id=str(uuid.uuid4()),
            )
            session.add_user(user, hashed)
            caller = Caller(user.id, user.name, user.system_role)
            home = self._tenants.add(session, caller, tenant)
            for key, value in (secrets or {}).items():
                self._secrets.add(session, caller, home, key, value)
            if keep is None:
                return ""
            token = self._tokens.add(session, caller, user, NewToken(description="made by init")).token
            keep(token)
            return token

    def recover(self, username: str, keep: Callable[[str], None] | None, password: str | None = None) -> str:
        """Let an active sys_admin in, for whoever has root key and database but no login.

        The system's trail says so in a record of its own, beside that of the token. No bound on tokens
        keeps anyone out. Who is sys_admin by a group is so for good, or until the next sign-in by the
        provider; with a password there is none any more.

        Args:
            username: the sys_admin's name; empty for the only one there is.
            keep: called with a new token before anything is committed, as in `initialise`; None for no
                token.
            password: a new password; console sessions end with the old one. None leaves it as it is.

        Returns:
            The sys_admin's name.

        Raises:
            NotFoundError: there is no such user.
            ConflictError: the user is no sys_admin, or not active.
            InvalidRequestError: none is named, and there are several; or the password breaks the rules.
        """
        hashed = (
            None if password is None else self._gate.passwords.hash(check_password(password, self._rules))
        )
        with self._store.write() as session:
            found = find_user(session, username or _only_admin(session))
            session.hold_user(found.id)
            user = find_user(session, found.name)  # may have been changed by who was waited for
            if user.system_role is not SystemRole.SYS_ADMIN or not user.active:
                lacks = "active" if user.system_role is SystemRole.SYS_ADMIN else "a sys_admin"
                raise ConflictError(
                    f"user {user.name!r} is not {lacks}", hint="leave the name out to be told who is"
                )
            caller = Caller(user.id, user.name, user.system_role)
            told: dict[str, object] = {} if hashed is None else {"password_set": True}
            if user.roles_until is not None:  # else the role of a group would be one that has ended
                session.set_roles_until(user.id, None)
                told["role_stays"] = True
            if hashed is not None:
                if user.issuer is not None:  # whose passwords are not taken
                    session.set_identity(user.id, None, None)
                    told["unlinked"] = True
                replace_password(session, user.id, hashed)
            token = ""
            if keep is not None:
                made = self._tokens.add(session, caller, user, NewToken(description="made by recover"))
                told["made"], token = made.info.id, made.token
            self._trail.append_system(session, caller, "store:recover", object=user.name, **told)
            if keep is not None:
                keep(token)
            return user.name


def _only_admin(session: Session) -> str:
    names = [
        stored.user.name
        for stored in session.users(WHOLE)
        if stored.user.system_role is SystemRole.SYS_ADMIN and stored.user.active
    ]
    if len(names) != 1:  # never none: the database keeps the last one
        raise InvalidRequestError(
            f"there are several sys_admins: {', '.join(names[:20])}{', ...' * (len(names) > 20)}",  # noqa: PLR2004
            hint="name one with --user",
        )
    return names[0]
