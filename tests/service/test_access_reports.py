"""Who could read what is told as it is: everyone named is given the value, and nobody else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolver.core.access import Ground
from resolver.core.account_changes import UserChange
from resolver.core.model import FULL_SCOPE, Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.query import Listing
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.trusts import TrustChange
from resolver.errors import AuthenticationError, InvalidRequestError, NotFoundError, NotPermittedError
from tests.service.uses import DIGESTS, key_use
from tests.trusting import exchanged, trusting

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from tests.databases import World

SCOPES = (
    Scope(permissions=frozenset({Permission.SECRET_USE})),
    Scope(permissions=frozenset({Permission.SECRET_LIST, Permission.SECRET_SHOW})),
    Scope(tenants=frozenset({"away"})),
    Scope(keys=("own*", "tenant-seen")),
)


def uses(world: World, caller: Caller, tenant: str, key: str) -> bool:
    """Whether a blueprint is given a value, tried."""
    try:
        return bool(world.service.use.use(caller, tenant, [key_use(key)], DIGESTS).secrets)
    except (NotPermittedError, AuthenticationError):
        return False


def shows(world: World, caller: Caller, tenant: str, key: str) -> bool:
    """Whether a value is shown, tried."""
    try:
        return world.service.secrets.show(caller, tenant, key)[1] is not None
    except (NotPermittedError, NotFoundError, AuthenticationError):
        return False


def test_everyone_who_is_named_reads_and_nobody_else(embedded: World) -> None:
    """Each user and token, each kind of secret, from each tenant: what is told is what happens."""
    world = embedded
    callers = [world.admin, world.user("root", system_role=SystemRole.SYS_ADMIN)]
    callers += [world.user(f"h-{role}", home=role) for role in TenantRole]
    callers += [
        world.user("both", home=TenantRole.VIEWER, away=TenantRole.MANAGER),
        world.user("elsewhere", away=TenantRole.OPERATIONS),
        world.user("stranger"),
        world.user("gone", home=TenantRole.MANAGER),
    ]
    for name in ("admin", "h-manager", "h-user", "both"):
        callers += [world.caller(name, scope) for scope in SCOPES]
    callers.append(world.caller("h-user", expires_at="2030-01-01T00:10:00.000Z"))
    owner = next(caller for caller in callers if caller.username == "h-user")
    keys = []
    for visibility in (Visibility.PRIVATE, Visibility.TENANT):
        for hidden in (False, True):
            key = f"own-{visibility}{'-hidden' if hidden else ''}"
            new = NewSecret(value=SecretValue("v"), visibility=visibility, hidden=hidden)
            world.service.secrets.create(owner, "home", key, new)
            keys.append(key)
    for hidden in (False, True):
        world.secret(
            key := f"global{'-hidden' if hidden else ''}", visibility=Visibility.GLOBAL, hidden=hidden
        )
        keys.append(key)
    world.secret("tenant-seen")
    keys.append("tenant-seen")
    world.clock.now = "2030-01-01T00:20:00.000Z"  # a token has expired
    gone = next(caller for caller in callers if caller.username == "gone")
    world.service.users.update(world.admin, "gone", UserChange(active=False))
    for key in keys:
        found = world.service.access.who_can(world.admin, "home", key)
        told = {(one.username, one.token_id): one for one in found.readers}
        assert len(told) == len(found.readers)
        for caller in callers:
            tried = {
                name: [tenant for tenant in ("away", "home") if attempt(world, caller, tenant, key)]
                for name, attempt in (("use", uses), ("show", shows))
            }
            one = told.pop((caller.username, caller.token_id), None)
            # A sys_admin could ask in any tenant; the one that was asked about stands for all.
            if caller.system_role is SystemRole.SYS_ADMIN and not caller.scope.tenants:
                tried = {
                    name: [place for place in places if place == "home"] for name, places in tried.items()
                }
            elif caller.system_role is SystemRole.SYS_ADMIN:
                tried = {"use": [], "show": []}
            expected = tried if any(tried.values()) else None
            assert (one and {"use": sorted(one.use), "show": sorted(one.show)}) == expected, (key, caller)
            for tenant in ("home", "away"):
                check_part(world, caller, tenant, key)
        assert {token for _, token in told} <= {""}  # what is left are users as such, not their tokens
    assert gone.username not in {one.username for one in found.readers}


def check_part(world: World, caller: Caller, tenant: str, key: str) -> None:
    """What is told of one's own access in a tenant is what happens."""
    try:
        part = world.service.access.access(caller, tenant)
    except (NotPermittedError, AuthenticationError):
        return
    item = next((one for one in part.items if one.key == key), None)
    told = (item.use, item.show) if item else (False, False)
    assert told == (uses(world, caller, tenant, key), shows(world, caller, tenant, key))


