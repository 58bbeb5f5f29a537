"""Who is let in: strangers learn nothing, tokens give what they say, and losing a right acts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolver.core.account_changes import NewPassword, NewToken, NewUser, UserChange
from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.errors import AuthenticationError, InvalidRequestError, NotFoundError, NotPermittedError
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolver.core.model import Caller
    from tests.databases import World

ACTIONS: dict[str, Callable[[World, Caller, str, str], object]] = {
    "list": lambda w, c, t, k: w.service.secrets.list(c, t),  # noqa: ARG005 - all have the same arguments
    "show": lambda w, c, t, k: w.service.secrets.show(c, t, k),
    "use": lambda w, c, t, k: w.service.use.use(c, t, [key_use(k)], DIGESTS),
    "check": lambda w, c, t, k: w.service.use.check(c, t, [k]),
    "create": lambda w, c, t, k: w.service.secrets.create(c, t, k, NewSecret(value=SecretValue("value"))),
    "create or update": lambda w, c, t, k: w.service.secrets.create(
        c, t, k, NewSecret(value=SecretValue("value"), update_if_exists=True)
    ),
    "update": lambda w, c, t, k: w.service.secrets.update(c, t, k, SecretChange(value=SecretValue("other"))),
    "delete": lambda w, c, t, k: w.service.secrets.delete(c, t, k),
    "read the trail": lambda w, c, t, k: w.service.trail.records(c, t),  # noqa: ARG005 - as above
    "verify the trail": lambda w, c, t, k: w.service.trail.verify(c, t),  # noqa: ARG005 - as above
}


def refusal(world: World, caller: Caller, tenant: str, key: str, action: str) -> tuple[str, str, list[str]]:
    """The text and hint of a refusal, without the tenant's name, and the statements that it took."""
    with world.statements() as statements, pytest.raises(NotPermittedError) as caught:
        ACTIONS[action](world, caller, tenant, key)
    message, hint = (text.replace(tenant, "TENANT") for text in (caught.value.message, caught.value.hint))
    return message, hint, statements


@pytest.mark.parametrize("action", ACTIONS)
def test_a_stranger_cannot_tell_what_exists(world: World, action: str) -> None:
    """A non-member gets one text at one cost, whether or not tenant and key exist; no secret is looked at."""
    world.secret("there", visibility=Visibility.TENANT)
    stranger = world.user("stranger", away=TenantRole.MANAGER)
    before = world.service.trail.verify(world.admin, "home")
    message, hint, statements = refusal(world, stranger, "home", "there", action)
    assert "not permitted" in message
    for tenant, key in (("home", "missing"), ("nowhere", "there"), ("nowhere", "missing")):
        assert refusal(world, stranger, tenant, key, action) == (message, hint, statements)
    assert not any("FROM secret" in statement or "audit" in statement for statement in statements)
    assert world.service.trail.verify(world.admin, "home") == before, "a stranger filled the trail"


def test_a_member_is_told_apart_by_the_same_words_and_recorded(world: World) -> None:
    """A viewer who may not use gets a stranger's words; that refusal is recorded in the tenant's trail."""
    viewer, stranger = world.user("aaaa", home=TenantRole.VIEWER), world.user("bbbb")
    texts = [refusal(world, caller, "home", "k", "use")[0] for caller in (viewer, stranger)]
    assert texts[0].replace("aaaa", "bbbb") == texts[1]
    (record,) = world.service.trail.records(world.admin, "home")
    assert b'"reason":"role_does_not_permit"' in record.body
    assert b'"caller":"aaaa"' in record.body


def test_a_viewer_lists_and_shows_and_does_not_use(world: World) -> None:
    """A viewer lists, shows and checks; using the same secret is refused."""
    world.secret("k", "the value")
    viewer = world.user("v", home=TenantRole.VIEWER)
    assert [secret.key for secret in world.service.secrets.list(viewer, "home").items] == ["k"]
    _, value = world.service.secrets.show(viewer, "home", "k")
    assert value is not None
    assert value.reveal() == "the value"
    assert world.service.use.check(viewer, "home", ["k"])["k"].refusal is not None
    with pytest.raises(NotPermittedError):
        world.service.use.use(viewer, "home", [key_use("k")], DIGESTS)


