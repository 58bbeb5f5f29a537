"""Passwords and tokens: who may make them, and what happens when rights change during a slow step."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from resolver.core.account_changes import NewPassword, NewToken, NewUser, UserChange
from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.policy import Verdict
from resolver.core.ports import StoredConsoleSession
from resolver.core.providers import NewProvider
from resolver.core.results import Refusal
from resolver.core.secret_changes import NewSecret
from resolver.core.transfer import ExportRequest, ImportEntry, ImportRequest, VersionWithValue
from resolver.errors import (
    AuthenticationError,
    InvalidRequestError,
    NotPermittedError,
    ResolverError,
    UnconfirmedError,
)
from resolver.service import Service, import_checks
from resolver.store.sql import SqlSession
from tests.service.test_bounds import bounded
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from resolver.core.model import Caller
    from resolver.core.providers import ProviderRequest
    from resolver.dsl.budget import Budget
    from tests.databases import World

OLD, NEW = "admin password", "another password"
IN_FOUR_MINUTES, IN_SIX_MINUTES = "2030-01-01T00:04:00.000Z", "2030-01-01T00:06:00.000Z"

LASTING: dict[str, Callable[[Service, Caller], object]] = {
    "make a token": lambda s, c: s.tokens.create(c, NewToken()),
    "make a shorter token": lambda s, c: s.tokens.create(c, NewToken(expires_at="+1h")),
    "make a narrower token": lambda s, c: s.tokens.create(
        c, NewToken(permissions=frozenset({Permission.SECRET_LIST}))
    ),
    "make a token for another": lambda s, c: s.tokens.create(c, NewToken(username="other")),
    "set its own password": lambda s, c: s.users.set_password(c, "admin", NewPassword(SecretValue(NEW))),
    "set another's password": lambda s, c: s.users.set_password(c, "other", NewPassword(SecretValue(NEW))),
    "make a user with a password": lambda s, c: s.users.create(c, "new", NewUser(password=SecretValue(NEW))),
}
"""What leaves a credential behind."""


def credentials(world: World) -> list[object]:
    """All that lets anybody in."""
    return [
        world.execute("SELECT name, password_hash FROM user_account ORDER BY name"),
        world.execute("SELECT id FROM access_token ORDER BY id"),
    ]


@pytest.mark.parametrize("what", LASTING)
def test_a_token_that_ends_leaves_no_credential_behind(embedded: World, what: str) -> None:
    """It sets no password and makes no token, though a sys_admin's; it may list tokens and end itself."""
    embedded.user("other")
    service = embedded.service
    ending = embedded.caller("admin", expires_at="2030-01-02T00:00:00.000Z")
    before = credentials(embedded)
    with pytest.raises(
        NotPermittedError, match=r"^a token that expires can't (make a token|set a password)$"
    ):
        LASTING[what](service, ending)
    assert credentials(embedded) == before
    service.tokens.list(ending)
    service.tokens.revoke(ending, ending.token_id)
    with pytest.raises(AuthenticationError):
        service.users.whoami(ending)


@pytest.mark.parametrize("what", LASTING)
@pytest.mark.parametrize("opened", ["by password", "by token", "by a token that ends"])
def test_a_session_leaves_credentials_only_after_the_password(
    embedded: World, opened: str, what: str
) -> None:
    """Within five minutes of the password it may, whatever it was opened with; later or without it not."""
    embedded.user("other")
    service = embedded.service
    tokens = {
        "by token": NewToken(),
        "by a token that ends": NewToken(expires_at="2030-01-02T00:00:00.000Z"),
    }
    if opened == "by password":
        secret = service.sessions.open(username="admin", password=OLD).secret
        embedded.clock.now = IN_SIX_MINUTES
    else:
        token = service.tokens.create(embedded.admin, tokens[opened]).token
        secret = service.sessions.open(token=token).secret
    before = credentials(embedded)
    with pytest.raises(UnconfirmedError):
        LASTING[what](service, service.sessions.authenticate(secret))
    with pytest.raises(AuthenticationError):
        service.sessions.confirm(secret, "wrong password")
    with pytest.raises(UnconfirmedError):
        LASTING[what](service, service.sessions.authenticate(secret))
    assert credentials(embedded) == before
    service.sessions.confirm(secret, OLD)
    LASTING[what](service, service.sessions.authenticate(secret))
    assert credentials(embedded) != before


