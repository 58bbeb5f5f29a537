"""Trusts in a store of tests, and the JWTs that fit them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from resolver.core.model import TrustKind
from resolver.core.permissions import Permission, TenantRole
from resolver.core.times import read_time
from resolver.core.trusts import ClaimRule, NewTrust
from resolver.protocol.identity import Grant
from tests.issuer import AUDIENCE, Key, claims_of, key_set

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from resolver.core.trusts import Trust
    from tests.databases import World

ISSUER = "https://issuer.example.com"
ROBOT = "robot"


@functools.cache
def key(kid: str = "one", algorithm: str = "ES256") -> Key:
    """A key that is made once."""
    return Key.make(kid, algorithm)


def wanted(kind: TrustKind = TrustKind.GENERIC, **more: Any) -> NewTrust:  # noqa: ANN401 - the record's fields
    """A trust of the issuer whose keys are given with it; other fields on request."""
    claims = {
        TrustKind.GITHUB: [ClaimRule("repository_id", "74")],
        TrustKind.GITLAB: [ClaimRule("project_id", "20")],
        TrustKind.KUBERNETES: [
            ClaimRule("/kubernetes.io/namespace", "shop"),
            ClaimRule("/kubernetes.io/serviceaccount/name", "deployer"),
            ClaimRule("/kubernetes.io/serviceaccount/uid", "a087d5a0-e1dd-43ec-93ac-f13d89cd13af"),
        ],
        TrustKind.GENERIC: [ClaimRule("sub", "somebody")],
    }[kind]
    fields: dict[str, Any] = {
        "kind": kind,
        "issuer": ISSUER,
        "username": ROBOT,
        "audience": AUDIENCE,
        "claims": claims,
        "permissions": frozenset({Permission.SECRET_USE}),
        "tenants": frozenset({"home"}),
        "keys": ("k*",),
        "jwks": key_set(key()),
    }
    return NewTrust(**(fields | more))


def trusting(world: World, name: str = "shop", **more: Any) -> Trust:  # noqa: ANN401 - as above
    """Make a trust, and its user where there is none."""
    if not any(one.user.name == ROBOT for one in world.service.users.list(world.admin).items):
        world.user(ROBOT, TenantRole.OPERATIONS)
    return world.service.trusts.create(world.admin, name, wanted(**more))


def jwt(world: World, **more: Any) -> str:  # noqa: ANN401 - claims
    """A JWT that fits `wanted()` at the time of a store's clock; other claims on request."""
    return key().jwt(claims_of(ISSUER, now=read_time(world.clock()).timestamp()) | more)


def exchanged(world: World, text: str = "", name: str = "") -> Caller:
    """The caller of the token that a JWT is exchanged for."""
    granted = world.service.trusts.exchange(text or jwt(world), name)
    assert isinstance(granted, Grant)
    return world.service.gate.authenticate_token(granted.token)