def test_a_secret_one_may_not_see_looks_like_one_that_is_not_there(world: World) -> None:
    """Someone else's private secret is not found, in the words and statements of a missing one."""
    world.secret("mine", visibility=Visibility.PRIVATE)
    user = world.user("u", home=TenantRole.USER)
    for action in ("show", "update", "delete"):
        answers = []
        for key in ("mine", "none"):
            with world.statements() as statements, pytest.raises(NotFoundError) as caught:
                ACTIONS[action](world, user, "home", key)
            answers.append((caught.value.message.replace(key, "K"), caught.value.hint, statements))
        assert answers[0] == answers[1]
    costs = []
    for key in ("mine", "none"):
        with world.statements() as statements:
            assert world.service.use.use(user, "home", [key_use(key)], DIGESTS).refusals
        costs.append(statements)
    assert costs[0] == costs[1]
    used = world.service.use.use(user, "home", [key_use("mine"), key_use("none")], DIGESTS).refusals
    checked = world.service.use.check(user, "home", ["mine", "none"])
    assert used["mine"] == used["none"] == checked["mine"].refusal == checked["none"].refusal
    assert checked["mine"].secret is None


@pytest.mark.parametrize("text", ["k\0", "k\udcff", "\ud800", "K" * 100_000, "../k", "k'--", ""])
def test_what_no_key_can_be_is_not_found(world: World, text: str) -> None:
    """Keys and tenants that can't exist are not found; no driver's error comes out."""
    world.secret("k")
    with pytest.raises(NotFoundError):
        world.service.secrets.show(world.admin, "home", text)
    assert text in world.service.use.use(world.admin, "home", [key_use(text)], DIGESTS).refusals
    with pytest.raises(NotFoundError):
        world.service.secrets.list(world.admin, f"t{text}")
    with pytest.raises(AuthenticationError):
        world.service.gate.authenticate_password(f"u{text}", "password")
    with pytest.raises(NotFoundError):
        world.service.tokens.revoke(world.admin, text)
    assert max(len(record.body) for record in world.service.trail.records(world.admin, "home")) < 3000


SCOPES = [
    Scope(permissions=frozenset(Permission)),
    Scope(tenants=frozenset({"home", "away"})),
    Scope(keys=("*",)),
]


@pytest.mark.parametrize("scope", SCOPES, ids=["permissions", "tenants", "keys"])
def test_a_narrowed_token_has_no_power_over_tokens(world: World, scope: Scope) -> None:
    """However wide its scope, it can't make, list or revoke tokens, nor change a password; it ends itself."""
    narrowed = world.caller("admin", scope)
    service = world.service
    for attempt in (
        lambda: service.tokens.create(narrowed, NewToken()),
        lambda: service.tokens.list(narrowed),
        lambda: service.tokens.revoke(narrowed, world.admin.token_id),
        lambda: service.users.set_password(narrowed, "admin", NewPassword(SecretValue("another password"))),
    ):
        with pytest.raises(NotPermittedError, match=r"^a narrowed token can't "):
            attempt()
    whole = world.caller("admin")
    service.tokens.create(whole, NewToken())
    assert service.tokens.list(whole).total == 4
    admin = service.gate.authenticate_password("admin", "admin password")
    service.users.set_password(admin, "admin", NewPassword(SecretValue("another password")))
    assert world.service.gate.authenticate_password("admin", "another password").username == "admin"
    service.tokens.revoke(narrowed, narrowed.token_id)
    with pytest.raises(AuthenticationError):
        service.users.whoami(narrowed)


