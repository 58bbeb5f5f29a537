"""Logins: the wait after wrong passwords, what ends a login, and the log of those who were refused."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from resolver.core.account_changes import NewPassword, NewToken, NewUser, UserChange
from resolver.core.login_backoff import FREE
from resolver.core.model import SecretValue
from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.times import later
from resolver.errors import AuthenticationError, NotPermittedError
from resolver.service.access_log import BURST, Strangers

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from resolver.service import Service
    from tests.databases import World

WRONG = r"^the user name or the password is wrong$"


def login(service: Service, name: str = "eve", password: str = "right password") -> Caller:
    """Log in."""
    return service.gate.authenticate_password(name, password)


@pytest.fixture
def eve(world: World) -> World:
    """A world with a user who has a password."""
    world.service.users.create(world.admin, "eve", NewUser(password=SecretValue("right password")))
    return world


def fail(world: World, times: int = 1, name: str = "eve") -> None:
    """Give wrong passwords."""
    for _ in range(times):
        with pytest.raises(AuthenticationError, match=WRONG):
            login(world.service, name, "wrong")


def test_after_too_many_wrong_passwords_the_right_one_waits(eve: World) -> None:
    """Four are free; after the fifth a right password is refused in the same words, until a second later."""
    fail(eve, FREE)
    assert login(eve.service).username == "eve"
    fail(eve, FREE + 1)  # counted anew: the login forgot them
    with pytest.raises(AuthenticationError, match=WRONG):
        login(eve.service)
    assert eve.service.users.get(eve.admin, "eve").locked
    eve.clock.now = later(eve.clock.now, 1)
    assert login(eve.service).username == "eve"
    assert not eve.service.users.get(eve.admin, "eve").locked


def test_the_wait_is_shared_and_spares_tokens_and_other_users(eve: World) -> None:
    """Another server on the same database waits, too; the user's tokens and other users' logins go on."""
    token = eve.service.tokens.create(eve.admin, NewToken(username="eve")).token
    caller = eve.service.gate.authenticate_token(token)
    fail(eve, FREE + 1)
    other = eve.reopened()
    with pytest.raises(AuthenticationError, match=WRONG):
        login(other)
    assert eve.service.gate.authenticate_token(token).username == "eve"
    assert other.users.whoami(caller).username == "eve"
    assert login(other, "admin", "admin password").username == "admin"


def test_an_administrator_ends_the_wait(eve: World) -> None:
    """`unlock` and a new password let the user in at once; who does not manage users can't."""
    fail(eve, FREE + 5)
    with pytest.raises(NotPermittedError):
        eve.service.users.unlock(eve.user("other"), "eve")
    eve.service.users.unlock(eve.admin, "eve")
    assert login(eve.service).username == "eve"
    fail(eve, FREE + 5)
    eve.service.users.set_password(eve.admin, "eve", NewPassword(SecretValue("another password")))
    assert login(eve.service, password="another password").username == "eve"


@pytest.mark.parametrize("times", [1, FREE + 2])
def test_every_refusal_costs_the_same(eve: World, times: int) -> None:
    """Unknown, wrong, waiting, without password, inactive: one text, one comparison, the same statements."""
    eve.user("without")
    eve.service.users.create(eve.admin, "gone", NewUser(password=SecretValue("right password")))
    eve.service.users.update(eve.admin, "gone", UserChange(active=False))
    seen = set()
    for name in ("nobody", "eve", "without", "gone"):
        fail(eve, times - 1, name)
        for password in ("wrong", "right password") if name == "gone" or times > FREE else ("wrong",):
            before = eve.passwords.compared
            with eve.statements() as statements, pytest.raises(AuthenticationError, match=WRONG):
                login(eve.service, name, password)
            assert eve.passwords.compared == before + 1
            # The roles of a user who is there are read with it: a look-up in memory, not a write.
            seen.add(tuple(text for text in statements if "FROM membership" not in text))
    assert len(seen) == 1


@pytest.mark.two_databases
def test_strangers_do_not_fill_the_database(eve: World) -> None:
    """Wrong logins leave no audit record, and a bounded number of rows whatever names are tried."""
    before = [eve.service.trail.verify(eve.admin, chain) for chain in ("", "home")]
    for number in range(20):
        fail(eve, 2, f"n{number}")
    assert [eve.service.trail.verify(eve.admin, chain) for chain in ("", "home")] == before
    assert eve.execute("SELECT count(*) FROM login_failure WHERE slot NOT LIKE 'unknown-%'")[0][0] == 0
    assert eve.execute("SELECT count(*) FROM login_failure")[0][0] <= 20


@pytest.mark.two_databases
def test_guessing_at_once_gains_nothing(eve: World) -> None:
    """Sixteen guesses at the same moment count as many as one after the other: the right one is too late."""
    barrier = threading.Barrier(16)
    plain = type(eve.passwords).verify

    def together(_hasher: object, password_hash: str | None, password: str) -> bool:
        barrier.wait(200)
        return plain(eve.passwords, password_hash, password)

    fail(eve, FREE)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(16) as pool:
        patch.setattr(type(eve.passwords), "verify", together)
        guesses = [pool.submit(login, eve.service, "eve", f"guess {number}") for number in range(16)]
        assert all(isinstance(guess.exception(60), AuthenticationError) for guess in guesses)
    count, until = eve.execute("SELECT failures, refused_until FROM login_failure WHERE failures > 0")[0]
    assert (count, until) == (FREE + 1, later(eve.clock.now, 1))
    with pytest.raises(AuthenticationError, match=WRONG):
        login(eve.service)


