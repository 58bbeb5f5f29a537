"""Local passwords: who may use none, where they are off, and the one account that still has one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from resolver.core.account_changes import NewPassword, NewToken, NewUser, UserChange
from resolver.core.audit import AuditQuery
from resolver.core.events import KIND_OF, EventKind
from resolver.core.model import SecretValue
from resolver.core.permissions import SystemRole
from resolver.core.times import later
from resolver.errors import AuthenticationError, ConflictError, InvalidRequestError, LastCredentialError
from tests.people import let_in_by, openid_provider, provider_of, signed_in
from tests.trusting import ISSUER

if TYPE_CHECKING:
    from tests.databases import World

PASSWORD = "eve's password"


def _eve(world: World) -> None:
    world.service.users.create(world.admin, "eve", NewUser(password=SecretValue(PASSWORD)))


def _refused(world: World, name: str, password: str) -> str:
    with pytest.raises(AuthenticationError, match=r"^the user name or the password is wrong$") as refused:
        world.service.gate.authenticate_password(name, password)
    return refused.value.hint


def test_passwords_are_off(embedded: World) -> None:
    """In one text for a right and a wrong one; sessions that they opened end, and new ones are not set."""
    _eve(embedded)
    opened = embedded.service.sessions.open(username="eve", password=PASSWORD).secret
    let_in_by(embedded, provider_of(ISSUER), password_sign_in=False, break_glass_user="admin")
    hints = {
        _refused(embedded, name, password) for name in ("eve", "nobody", "admin") for password in ("x", "y")
    }
    assert hints == {_refused(embedded, "eve", PASSWORD)}
    with pytest.raises(AuthenticationError):
        embedded.service.sessions.authenticate(opened)
    assert embedded.service.sign_in.options().passwords is False
    new = SecretValue("another password")
    with pytest.raises(ConflictError, match="passwords are switched off"):
        embedded.service.users.set_password(embedded.admin, "eve", NewPassword(new))
    with pytest.raises(ConflictError, match="passwords are switched off"):
        embedded.service.users.create(embedded.admin, "fay", NewUser(password=new))
    embedded.service.users.create(embedded.admin, "fay", NewUser())
    let_in_by(embedded)
    assert embedded.service.gate.authenticate_password("eve", PASSWORD).username == "eve"


def test_nobodys_password_without_a_break_glass_account(embedded: World) -> None:
    """Where the settings name none, there is none: an empty name is nobody's."""
    let_in_by(embedded, provider_of(ISSUER), password_sign_in=False)
    _refused(embedded, "admin", "admin password")
    _refused(embedded, "", "admin password")


def test_the_break_glass_account(embedded: World, caplog: pytest.LogCaptureFixture) -> None:
    """It gets in; each time that is in the trail, in the log, and an event."""
    let_in_by(embedded, provider_of(ISSUER), password_sign_in=False, break_glass_user="Admin")

    def recorded() -> list[str]:
        found = embedded.service.trail.stream(embedded.admin, "", AuditQuery(action="user:break_glass"))
        return [one.action for one in found]

    with caplog.at_level(logging.WARNING, "resolver.access"):
        _refused(embedded, "admin", "wrong")
        assert recorded() == []
        for count in (1, 2):
            assert embedded.service.gate.authenticate_password("ADMIN", "admin password").interactive
            assert len(recorded()) == count
    assert caplog.text.count("the break-glass account was used user='admin'") == 2
    assert KIND_OF["user:break_glass"] is EventKind.BREAK_GLASS_USED
    secret = embedded.service.sessions.open(username="admin", password="admin password").secret
    assert embedded.service.sessions.authenticate(secret).username == "admin"
    embedded.service.users.set_password(
        embedded.service.sessions.authenticate(secret), "admin", NewPassword(SecretValue("a newer password"))
    )
    assert embedded.service.gate.authenticate_password("admin", "a newer password")