def make_other(world: World) -> None:
    """A user, and what a test does to it."""
    world.user("other", TenantRole.USER)


CONFIRMED: dict[str, Callable[[Service, Caller], object]] = {
    "make a user": lambda s, c: s.users.create(c, "new", NewUser()),
    "make a sys_admin": lambda s, c: s.users.update(c, "other", UserChange(system_role=SystemRole.SYS_ADMIN)),
    "let a user in no more": lambda s, c: s.users.update(c, "other", UserChange(active=False)),
    "forget wrong passwords": lambda s, c: s.users.unlock(c, "other"),
    "delete a user": lambda s, c: s.users.delete(c, "other"),
    "give a role": lambda s, c: s.tenants.add_member(c, "home", "other", TenantRole.MANAGER),
    "end a membership": lambda s, c: s.tenants.remove_member(c, "home", "other"),
    "export values": lambda s, c: s.transfer.export(c, ExportRequest("home")),
    "replace a data key": lambda s, c: s.keys.rotate_data(c, "home", lambda *_: None),
    "replace the root key": lambda s, c: s.keys.rotate_root(
        c, next(key.id for key in s.keys.status(c).root_keys), lambda *_: None
    ),
}
"""What a session does only shortly after its password, besides leaving credentials."""


@pytest.mark.parametrize("what", CONFIRMED)
def test_a_session_asks_again(embedded: World, what: str) -> None:
    """A session left open changes no users, exports nothing and rotates nothing; a token does, as before."""
    make_other(embedded)
    embedded.secret("kept")
    service = embedded.service
    secret = service.sessions.open(username="admin", password=OLD).secret
    embedded.clock.now = IN_SIX_MINUTES
    before = embedded.execute("SELECT COUNT(*) FROM audit_record")
    with pytest.raises(UnconfirmedError, match=r"^your password has to be given again to "):
        CONFIRMED[what](service, service.sessions.authenticate(secret))
    assert embedded.execute("SELECT COUNT(*) FROM audit_record") == before
    service.sessions.confirm(secret, OLD)
    CONFIRMED[what](service, service.sessions.authenticate(secret))
    assert embedded.execute("SELECT COUNT(*) FROM audit_record") > before


def test_a_token_is_not_asked(embedded: World) -> None:
    """Nobody sits before a pipeline: a token does what its user may, at any time."""
    make_other(embedded)
    embedded.clock.now = IN_SIX_MINUTES
    assert embedded.service.tenants.add_member(embedded.admin, "home", "other", TenantRole.VIEWER).members
    assert embedded.service.users.delete(embedded.admin, "other").holdings == []


def test_how_long_a_password_is(embedded: World) -> None:
    """Twelve characters at least, or as many as the setting says, for each way to set one."""
    service = embedded.service
    embedded.user("eve")
    five = bounded(embedded, password_length=5)
    ways: tuple[Callable[[Service, SecretValue], object], ...] = (
        lambda s, given: s.users.set_password(embedded.admin, "eve", NewPassword(given)),
        lambda s, given: s.users.create(embedded.admin, f"u{len(given.reveal())}", NewUser(password=given)),
    )
    for way in ways:
        for at, letters in ((service, 11), (five, 4), (service, 257)):
            with pytest.raises(InvalidRequestError, match=r"^a password has (12|5) to 256 characters$"):
                way(at, SecretValue("p" * letters))
        for at, letters in ((service, 12), (five, 5)):
            way(at, SecretValue("p" * letters))


def test_a_login_is_confirmed_for_five_minutes(embedded: World) -> None:
    """A caller that a password identified makes tokens for a while, and no longer."""
    login = embedded.service.gate.authenticate_password("admin", OLD)
    embedded.clock.now = IN_FOUR_MINUTES
    embedded.service.tokens.create(login, NewToken())
    embedded.clock.now = IN_SIX_MINUTES
    with pytest.raises(UnconfirmedError):
        embedded.service.tokens.create(login, NewToken())