def test_the_rules_are_named(world: World) -> None:
    """With the right by the role comes what opens a private or hidden secret."""
    owner = world.user("owner", home=TenantRole.USER)
    world.user("boss", home=TenantRole.MANAGER)
    world.user("far", away=TenantRole.OPERATIONS)
    new = NewSecret(value=SecretValue("v"), visibility=Visibility.PRIVATE)
    world.service.secrets.create(owner, "home", "mine", new)
    world.secret("all", visibility=Visibility.GLOBAL)
    mine = world.service.access.who_can(world.admin, "home", "mine")
    by_user = {one.username: list(one.grounds) for one in mine.readers if not one.token_id}
    assert by_user == {
        "admin": [Ground.SYS_ADMIN, Ground.ADMINISTERS],
        "boss": [Ground.MANAGER, Ground.ADMINISTERS],
        "owner": [Ground.USER, Ground.OWNER],
    }
    assert [(one.role, one.use, one.show) for one in mine.roles if one.use or one.show] == [
        (TenantRole.MANAGER, True, True)
    ]
    wide = world.service.access.who_can(world.admin, "home", "all")
    assert wide.everywhere
    assert {one.username: (one.use, list(one.grounds)) for one in wide.readers if not one.token_id} == {
        "admin": (["home"], [Ground.SYS_ADMIN]),
        "boss": (["home"], [Ground.MANAGER]),
        "far": (["away"], [Ground.OPERATIONS, Ground.GLOBAL]),
        "owner": (["home"], [Ground.USER]),
    }
    boss = world.caller("boss")
    narrower = world.service.access.who_can(boss, "home", "all")
    assert not narrower.everywhere
    assert "far" not in {one.username for one in narrower.readers}


def test_an_expired_secret_is_said_to_be_refused(embedded: World) -> None:
    """Where the store refuses expired ones; where it does not, they are used with a warning."""
    world = embedded
    world.secret("old")
    world.service.secrets.update(
        world.admin, "home", "old", SecretChange(expires_at="2030-01-01T00:01:00.000Z")
    )
    world.clock.now = "2030-01-02T00:00:00.000Z"
    assert not world.service.access.who_can(world.admin, "home", "old").refused_to_all


def test_who_may_ask(world: World) -> None:
    """Managers for their tenant, sys_admins; about oneself whoever may list; one answer for all unknown."""
    manager = world.user("manager", home=TenantRole.MANAGER)
    user = world.user("user", home=TenantRole.USER)
    world.user("other", away=TenantRole.USER)
    foreign = world.caller("other")
    world.secret("k")
    access = world.service.access
    assert access.who_can(manager, "home", "k").readers
    for caller, tenant in ((user, "home"), (foreign, "home"), (manager, "away"), (manager, "none")):
        with pytest.raises(NotPermittedError):
            access.who_can(caller, tenant, "k")
        with pytest.raises(NotPermittedError):
            access.access(caller, tenant, "admin")
    with pytest.raises(NotFoundError, match="was not found"):
        access.who_can(manager, "home", "none")
    with pytest.raises(InvalidRequestError, match="the key has characters"):
        access.who_can(manager, "home", "no key")
    assert access.access(user, "home").total == 1
    assert access.access(user, "home", "USER").username == "user"
    assert access.access(manager, "home", "user").items
    assert access.access(manager, "home", token_id=user.token_id).token_id == user.token_id
    messages = set()
    for name in ("other", "nobody"):
        with pytest.raises(NotFoundError) as refused:
            access.access(manager, "home", name)
        messages.add(refused.value.message.replace(name, "X"))
    for token in (foreign.token_id, "nonsense"):
        with pytest.raises(NotFoundError, match="has no part in tenant 'home'"):
            access.access(manager, "home", token_id=token)
    assert messages == {"user 'X' has no part in tenant 'home'"}
    assert access.access(world.admin, "home", "other").items == []
    with pytest.raises(InvalidRequestError, match="not both"):
        access.access(manager, "home", "user", user.token_id)


def test_a_narrowed_token_learns_of_itself_alone(embedded: World) -> None:
    """Not what its user could do besides, nor of keys that it may not name."""
    world = embedded
    world.user("user", home=TenantRole.USER)
    for key in ("in-reach", "out"):
        world.secret(key)
    narrow = world.caller("user", Scope(keys=("in-*",)))
    part = world.service.access.access(narrow, "home", "user")
    assert [item.key for item in part.items] == ["in-reach"]
    assert (part.total, part.token_id) == (1, narrow.token_id)
    whole = world.caller("user", FULL_SCOPE)
    with pytest.raises(NotPermittedError):
        world.service.access.access(narrow, "home", token_id=whole.token_id)


def test_trusts_are_told_and_not_what_they_gave(embedded: World) -> None:
    """As long as a workload would be trusted; a token that it got reaches as far as the trust does now."""
    world = embedded
    for key in ("k", "other"):
        world.secret(key)
    trusting(world)
    workload = exchanged(world)
    assert uses(world, workload, "home", "k")
    access = world.service.access
    told = {
        (one.username, one.trust): bool(one.use)
        for one in access.who_can(world.admin, "home", "k").readers
        if one.trust or one.token_id == workload.token_id
    }
    assert told == {("robot", "shop"): True}
    assert [one.trust for one in access.who_can(world.admin, "home", "other").readers if one.trust] == []
    part = access.access(world.admin, "home", token_id=workload.token_id)
    assert [(item.key, item.use, item.show) for item in part.items] == [("k", True, False)]
    world.service.trusts.update(world.admin, "shop", TrustChange(enabled=False))
    assert [one.trust for one in access.who_can(world.admin, "home", "k").readers if one.trust] == []


def test_parts_of_a_tenant(embedded: World) -> None:
    """All parts together have each secret once."""
    world = embedded
    for number in range(5):
        world.secret(f"k{number}")
    found = []
    for offset in (0, 2, 4):
        part = world.service.access.access(world.admin, "home", listing=Listing(offset=offset, size=2))
        assert part.total == 5
        found += [item.key for item in part.items]
    assert sorted(found) == [f"k{number}" for number in range(5)]