def test_a_new_password_ends_logins_and_keeps_tokens(eve: World) -> None:
    """A caller who logged in is out when the password changes; tokens stay, or go when that is asked for."""
    service = eve.service
    token = service.tokens.create(eve.admin, NewToken(username="eve")).token
    caller = login(service)
    assert service.users.whoami(caller).username == "eve"
    assert service.users.set_password(eve.admin, "eve", NewPassword(SecretValue("another password"))) == 1
    with pytest.raises(AuthenticationError, match=r"^the password was changed since this login$"):
        service.users.whoami(caller)
    assert service.gate.authenticate_token(token).username == "eve"
    assert (
        service.users.set_password(
            eve.admin, "eve", NewPassword(SecretValue("third password"), revoke_tokens=True)
        )
        == 1
    )
    with pytest.raises(AuthenticationError):
        service.gate.authenticate_token(token)


def test_deactivation_ends_everything_at_once(eve: World) -> None:
    """A deactivated user is let in by neither password nor token, and again by both when active."""
    service = eve.service
    token = service.tokens.create(eve.admin, NewToken(username="eve")).token
    callers = [login(service), service.gate.authenticate_token(token)]
    service.users.update(eve.admin, "eve", UserChange(active=False))
    for caller in callers:
        with pytest.raises(AuthenticationError):
            service.users.whoami(caller)
    with pytest.raises(AuthenticationError):
        service.gate.authenticate_token(token)
    with pytest.raises(AuthenticationError, match=WRONG):
        login(service)
    service.users.update(eve.admin, "eve", UserChange(active=True))
    assert login(service).username == service.gate.authenticate_token(token).username == "eve"


def test_the_last_login_is_known(eve: World) -> None:
    """First and last login are kept; one who never logged in has none."""
    assert eve.service.users.get(eve.admin, "eve").user.last_login_at is None
    first = eve.clock.now
    login(eve.service)
    eve.clock.now = later(first, 5)
    login(eve.service)
    user = eve.service.users.get(eve.admin, "eve").user
    assert (user.first_login_at, user.last_login_at) == (first, eve.clock.now)


def test_a_token_s_last_use_is_kept_without_a_write_for_each(world: World) -> None:
    """Uses within a minute are one write; the next minute's is another."""
    token = world.service.tokens.create(world.admin, NewToken()).token
    token_id = token.split("-")[1]
    assert world.service.tokens.get(world.admin, token_id).last_used_at is None
    first = world.clock.now
    for after, known in ((0, 0), (59, 0), (60, 60)):
        world.clock.now = later(first, after)
        with world.statements() as statements:
            world.service.gate.authenticate_token(token)
        assert any("UPDATE" in statement for statement in statements) == (after in (0, 60))
        assert world.service.tokens.get(world.admin, token_id).last_used_at == later(first, known)


def test_refusals_go_to_a_log_at_a_limited_rate(eve: World, caplog: pytest.LogCaptureFixture) -> None:
    """Failed logins, refused tokens and non-members are logged: no password, no name that no user has."""
    stranger = eve.user("stranger", away=TenantRole.USER)
    caplog.set_level(logging.WARNING, "resolver.access")
    fail(eve)
    fail(eve, name="hunter2-typed-in-the-wrong-field")
    for token in (f"ctok-{'a' * 10}-{'b' * 40}", f"ctok-{stranger.token_id}-{'b' * 40}"):
        with pytest.raises(AuthenticationError):
            eve.service.gate.authenticate_token(token)
    with pytest.raises(NotPermittedError):
        eve.service.secrets.list(stranger, "home\n\x1b[2J")
    with pytest.raises(NotPermittedError):
        eve.service.users.list(stranger)
    assert caplog.messages == [
        "a login was refused user='eve'",
        "a login was refused user='unknown'",
        "an access token was refused token='unknown'",
        f"an access token was refused token='{stranger.token_id}'",
        "a non-member was refused user='stranger' asked='secret:list' tenant='home\\n\\x1b[2J'",
        "a user was refused user='stranger' asked='user:manage'",
    ]


def test_the_log_drops_what_is_too_much(caplog: pytest.LogCaptureFixture) -> None:
    """A burst is cut and counted; a second later one more line comes, and tells how many did not."""
    now = 0.0
    strangers = Strangers(lambda: now)
    for _ in range(BURST + 100):
        strangers.note("refused", name="x" * 1000)
    assert len(caplog.messages) == BURST
    assert len(caplog.messages[0]) < 350
    now = 1.0
    strangers.note("refused")
    strangers.note("refused")
    assert caplog.messages[BURST:] == ["refused (100 more since the last line)"]


def test_a_password_of_odd_characters_is_refused_in_words(world: World) -> None:
    """Lone surrogates, nulls and very long passwords match nothing, and no codec's error holds them."""
    for password in ("\udcff" * 6, "x\0y" * 3, "y" * 1_000_000):
        with pytest.raises(AuthenticationError, match=WRONG) as caught:
            login(world.service, "admin", password)
        assert caught.value.__context__ is None
    assert world.service.users.get(world.admin).user.system_role is SystemRole.SYS_ADMIN