@pytest.mark.parametrize(
    "expiry", ["tomorrow", "2040-13-01", "2040-01-01T00:00:00.000+01", "9", "+1 parsec", "+h"]
)
def test_an_expiry_that_could_not_be_compared_is_refused(embedded: World, expiry: str) -> None:
    """An expiry is written as stored times are; one that would sort by chance, or is past, is refused."""
    with pytest.raises(InvalidRequestError, match=r"^the expiry is malformed$"):
        embedded.caller("admin", expires_at=expiry)
    with pytest.raises(InvalidRequestError, match=r"^the expiry has passed already$"):
        embedded.caller("admin", expires_at=embedded.clock.now)


def test_key_patterns_tell_upper_and_lower_case_apart(world: World) -> None:
    """`prod_*` reaches prod_a and neither PROD_A nor dev_a, in list, check, show and use."""
    for key in ("prod_a", "PROD_A", "dev_a"):
        world.secret(key)
    narrowed = world.caller("admin", Scope(keys=("prod_*",)))
    service = world.service
    assert [secret.key for secret in service.secrets.list(narrowed, "home").items] == ["prod_a"]
    assert service.use.use(narrowed, "home", [key_use("prod_a")], DIGESTS).secrets
    for key in ("PROD_A", "dev_a", "missing"):
        with world.statements() as statements, pytest.raises(NotPermittedError):
            service.secrets.show(narrowed, "home", key)
        assert not any("FROM secret" in statement for statement in statements)
        assert service.use.use(narrowed, "home", [key_use(key)], DIGESTS).refusals
        assert service.use.check(narrowed, "home", [key])[key].secret is None


def test_rights_are_the_users_rights_of_now(world: World) -> None:
    """A token made by a user gives no more than the user has later: role loss acts on an open caller."""
    world.secret("k")
    user = world.user("u", home=TenantRole.USER)
    narrowed = world.caller("u", Scope(permissions=frozenset(Permission)))
    service, secrets = world.service, world.service.secrets
    secrets.update(user, "home", "k", SecretChange(value=SecretValue("2")))
    secrets.update(narrowed, "home", "k", SecretChange(value=SecretValue("3")))
    service.tenants.add_member(world.admin, "home", "u", TenantRole.VIEWER)
    for caller in (user, narrowed):
        with pytest.raises(NotPermittedError):
            secrets.update(caller, "home", "k", SecretChange(value=SecretValue("4")))
    service.tenants.remove_member(world.admin, "home", "u")
    for caller in (user, narrowed):
        with pytest.raises(NotPermittedError):
            secrets.list(caller, "home")
    with pytest.raises(NotFoundError):
        service.tenants.remove_member(world.admin, "home", "u")


def test_losing_sys_admin_acts_at_once(world: World) -> None:
    """A caller who was a sys_admin when identified is not one after the role was taken."""
    other = world.user("other", system_role=SystemRole.SYS_ADMIN)
    world.service.tenants.create(other, "third")
    world.service.users.update(world.admin, "other", UserChange(system_role=SystemRole.DEFAULT))
    with pytest.raises(NotPermittedError):
        world.service.tenants.create(other, "fourth")


def test_losing_a_role_while_a_password_is_hashed_acts(world: World) -> None:
    """Rights are read again after the slow hash: a sys_admin who is demoted meanwhile changes no password."""
    world.user("victim")
    other = world.user("other", system_role=SystemRole.SYS_ADMIN)
    world.service.users.set_password(other, "victim", NewPassword(SecretValue("first password")))
    plain = type(world.passwords).hash

    def demoting(hasher: object, password: str) -> str:  # noqa: ARG001 - a method
        world.service.users.update(world.admin, "other", UserChange(system_role=SystemRole.DEFAULT))
        return plain(world.passwords, password)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(world.passwords), "hash", demoting)
        with pytest.raises(NotPermittedError):
            world.service.users.set_password(other, "victim", NewPassword(SecretValue("second password")))
    assert world.service.gate.authenticate_password("victim", "first password").username == "victim"


