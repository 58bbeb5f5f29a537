"""Users, tenants and tokens: what becomes of what they own, and that a narrowed token stays narrow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import asdict

from resolver.core.account_changes import NewPassword, NewToken, NewUser, UserChange
from resolver.core.model import FULL_SCOPE, Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.query import Choice
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.errors import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    LastCredentialError,
    NotFoundError,
    NotPermittedError,
)
from tests.service.uses import DIGESTS, key_use

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolver.core.model import Caller
    from tests.databases import World


def records(world: World, tenant: str = "") -> list[dict[str, Any]]:
    """The fields of a chain's records."""
    return [json.loads(record.body) for record in world.service.trail.records(world.admin, tenant)]


def owner(world: World) -> Caller:
    """A user, `eve`, with a secret in each tenant, one of them private."""
    eve = world.user("eve", home=TenantRole.USER, away=TenantRole.MANAGER)
    world.service.secrets.create(
        eve, "home", "mine", NewSecret(value=SecretValue("value"), visibility=Visibility.PRIVATE)
    )
    world.service.secrets.create(eve, "away", "shared", NewSecret(value=SecretValue("value")))
    return eve


def test_a_user_who_owns_secrets_is_not_deleted_silently(world: World) -> None:
    """Refused with a list of what it owns; nothing changed."""
    eve = owner(world)
    with pytest.raises(ConflictError) as caught:
        world.service.users.delete(world.admin, "eve")
    assert caught.value.message == "user 'eve' owns 2 secrets: secret away/shared, secret home/mine"
    assert caught.value.hint == "--reassign-to NAME gives all of it to another user, --purge deletes it"
    assert world.service.users.whoami(eve).username == "eve"
    assert world.service.secrets.show(eve, "home", "mine")[1] is not None


def test_the_list_of_what_a_user_owns_is_cut(embedded: World) -> None:
    """Twenty are named, all are counted."""
    eve = embedded.user("eve", home=TenantRole.USER)
    for number in range(23):
        embedded.service.secrets.create(eve, "home", f"k{number:02}", NewSecret(value=SecretValue("value")))
    with pytest.raises(ConflictError, match=r"^user 'eve' owns 23 secrets: .*home/k19 and 3 more$") as caught:
        embedded.service.users.delete(embedded.admin, "eve")
    assert caught.value.message.count("home/") == 20


@pytest.mark.two_databases
def test_what_a_user_owns_is_given_to_another(world: World) -> None:
    """The heir owns everything, private secrets too, with a record for each; the user and tokens are gone."""
    eve = owner(world)
    bob = world.user("bob", home=TenantRole.USER)
    owned = world.service.users.delete(world.admin, "EVE", reassign_to="bob").holdings
    assert [holding.name for holding in owned] == ["shared", "mine"]
    secret, value = world.service.secrets.show(bob, "home", "mine")
    assert (secret.owner.name, value is not None and value.reveal()) == ("bob", "value")
    with pytest.raises(AuthenticationError):
        world.service.users.whoami(eve)
    with pytest.raises(NotFoundError):
        world.service.users.get(world.admin, "eve")
    for tenant, key in (("home", "mine"), ("away", "shared")):
        record = records(world, tenant)[-1 if tenant == "away" else -2]
        assert (record["action"], record["key"], record["owner"]) == ("secret:set_owner", key, "bob")
        assert world.service.trail.verify(world.admin, tenant).broken is None
    last = records(world)[-1]
    assert (last["action"], last["object"], last["reassigned_to"]) == ("user:delete", "eve", "bob")