def test_one_s_own_password_needs_the_old_one(embedded: World) -> None:
    """A token for good sets others' passwords, and one's own only where there is none yet."""
    service = embedded.service
    eve = embedded.user("eve")
    service.users.set_password(eve, "eve", NewPassword(SecretValue(OLD)))
    with pytest.raises(UnconfirmedError, match=r"^your password has to be given again to set a password$"):
        service.users.set_password(eve, "EVE", NewPassword(SecretValue(NEW)))
    service.users.set_password(embedded.admin, "eve", NewPassword(SecretValue(NEW)))
    login = service.gate.authenticate_password("eve", NEW)
    service.users.set_password(login, "eve", NewPassword(SecretValue(OLD)))
    with pytest.raises(AuthenticationError, match="password was changed"):
        service.users.set_password(login, "eve", NewPassword(SecretValue(NEW)))


def while_hashing(world: World, change: Callable[[], object]) -> None:
    """Have something happen, once, after a password was compared and before anything relies on that."""
    verify = world.passwords.verify

    def slow(password_hash: str | None, password: str) -> bool:
        matches = verify(password_hash, password)
        world.passwords.verify = verify  # type: ignore[method-assign] # once
        change()
        return matches

    world.passwords.verify = slow  # type: ignore[method-assign] # for one comparison


@pytest.mark.parametrize("change", ["password", "deactivated", "deleted"])
def test_a_login_is_judged_by_what_is_there_after_the_hash(world: World, change: str) -> None:
    """A password that is replaced, or a user who is shut out, while the old one is compared: no session."""
    service, admin = world.service, world.admin
    service.users.create(admin, "eve", NewUser(password=SecretValue(OLD)))
    changes: dict[str, Callable[[], object]] = {
        "password": lambda: service.users.set_password(admin, "eve", NewPassword(SecretValue(NEW))),
        "deactivated": lambda: service.users.update(admin, "eve", UserChange(active=False)),
        "deleted": lambda: service.users.delete(admin, "eve"),
    }
    while_hashing(world, changes[change])
    with pytest.raises(AuthenticationError, match=r"^the user name or the password is wrong$"):
        service.sessions.open(username="eve", password=OLD)
    assert world.execute("SELECT * FROM console_session") == []