def test_an_expired_token_is_refused_from_that_moment(world: World) -> None:
    """A token is good until its expiry and refused from it on, also for a caller identified before."""
    token = world.service.tokens.create(world.admin, NewToken(expires_at="2030-06-01T00:00:00.000Z")).token
    world.clock.now = "2030-05-31T23:59:59.999Z"
    caller = world.service.gate.authenticate_token(token)
    assert world.service.users.list(caller)
    world.clock.now = "2030-06-01T00:00:00.000Z"
    with pytest.raises(AuthenticationError, match=r"^the access token is not valid$"):
        world.service.gate.authenticate_token(token)
    with pytest.raises(AuthenticationError, match=r"^the access token is not valid$"):
        world.service.users.list(caller)


def test_a_revoked_token_and_a_deactivated_user_are_refused_at_once(world: World) -> None:
    """Revocation and deactivation act on callers that were identified before, with one text."""
    world.secret("k")
    user, other = world.user("u", home=TenantRole.USER), world.caller("u")
    world.service.tokens.revoke(world.admin, user.token_id)
    with pytest.raises(AuthenticationError, match=r"^the access token is not valid$"):
        world.service.secrets.list(user, "home")
    assert world.service.secrets.list(other, "home").items
    world.service.users.update(world.admin, "u", UserChange(active=False))
    for action in ("list", "show", "use", "check", "create", "update", "delete"):
        with pytest.raises(AuthenticationError, match=r"^the access token is not valid$"):
            ACTIONS[action](world, other, "home", "k")


def test_one_s_own_token_may_be_revoked_and_no_one_else_s(world: World) -> None:
    """A user revokes own tokens; another's looks like one that does not exist."""
    user = world.user("u")
    world.service.tokens.revoke(user, user.token_id)
    user = world.caller("u")
    with pytest.raises(NotFoundError, match=r"^token '\w{10}' does not exist$"):
        world.service.tokens.revoke(user, world.admin.token_id)
    with pytest.raises(NotPermittedError):
        world.service.tokens.create(user, NewToken(username="admin"))


@pytest.mark.parametrize(
    "token",
    ["", "ctok", "ctok-short-x", "ctok-" + "a" * 10 + "-" + "b" * 39, "CTOK-" + "a" * 10 + "-" + "b" * 40],
)
def test_a_malformed_token_is_refused_without_a_look_up(embedded: World, token: str) -> None:
    """What can't be a token is refused before the database is asked, and not repeated."""
    with embedded.statements() as statements, pytest.raises(AuthenticationError) as caught:
        embedded.service.gate.authenticate_token(token)
    assert caught.value.message == "the access token is malformed"
    assert statements == []


def test_a_wrong_token_is_refused_whichever_part_is_wrong(world: World) -> None:
    """A wrong id and a wrong secret give one text; the right token is let in."""
    token = world.service.tokens.create(world.admin, NewToken()).token
    prefix, public, secret = token.split("-")
    wrong = [f"{prefix}-{public}-{'x' * 40}", f"{prefix}-{'x' * 10}-{secret}"]
    for attempt in wrong:
        with pytest.raises(AuthenticationError, match=r"^the access token is not valid$"):
            world.service.gate.authenticate_token(attempt)
    assert world.service.gate.authenticate_token(token).token_id == public
    stored = world.execute("SELECT * FROM access_token")
    assert not any(secret in str(row) for row in stored), "the token itself was stored"


def test_a_wrong_password_and_an_unknown_user_cost_the_same(world: World) -> None:
    """Unknown user, wrong password, no password and a user who is not active: one text, one comparison."""
    world.user("without")
    world.service.users.create(world.admin, "gone", NewUser(password=SecretValue("good password")))
    world.service.users.update(world.admin, "gone", UserChange(active=False))
    for name, password in (("nobody", "x"), ("admin", "wrong"), ("without", "x"), ("gone", "good password")):
        before = world.passwords.compared
        with pytest.raises(AuthenticationError, match=r"^the user name or the password is wrong$"):
            world.service.gate.authenticate_password(name, password)
        assert world.passwords.compared == before + 1
    assert world.service.gate.authenticate_password("ADMIN", "admin password").username == "admin"
