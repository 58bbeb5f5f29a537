"""Sessions of the web console: how they are opened, and everything that ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import asdict

from resolver.core.account_changes import NewPassword, NewToken, UserChange
from resolver.core.model import Scope, SecretValue
from resolver.core.permissions import Permission, TenantRole
from resolver.core.secret_changes import NewSecret
from resolver.errors import AuthenticationError, NotPermittedError
from resolver.service.base import DEFAULT_RULES
from resolver.service.console_sessions import csrf_token

if TYPE_CHECKING:
    from tests.databases import Clock, World

START = "2030-01-01T00:00:00.000Z"


def _ended(world: World, secret: str, words: str = "the session has ended") -> None:
    with pytest.raises(AuthenticationError, match=words):
        world.service.sessions.authenticate(secret)


def _open(world: World) -> str:
    return world.service.sessions.open(username="ADMIN", password="admin password").secret


def _at(clock: Clock, time: str) -> None:
    clock.now = f"2030-01-01T{time}.000Z"


def test_a_password_opens_a_session(world: World) -> None:
    """Its secret identifies the user, and is neither in the database nor in a repr."""
    opened = world.service.sessions.open(username="ADMIN", password="admin password")
    caller = world.service.sessions.authenticate(opened.secret)
    assert (caller.username, caller.token_id) == ("admin", "")
    assert world.service.tenants.list(caller)
    assert opened.secret not in repr(opened)
    stored = repr(world.execute("SELECT * FROM console_session"))
    assert opened.secret not in stored
    assert opened.csrf_token not in stored
    assert opened.csrf_token == csrf_token(opened.secret) != csrf_token(opened.secret + "x")


def test_wrong_credentials_open_none(embedded: World) -> None:
    """An unknown user and a wrong password are refused in one text; a narrowed token opens none either."""
    for name, password in (("admin", "wrong"), ("nobody", "wrong")):
        with pytest.raises(AuthenticationError, match=r"^the user name or the password is wrong$"):
            embedded.service.sessions.open(username=name, password=password)
    scope = Scope(permissions=frozenset({Permission.SECRET_LIST}))
    token = embedded.service.tokens.create(embedded.admin, NewToken(**asdict(scope))).token
    with pytest.raises(NotPermittedError, match=r"^a narrowed token can't open a console session$"):
        embedded.service.sessions.open(token=token)
    assert embedded.execute("SELECT * FROM console_session") == []


@pytest.mark.two_databases
def test_logout_ends_a_session(world: World) -> None:
    """On the server: the secret is worth nothing afterwards; a second logout does nothing."""
    secret, other = _open(world), _open(world)
    world.service.sessions.close(secret)
    _ended(world, secret)
    world.service.sessions.close(secret)
    world.service.sessions.authenticate(other)
    _ended(world, "never-was")


@pytest.mark.two_databases
def test_a_session_that_is_not_used_ends(world: World) -> None:
    """After half an hour without a request; each request gives another half hour."""
    secret = _open(world)
    for time in ("00:29:00", "00:58:00", "01:27:00"):
        _at(world.clock, time)
        world.service.sessions.authenticate(secret)
    _at(world.clock, "01:57:01")
    _ended(world, secret)


def test_a_session_ends_after_its_longest_time(world: World) -> None:
    """Half a day, however much it is used."""
    secret = _open(world)
    for hour in range(12):
        for minute in (0, 20, 40):
            _at(world.clock, f"{hour:02}:{minute:02}:00")
            world.service.sessions.authenticate(secret)
    _at(world.clock, "12:00:00")
    _ended(world, secret)


def test_the_last_use_is_not_written_each_time(embedded: World) -> None:
    """Within a minute a request writes nothing."""
    secret = _open(embedded)
    _at(embedded.clock, "00:00:59")
    with embedded.statements() as seen:
        embedded.service.sessions.authenticate(secret)
    assert not any(statement.startswith("UPDATE") for statement in seen)
    _at(embedded.clock, "00:01:00")
    with embedded.statements() as seen:
        embedded.service.sessions.authenticate(secret)
    assert any(statement.startswith("UPDATE") for statement in seen)


def test_what_ends_the_sessions_of_a_user(world: World) -> None:
    """A new password, deactivation, and for one that a token opened the end of the token."""
    user = world.user("u", home=TenantRole.USER)
    world.service.users.set_password(world.admin, "u", NewPassword(SecretValue("password of u")))
    by_password = world.service.sessions.open(username="u", password="password of u").secret
    token = world.service.tokens.create(user, NewToken()).token
    by_token = world.service.sessions.open(token=token).secret
    world.service.tokens.revoke(world.admin, token.split("-")[1])
    _ended(world, by_token)
    assert world.service.sessions.authenticate(by_password).username == "u"
    world.service.users.update(world.admin, "u", UserChange(active=False))
    _ended(world, by_password, "not active")
    world.service.users.update(world.admin, "u", UserChange(active=True))
    world.service.sessions.authenticate(by_password)
    world.service.users.set_password(world.admin, "u", NewPassword(SecretValue("another password")))
    _ended(world, by_password)


def test_a_user_has_so_many_sessions(embedded: World) -> None:
    """The oldest makes room; others' sessions stay."""
    most = DEFAULT_RULES.sessions_per_user
    first = _open(embedded)
    for minute in range(most):
        _at(embedded.clock, f"00:{minute:02}:01")
        last = _open(embedded)
    _ended(embedded, first)
    embedded.service.sessions.authenticate(last)
    assert len(embedded.execute("SELECT * FROM console_session")) == most


def test_roles_are_those_of_the_moment(world: World) -> None:
    """A role that was lost is lost in an open session, too."""
    world.user("u", home=TenantRole.MANAGER)
    world.service.users.set_password(world.admin, "u", NewPassword(SecretValue("password of u")))
    caller = world.service.sessions.open(username="u", password="password of u").caller
    world.service.secrets.create(caller, "home", "k", NewSecret(value=SecretValue("value")))
    world.service.tenants.remove_member(world.admin, "home", "u")
    with pytest.raises(NotPermittedError):
        world.service.secrets.create(caller, "home", "k2", NewSecret(value=SecretValue("value")))
