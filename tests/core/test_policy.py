"""Decisions: the role table as the rules print it, and the reasons that records carry.

Who may do what with which secret is tested on the whole service, in the access table.
"""

from __future__ import annotations

import pytest

from resolver.core.model import Caller, Owner, Scope, Secret, Tenant, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.policy import Verdict, decide, decide_in_tenant, decide_key, rights

HOME, AWAY = Tenant("1", "home"), Tenant("2", "away")

TABLE = """
secret:list          x x x x x
secret:show          x x x x x
secret:use           x x x x -
secret:create        x x x - -
secret:update        x x x - -
secret:delete        x x x - -
secret:export        x x x - -
secret:import        x x x - -
secret:create_global x - - - -
secret:set_owner     x - - - -
secret:administer    x x - - -
all_tenants          x - - - -
provider:list        x x x x x
provider:create      x x x - -
provider:update      x x x - -
provider:delete      x x x - -
provider:credentials x - - - -
audit:read           x x - - -
tenant:manage        x - - - -
user:manage          x - - - -
membership:manage    x - - - -
key:rotate           x - - - -
token:manage_others  x - - - -
webhook:manage       x - - - -
trust:manage         x - - - -
approval:grant       x x - - -
"""

ROWS = {name: marks for name, *marks in (line.split() for line in TABLE.strip().splitlines())}


def caller(role: str, scope: Scope = Scope()) -> Caller:  # noqa: B008 - frozen
    """A sys_admin, or a member of home with a role."""
    if role == "sys_admin":
        return Caller("u", "user", SystemRole.SYS_ADMIN, scope=scope)
    roles = {HOME.id: TenantRole(role)} if role != "none" else {}
    return Caller("u", "user", SystemRole.DEFAULT, roles, scope=scope)


def secret(
    visibility: Visibility = Visibility.TENANT, *, hidden: bool = False, owner: str = "other"
) -> Secret:
    """A secret of home."""
    return Secret("s", "k", HOME, visibility, hidden, Owner(owner, owner), 1, "", "")


@pytest.mark.parametrize("permission", Permission)
def test_roles_permit_what_the_table_says(permission: Permission) -> None:
    """Every permission has a row, and each role has it or not as the row says; no role is no permission."""
    roles = ("sys_admin", "manager", "user", "operations", "viewer")
    for role, mark in zip(roles, ROWS[permission], strict=True):
        decision = decide_in_tenant(caller(role), permission, HOME)
        assert decision.allowed == (mark == "x"), role
        assert decision.reason is (Verdict.ALLOWED if mark == "x" else Verdict.ROLE)
    assert not decide_in_tenant(caller("none"), permission, HOME).allowed
    assert not decide_in_tenant(caller("manager"), permission, AWAY).allowed
    assert not decide_in_tenant(caller("manager"), permission, None).allowed


def test_every_row_is_a_permission() -> None:
    """The table and the enumeration name the same things."""
    assert set(ROWS) == set(Permission)


def test_a_scope_only_takes_away() -> None:
    """Rights are those of the role and those of the token: never more, and the reason tells them apart."""
    everything = Scope(permissions=frozenset(Permission))
    assert rights(caller("viewer", everything), HOME) == rights(caller("viewer"), HOME)
    use = Scope(permissions=frozenset({Permission.SECRET_USE}))
    assert rights(caller("user", use), HOME) == {Permission.SECRET_USE}
    assert rights(caller("viewer", use), HOME) == frozenset()
    assert decide_in_tenant(caller("user", use), Permission.SECRET_LIST, HOME).reason is Verdict.TOKEN
    assert decide_in_tenant(caller("viewer", use), Permission.SECRET_USE, HOME).reason is Verdict.ROLE
    elsewhere = Scope(tenants=frozenset({"away"}))
    assert rights(caller("sys_admin", elsewhere), HOME) == frozenset()
    assert rights(caller("sys_admin", elsewhere), None) == frozenset()
    assert rights(caller("sys_admin", elsewhere), AWAY) == frozenset(Permission)
    keys = Scope(keys=("a*",))
    assert decide_key(caller("sys_admin", keys), "b").reason is Verdict.TOKEN
    assert decide_key(caller("sys_admin", keys), "ab").allowed


@pytest.mark.parametrize(
    ("role", "permission", "found", "asked_from", "reason"),
    [
        ("user", Permission.SECRET_USE, secret(), HOME, Verdict.ALLOWED),
        ("user", Permission.SECRET_USE, secret(), AWAY, Verdict.INVISIBLE),
        ("user", Permission.SECRET_USE, secret(Visibility.PRIVATE), HOME, Verdict.INVISIBLE),
        ("user", Permission.SECRET_USE, secret(Visibility.PRIVATE, owner="u"), HOME, Verdict.ALLOWED),
        ("manager", Permission.SECRET_USE, secret(Visibility.PRIVATE), HOME, Verdict.ALLOWED),
        ("manager", Permission.SECRET_USE, secret(Visibility.PRIVATE), AWAY, Verdict.INVISIBLE),
        ("user", Permission.SECRET_USE, secret(Visibility.GLOBAL), AWAY, Verdict.ALLOWED),
        ("manager", Permission.SECRET_UPDATE, secret(Visibility.GLOBAL), AWAY, Verdict.OTHER_TENANT),
        ("sys_admin", Permission.SECRET_DELETE, secret(Visibility.GLOBAL), AWAY, Verdict.OTHER_TENANT),
        ("user", Permission.SECRET_USE, secret(hidden=True), HOME, Verdict.ALLOWED),
        ("user", Permission.SECRET_SHOW, secret(hidden=True), HOME, Verdict.HIDDEN),
        ("user", Permission.SECRET_EXPORT, secret(hidden=True), HOME, Verdict.HIDDEN),
        ("user", Permission.SECRET_DELETE, secret(hidden=True), HOME, Verdict.HIDDEN),
        ("user", Permission.SECRET_SHOW, secret(hidden=True, owner="u"), HOME, Verdict.ALLOWED),
        (
            "none",
            Permission.SECRET_SHOW,
            secret(Visibility.GLOBAL, hidden=True, owner="u"),
            AWAY,
            Verdict.HIDDEN,
        ),
        ("manager", Permission.SECRET_SHOW, secret(Visibility.GLOBAL, hidden=True), AWAY, Verdict.ALLOWED),
        ("viewer", Permission.SECRET_SHOW, secret(hidden=True), HOME, Verdict.HIDDEN),
    ],
)
def test_reasons(
    role: str, permission: Permission, found: Secret, asked_from: Tenant, reason: Verdict
) -> None:
    """Each decision about a secret carries the reason that the trail will tell."""
    decision = decide(caller(role), permission, found, asked_from)
    assert decision.reason is reason
    assert decision.allowed is (reason is Verdict.ALLOWED)