def test_a_session_ends_with_the_password_it_was_opened_with(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that is stored by a server that read the user before another one changed the password."""
    service = world.service
    service.users.create(world.admin, "eve", NewUser(password=SecretValue(OLD)))
    opened = service.sessions.open(username="eve", password=OLD)
    assert service.sessions.authenticate(opened.secret).username == "eve"
    with monkeypatch.context() as patched:  # as if the session were committed a moment later
        patched.setattr(SqlSession, "delete_console_sessions_of", lambda *_: None)
        service.users.set_password(world.admin, "eve", NewPassword(SecretValue(NEW)))
    assert len(world.execute("SELECT * FROM console_session")) == 1
    with pytest.raises(AuthenticationError, match="password was changed"):
        service.sessions.authenticate(opened.secret)
    # And one that is opened between the check of the password and its own transaction.
    checked = service.gate.authenticate_password

    def slow(username: str, password: str) -> Caller:
        caller = checked(username, password)
        service.users.set_password(world.admin, "eve", NewPassword(SecretValue(NEW)))
        return caller

    service.users.set_password(world.admin, "eve", NewPassword(SecretValue(OLD)))
    monkeypatch.setattr(service.gate, "authenticate_password", slow)
    with pytest.raises(AuthenticationError, match="password was changed"):
        service.sessions.open(username="eve", password=OLD)
    assert world.execute("SELECT * FROM console_session") == []


def test_a_session_of_an_older_server_has_to_be_opened_again(embedded: World) -> None:
    """One that does not say which password opened it counts as ended."""
    at = embedded.clock.now
    digest = hashlib.sha256(b"secret").hexdigest()
    with embedded.service._store.write() as session:  # noqa: SLF001 - as an older server does
        session.add_console_session(StoredConsoleSession(digest, embedded.admin.user_id, None, at, at))
    with pytest.raises(AuthenticationError, match="session has ended"):
        embedded.service.sessions.authenticate("secret")


def test_a_token_is_made_by_the_rights_after_a_slow_login(embedded: World) -> None:
    """Who was shut out between login and request makes none."""
    service = embedded.service
    service.users.create(embedded.admin, "eve", NewUser(password=SecretValue(OLD)))
    login = service.gate.authenticate_password("eve", OLD)
    service.users.update(embedded.admin, "eve", UserChange(active=False))
    before = credentials(embedded)
    with pytest.raises(AuthenticationError):
        service.tokens.create(login, NewToken())
    assert credentials(embedded) == before


class SlowProvider:
    """A type of provider that lets something happen while it answers."""

    credentials: frozenset[str] = frozenset()
    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def check(self, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Any."""
        return parameters

    check_options = check

    def path_of(self, wanted: ProviderRequest) -> str:
        """Its key."""
        return wanted.key

    def fetch(
        self, _parameters: Mapping[str, str], wanted: Mapping[str, ProviderRequest], _forwards: int
    ) -> Mapping[str, SecretValue]:
        """Something."""
        self.meanwhile()
        return dict.fromkeys(wanted, SecretValue("from elsewhere"))


@pytest.mark.parametrize("change", ["membership", "token", "secret", "user"])
def test_no_value_comes_of_a_provider_that_answers_too_late(world: World, change: str) -> None:
    """What is taken away while a provider answers is not given out: neither used nor shown."""
    slow = SlowProvider()
    service = Service(world.store, world.ring, lambda: world.passwords, world.clock, lambda: {"slow": slow})
    admin = world.admin
    service.providers.create(admin, "home", "p", NewProvider("slow"))
    eve = world.user("eve", home=TenantRole.MANAGER)

    def remake() -> None:
        service.secrets.delete(admin, "home", "k")
        service.secrets.create(admin, "home", "k", NewSecret(value=SecretValue("another")))

    changes: dict[str, Callable[[Caller], object]] = {
        "membership": lambda _: service.tenants.remove_member(admin, "home", "eve"),
        "token": lambda caller: service.tokens.revoke(admin, caller.token_id),
        "secret": lambda _: remake(),
        "user": lambda _: service.users.update(admin, "eve", UserChange(active=False)),
    }
    for take in (
        lambda caller: service.use.use(caller, "home", [key_use("k")], DIGESTS),
        lambda caller: service.secrets.show(caller, "home", "k"),
    ):
        service.secrets.create(admin, "home", "k", NewSecret(provider="p"))
        service.users.update(admin, "eve", UserChange(active=True))
        service.tenants.add_member(admin, "home", "eve", TenantRole.MANAGER)
        eve = world.caller("eve")
        slow.meanwhile = lambda: None
        take(eve)
        slow.meanwhile = lambda: changes[change](eve)  # noqa: B023 - called in this turn
        with pytest.raises(ResolverError) as refused:
            take(eve)
        assert "from elsewhere" not in str(refused.value)
        service.secrets.delete(admin, "home", "k")


def test_an_import_stores_by_the_rights_after_its_schemas_were_checked(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who loses a role while values are checked imports no more, makes nothing global, gives nothing away."""
    service, admin = embedded.service, embedded.admin
    boss = embedded.user("boss", home=TenantRole.MANAGER, system_role=SystemRole.SYS_ADMIN)
    embedded.user("heir")
    check, changes = import_checks.check_all, list[object]()

    def slow(pairs: Sequence[tuple[str, SecretValue]], budget: Budget) -> Sequence[str]:
        service.users.update(admin, "boss", UserChange(system_role=SystemRole.DEFAULT))
        if changes:
            service.tenants.remove_member(admin, "home", "boss")
        return check(pairs, budget)

    monkeypatch.setattr(import_checks, "check_all", slow)
    version = VersionWithValue(1, SecretValue("1"))
    own, theirs, wide = (
        ImportEntry("own", "home", (version,)),
        ImportEntry("theirs", "home", (version,), owner="heir"),
        ImportEntry("wide", "home", (version,), visibility=Visibility.GLOBAL),
    )
    done = service.transfer.import_(boss, ImportRequest("home", (own, theirs, wide)))
    assert (done.stored, {number: [*wrong] for number, wrong in done.errors.items()}) == (
        1,
        {1: ["creator"], 2: ["visibility"]},
    )
    changes.append("membership")
    service.users.update(admin, "boss", UserChange(system_role=SystemRole.SYS_ADMIN))
    other = ImportEntry("other", "home", (version,))
    done = service.transfer.import_(boss, ImportRequest("home", (other,)))
    assert (done.stored, list(done.errors[0])) == (0, ["tenant_name"])


def test_an_export_leaves_by_the_rights_at_its_record(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who loses the role between finding the secrets and recording them gets none."""
    service = embedded.service
    embedded.secret("k")
    eve = embedded.user("eve", home=TenantRole.USER)
    assert len(service.transfer.export(eve, ExportRequest("home")).secrets) == 1
    store = service._store  # noqa: SLF001 - the one that exports look into
    write = store.write

    def slow() -> object:
        monkeypatch.setattr(store, "write", write)
        service.tenants.remove_member(embedded.admin, "home", "eve")
        return write()

    monkeypatch.setattr(store, "write", slow)
    with pytest.raises(NotPermittedError):
        service.transfer.export(eve, ExportRequest("home"))


def test_a_narrowed_token_is_told_apart_by_its_refusal(embedded: World) -> None:
    """A narrowed token is refused as one, also when it expires."""
    narrowed = embedded.caller("admin", Scope(keys=("*",)), expires_at="2030-01-02T00:00:00.000Z")
    with pytest.raises(NotPermittedError, match=r"^a narrowed token can't make a token$"):
        embedded.service.tokens.create(narrowed, NewToken())


WHILE_WAITING: dict[str, Callable[[World, Caller], object]] = {
    "membership": lambda world, _: world.service.tenants.remove_member(world.admin, "home", "eve"),
    "token": lambda world, caller: world.service.tokens.revoke(world.admin, caller.token_id),
    "user": lambda world, _: world.service.users.update(world.admin, "eve", UserChange(active=False)),
    "secret": lambda world, _: world.service.secrets.delete(world.admin, "home", "k"),
    "time": lambda world, _: setattr(world.clock, "now", IN_SIX_MINUTES),
}


@pytest.mark.parametrize("change", WHILE_WAITING)
def test_no_value_comes_of_a_right_that_ended_while_the_database_was_waited_for(
    embedded: World, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """A use is decided again when its record is put to the trail; what it waited for may have ended it."""
    embedded.secret("k")
    embedded.user("eve", home=TenantRole.USER)
    eve = embedded.caller("eve", expires_at=IN_FOUR_MINUTES)
    service = embedded.service
    store = service._store  # noqa: SLF001 - the one that uses are recorded in
    write = store.write

    def waited_for(meanwhile: Callable[[], object]) -> None:
        def slow() -> object:
            monkeypatch.setattr(store, "write", write)
            meanwhile()
            return write()

        monkeypatch.setattr(store, "write", slow)

    def use() -> object:
        answer = service.use.use(eve, "home", [key_use("k")], DIGESTS)
        return answer.refusals.get("k") or answer.secrets["k"].value

    waited_for(lambda: embedded.secret("another"))
    assert use() == SecretValue("value")
    waited_for(lambda: WHILE_WAITING[change](embedded, eve))
    if change == "secret":
        assert use() == Refusal(Verdict.ABSENT)
    else:
        with pytest.raises((AuthenticationError, NotPermittedError)):
            use()
    records = service.trail.records(embedded.admin, "home")
    allowed = [record for record in records if record.action == "secret:use" and b'"allowed"' in record.body]
    assert len(allowed) == 1