@pytest.mark.two_databases
def test_what_a_user_owns_is_deleted_with_the_user(world: World) -> None:
    """Purged secrets are gone with all versions, their keys free again in either scope."""
    owner(world)
    world.secret("stays")
    world.service.users.delete(world.admin, "eve", purge=True)
    assert [secret.key for secret in world.service.secrets.list(world.admin, "home").items] == ["stays"]
    assert world.execute("SELECT count(*) FROM secret_version")[0][0] == 1
    assert world.execute("SELECT key FROM key_scope") == [("stays",)]
    assert records(world, "away")[-1]["action"] == "secret:delete"
    world.secret("mine", visibility=Visibility.GLOBAL)
    world.user("eve")  # the name is free, too


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"reassign_to": "bob", "purge": True},
            InvalidRequestError,
            "either given to another one or deleted",
        ),
        ({"reassign_to": "EVE"}, InvalidRequestError, "given to another user"),
        ({"reassign_to": "nobody"}, NotFoundError, "user 'nobody' does not exist"),
    ],
    ids=["both", "to oneself", "to nobody"],
)
def test_a_deletion_that_makes_no_sense(
    embedded: World, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """It is refused, and nothing changed."""
    eve = owner(embedded)
    with pytest.raises(error, match=message):
        embedded.service.users.delete(embedded.admin, "eve", **options)
    assert embedded.service.secrets.show(eve, "home", "mine")[1] is not None


def test_the_last_active_admin_stays(world: World) -> None:
    """The last one is neither demoted, deactivated nor deleted; an inactive other one does not help."""
    users = world.service.users
    users.create(world.admin, "other", NewUser(system_role=SystemRole.SYS_ADMIN))
    users.update(world.admin, "other", UserChange(active=False))
    for attempt, word in (
        (
            lambda: users.update(world.admin, "admin", UserChange(system_role=SystemRole.DEFAULT)),
            "given another role",
        ),
        (lambda: users.update(world.admin, "admin", UserChange(active=False)), "deactivated"),
        (lambda: users.delete(world.admin, "admin"), "deleted"),
    ):
        with pytest.raises(ConflictError, match=rf"^the last active sys_admin can't be {word}$"):
            attempt()
    users.update(world.admin, "other", UserChange(active=True))
    with pytest.raises(LastCredentialError):  # the other one has no credential
        users.update(world.admin, "admin", UserChange(active=False))
    users.update(world.admin, "admin", UserChange(active=False), even_last=True)
    with pytest.raises(AuthenticationError):
        users.list(world.admin)


@pytest.mark.two_databases
def test_who_sees_users(world: World) -> None:
    """Everyone sees oneself; all are listed, in parts, for those who manage users only."""
    eve = world.user("eve", home=TenantRole.USER)
    users = world.service.users
    assert users.get(eve) == users.get(eve, "EVE") == users.get(world.admin, "eve")
    assert users.get(eve).roles == {"home": TenantRole.USER}
    part = users.list(world.admin, Choice(1, 1))
    assert ([info.user.name for info in part.items], part.total) == (["eve"], 2)
    assert users.list(world.admin, Choice(offset=1)).items == part.items
    assert users.list(world.admin, Choice(0)).items == []
    for attempt in (
        lambda: users.get(eve, "admin"),
        lambda: users.get(eve, "nobody"),
        lambda: users.list(eve),
    ):
        with pytest.raises(NotPermittedError, match=r"^user 'eve' is not permitted to manage users$"):
            attempt()
    for size, offset in ((-1, 0), (None, -1), (2**63, 0), (1, 2**63)):
        with pytest.raises(InvalidRequestError):
            users.list(world.admin, Choice(size, offset))


@pytest.mark.two_databases
def test_who_sees_a_tenant_s_members(world: World) -> None:
    """Members see how many there are, its managers and sys_admins who; a stranger learns nothing."""
    manager, viewer = world.user("m", home=TenantRole.MANAGER), world.user("v", home=TenantRole.VIEWER)
    tenants = world.service.tenants
    everyone = {"m": TenantRole.MANAGER, "v": TenantRole.VIEWER}
    assert tenants.get(manager, "home").roles == tenants.get(world.admin, "home").roles == everyone
    assert (tenants.get(viewer, "home").roles, tenants.get(viewer, "home").members) == (None, 2)
    assert tenants.get(world.caller("m", Scope(keys=("k*",))), "home").roles is None
    texts = set()
    for name in ("away", "none"):
        with pytest.raises(NotPermittedError) as caught:
            tenants.get(manager, name)
        texts.add(caught.value.message.replace(name, "T"))
    assert len(texts) == 1
    part = tenants.list(world.admin, Choice(1))
    assert ([(info.tenant.name, info.members) for info in part.items], part.total) == ([("away", 0)], 2)
    assert [info.tenant.name for info in tenants.list(viewer).items] == ["home"]


def test_a_tenant_that_holds_secrets_is_not_deleted_silently(world: World) -> None:
    """Refused with a list; with purge it goes with its secrets and data keys, and its trail stays."""
    tenants = world.service.tenants
    home = world.secret("k1").tenant
    world.secret("k2", visibility=Visibility.GLOBAL)
    member = world.user("m", home=TenantRole.MANAGER)
    with pytest.raises(ConflictError) as caught:
        tenants.delete(world.admin, "home")
    assert caught.value.message == "tenant 'home' holds 2 secrets: secret home/k1, secret home/k2"
    assert caught.value.hint == "--purge deletes them with the tenant"
    with pytest.raises(NotPermittedError):
        tenants.delete(member, "home", purge=True)
    deleted = tenants.delete(world.admin, "home", purge=True)
    assert ([holding.name for holding in deleted.held], deleted.wiped) == (["k1", "k2"], True)
    for table in ("data_key WHERE tenant_id = :id", "secret", "secret_version", "key_scope", "membership"):
        assert world.execute(f"SELECT count(*) FROM {table}", id=home.id)[0][0] == 0
    with pytest.raises(NotPermittedError):
        world.service.secrets.list(member, "home")
    stays = [record["action"] for record in records(world, home.id)]
    assert stays[-2:] == ["secret:delete", "secret:delete"]
    last = records(world)[-1]
    assert (last["action"], last["tenant_id"], last["held"], last["keys"]) == ("tenant:delete", home.id, 2, 1)
    tenants.create(world.admin, "home")  # the name is free; its trail is another one
    assert records(world, "home") == []
    with pytest.raises(NotFoundError):
        tenants.delete(world.admin, "nowhere")


@pytest.mark.two_databases
def test_tokens_are_shown_to_whom_they_belong(world: World) -> None:
    """One's own are listed, in parts, and got; another's looks like one that does not exist."""
    eve = world.user("eve")
    tokens = world.service.tokens
    world.clock.now = "2030-01-01T00:00:01.000Z"  # lists are by time
    made = tokens.create(eve, NewToken(description="mine", expires_at="+1 day"))
    assert made.info == tokens.get(eve, made.info.id) == tokens.get(world.admin, made.info.id)
    assert made.info.expires_at == "2030-01-02T00:00:00.000Z"
    assert made.token not in repr(made)
    assert (tokens.list(eve).total, tokens.list(eve, Choice(1, 1)).items) == (2, [made.info])
    assert tokens.list(world.admin).total > 2
    for attempt in (tokens.get, tokens.revoke):
        with pytest.raises(NotFoundError, match=r"^token '\w{10}' does not exist$"):
            attempt(eve, world.admin.token_id)
    with pytest.raises(NotFoundError):
        tokens.get(eve, "x" * 100_000)


def test_expired_tokens_go_when_the_next_is_made(world: World) -> None:
    """A user's expired tokens are deleted at the next one's making; those of others stay."""
    eve = world.user("eve")
    old, other = (
        world.service.tokens.create(caller, NewToken(expires_at="+1h")).info for caller in (eve, world.admin)
    )
    world.clock.now = "2030-01-01T01:00:00.000Z"
    assert old in world.service.tokens.list(eve).items
    world.service.tokens.create(eve, NewToken())
    assert old not in world.service.tokens.list(eve).items
    assert other in world.service.tokens.list(world.admin).items


@pytest.mark.parametrize(
    "scope",
    [
        *(Scope(keys=keys) for keys in ((), ("",), ("k" * 257,), ("k\n*",), ("k",) * 101)),
        *(Scope(tenants=frozenset(names)) for names in ((), ("\0",))),
    ],
    ids=str,
)
def test_a_scope_that_can_t_be_meant_is_refused(embedded: World, scope: Scope) -> None:
    """Nothing at all, control characters, and more than anyone would write."""
    with pytest.raises(InvalidRequestError, match=r"^a token is narrowed to 1 to 100 "):
        embedded.service.tokens.create(embedded.admin, NewToken(**asdict(scope)))


ADMIN_SCOPES = {
    "keys and tenant": Scope(keys=("prod_*",), tenants=frozenset({"home"})),
    "keys": Scope(keys=("prod_*",)),
    "all keys": Scope(keys=("*",)),
    "tenant": Scope(tenants=frozenset({"home"})),
    "permissions": Scope(permissions=frozenset(Permission)),
}

WIDENING: dict[str, Callable[[World, Caller], object]] = {
    "make a token": lambda w, c: w.service.tokens.create(c, NewToken()),
    "make a narrowed token": lambda w, c: w.service.tokens.create(c, NewToken(**asdict(c.scope))),
    "make a token for another": lambda w, c: w.service.tokens.create(c, NewToken(username="other")),
    "list tokens": lambda w, c: w.service.tokens.list(c),
    "get its own token": lambda w, c: w.service.tokens.get(c, c.token_id),
    "revoke another token": lambda w, c: w.service.tokens.revoke(c, w.admin.token_id),
    "change its password": lambda w, c: w.service.users.set_password(
        c, c.username, NewPassword(SecretValue("new password"))
    ),
    "change another's password": lambda w, c: w.service.users.set_password(
        c, "other", NewPassword(SecretValue("new password"))
    ),
    "make a user": lambda w, c: w.service.users.create(
        c, "new", NewUser(password=SecretValue("new password"), system_role=SystemRole.SYS_ADMIN)
    ),
    "raise a user": lambda w, c: w.service.users.update(
        c, "other", UserChange(system_role=SystemRole.SYS_ADMIN)
    ),
    "let a user in": lambda w, c: w.service.users.update(c, "other", UserChange(active=True)),
    "unlock a user": lambda w, c: w.service.users.unlock(c, "other"),
    "inherit": lambda w, c: w.service.users.delete(c, "other", reassign_to=c.username),
    "join a tenant": lambda w, c: w.service.tenants.add_member(c, "away", c.username, TenantRole.MANAGER),
    "let another join": lambda w, c: w.service.tenants.add_member(c, "home", "other", TenantRole.MANAGER),
    "throw another out": lambda w, c: w.service.tenants.remove_member(c, "home", "other"),
}


@pytest.mark.parametrize("scope", ADMIN_SCOPES)
def test_no_narrowed_token_gets_wider(embedded: World, scope: str) -> None:
    """No token, user, password, role or membership comes out of a narrowed token, a sys_admin's neither."""
    embedded.user("other", home=TenantRole.USER)
    caller = embedded.caller("admin", ADMIN_SCOPES[scope])
    before = embedded.execute("SELECT * FROM audit_chain WHERE id = 'system'")
    for what, attempt in WIDENING.items():
        with pytest.raises(NotPermittedError):
            pytest.fail(f"{what} was done: {attempt(embedded, caller)}")
    assert embedded.execute("SELECT * FROM audit_chain WHERE id = 'system'") == before


PIPELINE = Scope(
    permissions=frozenset({Permission.SECRET_USE}), tenants=frozenset({"home"}), keys=("prod_*",)
)

OUT_OF_REACH: dict[str, Callable[[World, Caller], object]] = WIDENING | {
    "show": lambda w, c: w.service.secrets.show(c, "home", "prod_a"),
    "list": lambda w, c: w.service.secrets.list(c, "home"),
    "create": lambda w, c: w.service.secrets.create(
        c, "home", "prod_b", NewSecret(value=SecretValue("value"))
    ),
    "update": lambda w, c: w.service.secrets.update(
        c, "home", "prod_a", SecretChange(value=SecretValue("other"))
    ),
    "widen": lambda w, c: w.service.secrets.update(
        c, "home", "prod_a", SecretChange(visibility=Visibility.GLOBAL)
    ),
    "unhide": lambda w, c: w.service.secrets.update(c, "home", "prod_a", SecretChange(hidden=True)),
    "delete": lambda w, c: w.service.secrets.delete(c, "home", "prod_a"),
    "use elsewhere": lambda w, c: w.service.use.use(c, "away", [key_use("prod_a")], DIGESTS),
    "check elsewhere": lambda w, c: w.service.use.check(c, "away", ["prod_a"]),
    "read the trail": lambda w, c: w.service.trail.records(c, "home"),
    "read the system's trail": lambda w, c: w.service.trail.records(c),
    "verify the trail": lambda w, c: w.service.trail.verify(c, "home"),
    "make a tenant": lambda w, c: w.service.tenants.create(c, "new"),
    "delete a tenant": lambda w, c: w.service.tenants.delete(c, "home", purge=True),
    "list users": lambda w, c: w.service.users.list(c),
    "see a user": lambda w, c: w.service.users.get(c, "other"),
}


@pytest.mark.parametrize("system_role", SystemRole)
@pytest.mark.two_databases
def test_a_pipeline_s_token_uses_its_keys_and_does_nothing_else(
    world: World, system_role: SystemRole
) -> None:
    """`prod_*` in one tenant, use only: everything else is refused, also for a sys_admin who manages it."""
    world.user("other", home=TenantRole.USER)
    world.user("ci", home=TenantRole.MANAGER, away=TenantRole.MANAGER, system_role=system_role)
    world.secret("prod_a", "the value")
    world.secret("dev_a")
    caller = world.caller("ci", PIPELINE)
    used = world.service.use.use(caller, "home", [key_use("prod_a")], DIGESTS)
    assert used.secrets["prod_a"].value.reveal() == "the value"
    assert not used.secrets["prod_a"].may_show
    for key in ("dev_a", "PROD_A", "xprod_a"):
        assert world.service.use.use(caller, "home", [key_use(key)], DIGESTS).refusals
    before = world.execute("SELECT key, visibility, hidden, version FROM secret ORDER BY key")
    for what, attempt in OUT_OF_REACH.items():
        with pytest.raises(NotPermittedError):
            pytest.fail(f"{what} was done: {attempt(world, caller)}")
    assert world.execute("SELECT key, visibility, hidden, version FROM secret ORDER BY key") == before
    whoami = world.service.users.whoami(caller)
    assert whoami.permissions == {"home": {Permission.SECRET_USE}}
    assert whoami.system_permissions == frozenset()
    assert [info.tenant.name for info in world.service.tenants.list(caller).items] == ["home"]


def test_keys_narrow_what_reaches_further_than_keys(world: World) -> None:
    """A token for all keys still reads no trail and makes no tenant; one for permissions does as it says."""
    for scope, allowed in (
        (Scope(keys=("*",)), False),
        (Scope(permissions=frozenset({Permission.AUDIT_READ, Permission.TENANT_MANAGE})), True),
        (FULL_SCOPE, True),
    ):
        caller = world.caller("admin", scope)
        for number, attempt in enumerate(
            (
                lambda c: world.service.trail.records(c, "home"),
                lambda c: world.service.tenants.create(c, f"t{c.token_id}"),
            )
        ):
            if allowed:
                attempt(caller)
            else:
                with pytest.raises(NotPermittedError):
                    pytest.fail(f"{number} was done: {attempt(caller)}")