def test_while_passwords_are_on_it_is_an_account_like_any_other(embedded: World) -> None:
    """Nothing is recorded of it then."""
    let_in_by(embedded, break_glass_user="admin")
    embedded.service.gate.authenticate_password("admin", "admin password")
    assert not list(embedded.service.trail.stream(embedded.admin, "", AuditQuery(action="user:break_glass")))


def test_who_signs_in_by_a_provider_has_no_password(embedded: World) -> None:
    """Linking takes it away with all sessions; another one can't be set, by whomever."""
    _eve(embedded)
    with openid_provider(embedded) as provider:
        opened = embedded.service.sessions.open(username="eve", password=PASSWORD).secret
        link = UserChange(issuer=provider.url, subject="sub-una")
        info = embedded.service.users.update(embedded.admin, "eve", link)
        assert (info.user.issuer, info.user.subject) == (provider.url, "sub-una")
        _refused(embedded, "eve", PASSWORD)
        with pytest.raises(AuthenticationError):
            embedded.service.sessions.authenticate(opened)
        with pytest.raises(ConflictError, match="signs in by a provider, and has no password here"):
            embedded.service.users.set_password(
                embedded.admin, "eve", NewPassword(SecretValue("another password"))
            )
        eve = signed_in(embedded, provider, auth_time=int(provider.now()))
        assert eve.username == "eve"
        with pytest.raises(ConflictError, match="signs in by a provider"):
            embedded.service.users.set_password(eve, "eve", NewPassword(SecretValue("another password")))
        embedded.service.users.create(embedded.admin, "fay", NewUser())
        with pytest.raises(ConflictError, match="another user is this person"):
            embedded.service.users.update(embedded.admin, "fay", link)


def test_unlinking(embedded: World) -> None:
    """Roles of groups go with it, and the person has no user here any more; the old password is gone."""
    with openid_provider(embedded, create_users=False) as provider:
        _eve(embedded)
        embedded.service.users.update(
            embedded.admin, "eve", UserChange(issuer=provider.url, subject="sub-una")
        )
        opened = embedded.service.sessions.open_for(signed_in(embedded, provider)).secret
        assert embedded.service.users.get(embedded.admin, "eve").roles
        info = embedded.service.users.update(embedded.admin, "eve", UserChange(issuer=None, subject=None))
        assert (info.user.issuer, info.user.roles_until, info.roles) == (None, None, {})
        with pytest.raises(AuthenticationError):
            embedded.service.sessions.authenticate(opened)
        with pytest.raises(AuthenticationError, match="you have no user here"):
            signed_in(embedded, provider)
        _refused(embedded, "eve", PASSWORD)
        with pytest.raises(ConflictError, match="signs in by no provider"):
            embedded.service.users.update(embedded.admin, "eve", UserChange(issuer=None, subject=None))


@pytest.mark.parametrize("hours", [0, 13])
def test_a_sys_admin_of_a_group_is_none_once_unlinked(embedded: World, hours: int) -> None:
    """Nor one whose role had ended, who would have it again for good."""
    with openid_provider(embedded, admin_groups=("ops",)) as provider:
        signed_in(embedded, provider, groups=["ops"])
        token = embedded.service.tokens.create(embedded.admin, NewToken(username="una")).token
        embedded.clock.now = later(embedded.clock(), hours * 3600)
        admin = embedded.service.gate.authenticate_token(embedded.token or "")
        info = embedded.service.users.update(admin, "una", UserChange(issuer=None, subject=None))
        assert (info.user.system_role, info.user.roles_until) == (SystemRole.DEFAULT, None)
        assert embedded.service.gate.authenticate_token(token).system_role is SystemRole.DEFAULT
        actions = [one.action for one in embedded.service.trail.stream(admin, "", AuditQuery())]
        assert actions.count("user:set_role") == 2


def test_a_role_of_a_group_is_no_last_way_in(embedded: World) -> None:
    """A token of whoever is sys_admin by a group does not count: the role ends."""
    with openid_provider(embedded, admin_groups=("ops",)) as provider:
        signed_in(embedded, provider, groups=["ops"])
        embedded.service.tokens.create(embedded.admin, NewToken(username="una"))
        with pytest.raises(LastCredentialError):
            embedded.service.users.update(embedded.admin, "admin", UserChange(active=False))


def test_a_sys_admin_whose_role_ended_is_none_that_remains(embedded: World) -> None:
    """The last one stays until another is there; of those whose roles ended each may go."""
    users, admin = embedded.service.users, embedded.admin
    with openid_provider(embedded, admin_groups=("ops",)) as provider:
        signed_in(embedded, provider, groups=["ops"])
        embedded.clock.now = later(embedded.clock(), 13 * 3600)
        for change in (UserChange(active=False), UserChange(system_role=SystemRole.DEFAULT)):
            with pytest.raises(ConflictError, match="the last active sys_admin can't be"):
                users.update(admin, "admin", change, even_last=True)
        with pytest.raises(ConflictError, match="can't be deleted"):
            users.delete(admin, "admin", even_last=True, purge=True)
        users.delete(admin, "una", purge=True)
        signed_in(embedded, provider, groups=["ops"])
        users.update(admin, "admin", UserChange(active=False), even_last=True)


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_recovery_of_a_sys_admin_whose_role_ended(embedded: World, password: str | None) -> None:
    """Whoever has the root key gets in: the role of a group stays; with a password nobody signs in for it."""
    made: list[str] = []
    with openid_provider(embedded, admin_groups=("ops",)) as provider:
        signed_in(embedded, provider, groups=["ops"])
        embedded.service.users.update(embedded.admin, "admin", UserChange(active=False), even_last=True)
        embedded.clock.now = later(embedded.clock(), 13 * 3600)
        assert embedded.service.setup.recover("", made.append, password) == "una"
        una = embedded.service.gate.authenticate_token(made[0])
        assert una.system_role is SystemRole.SYS_ADMIN
        info = embedded.service.users.get(una, "una")
        assert (info.user.roles_until, info.user.issuer is None) == (None, password is not None)
        if password is not None:
            assert embedded.service.gate.authenticate_password("una", password).username == "una"


def test_what_can_t_be_linked(embedded: World) -> None:
    """Half of a person, an issuer that nobody signs in by, the break-glass account."""
    let_in_by(embedded, provider_of(ISSUER), break_glass_user="admin")
    embedded.service.users.create(embedded.admin, "fay", NewUser())
    for issuer, subject in (
        (ISSUER, None),
        (None, "x"),
        ("https://other", "x"),
        (ISSUER, ""),
        (ISSUER, "\u0443"),
    ):
        with pytest.raises(InvalidRequestError):
            embedded.service.users.update(embedded.admin, "fay", UserChange(issuer=issuer, subject=subject))
    with pytest.raises(InvalidRequestError):
        embedded.service.users.update(embedded.admin, "fay", UserChange(issuer=ISSUER))
    with pytest.raises(ConflictError, match="break-glass"):
        embedded.service.users.update(embedded.admin, "ADMIN", UserChange(issuer=ISSUER, subject="x"))


def test_the_last_way_in(embedded: World) -> None:
    """A password that is switched off is none, and a provider may be gone: the last token stays."""
    embedded.service.users.create(
        embedded.admin, "eve", NewUser(password=SecretValue(PASSWORD), system_role=SystemRole.SYS_ADMIN)
    )
    let_in_by(embedded, provider_of(ISSUER), password_sign_in=False)
    with pytest.raises(LastCredentialError):
        embedded.service.tokens.revoke(embedded.admin, embedded.admin.token_id)
    let_in_by(embedded, provider_of(ISSUER), password_sign_in=False, break_glass_user="eve")
    embedded.service.tokens.revoke(embedded.admin, embedded.admin.token_id)
