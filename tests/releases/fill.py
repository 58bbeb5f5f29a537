"""Fills a store with something in every table, through the service of the version that is installed.

With a release this file is copied beside the dumps that it made, and from then on it follows the code alone.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey
from msgspec.structs import asdict

from resolver.core.account_changes import NewToken, NewUser, UserChange
from resolver.core.approvals import ApprovalRequest, Bundle, BundledBlueprint
from resolver.core.model import Scope, SecretValue, TrustKind, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.providers import NewProvider
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.trusts import ClaimRule, NewTrust
from resolver.core.webhooks import NewWebhook
from resolver.crypto.keyring import KeyRing, RootKey
from resolver.crypto.passwords import Argon2Hasher
from resolver.errors import AuthenticationError
from resolver.identity import IssuerKeys, Verifier
from resolver.providers import make_types, parse_allow_list
from resolver.providers.requests import RequestSender
from resolver.providers.webhooks import WebhookSender
from resolver.resolution.bundles import BundleRunner
from resolver.service import Service
from resolver.store.sql import SqlStore

NOW = "2026-11-30T12:00:00.000Z"

ROOT_KEYS = {
    "old": "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
    "current": "dGhpcyByb290IGtleSBpcyBmb3IgdGVzdHMgb25seSE=",
}
"""Root keys for tests only: the one of Fernet's published vectors, and "this root key is for tests only!"."""

ROLES = {
    "Manager": {"prod": "manager", "test": "viewer"},
    "user": {"prod": "user"},
    "operations": {"prod": "operations", "test": "operations"},
    "viewer": {"prod": "viewer"},
    "second_admin": {},
    "left": {"prod": "user"},
}
PASSWORDS = {"admin": "admin pässword", "user": "user password", "viewer": "viewer password"}

SCOPES: dict[str, dict[str, Any]] = {
    "by permissions": {"permissions": ["secret:list", "secret:use"], "tenants": None, "keys": None},
    "by tenants": {"permissions": None, "tenants": ["prod"], "keys": None},
    "by keys": {"permissions": None, "tenants": None, "keys": ["prod_*", "plain"]},
    "by all": {"permissions": ["secret:use"], "tenants": ["prod", "test"], "keys": ["*"]},
}

PROVIDERS: dict[str, dict[str, Any]] = {
    "here": {"kind": "local", "parameters": {}, "visibility": "global"},
    "vault": {
        "kind": "vault",
        "parameters": {
            "url": "http://127.0.0.1:8200",
            "token": "token-for-tests",
            "path": "prod",
            "mount": "kv",
        },
        "visibility": "tenant",
    },
    "mine": {
        "kind": "vault",
        "parameters": {"url": "http://127.0.0.1:8201", "token": "t", "path": "p", "mount": "secret"},
        "visibility": "private",
    },
}

SECRETS: dict[str, dict[str, dict[str, Any]]] = {
    "prod": {
        "plain": {"values": ["first value", "second välue", "third\nvalue ☃"]},
        "private": {"values": ["private value"], "visibility": "private"},
        "hidden": {"values": ["hidden value", "another hidden value"], "hidden": True},
        "everywhere": {"values": ["global value"], "visibility": "global"},
        "json": {"values": ['{"port": 5432}', '{"port": 5433}'], "schema": '{"required": ["port"]}'},
        "expires": {"values": ["expiring value"], "expires_at": "2031-01-01T00:00:00.000Z"},
        "rotates": {"values": ["rotating value"], "rotate_after": 30},
        "of_provider_here": {"values": ["local value"], "provider": "here"},
        "external": {"values": [""], "provider": "vault", "options": {"path": "other", "key": "k"}},
    },
    "test": {"plain": {"values": ["value of test"]}},
}


def make_service(url: str) -> Service:
    """A service on a database, at one time, with both root keys; `current` wraps in an empty store."""
    keys = [RootKey(ROOT_KEYS[name], "the tests") for name in ("current", "old")]
    types = make_types(parse_allow_list(["127.0.0.0/8"]))
    return Service(
        SqlStore(url),
        KeyRing(keys),
        Argon2Hasher,
        clock=lambda: NOW,
        provider_types=lambda: types,
        event_sender=lambda: WebhookSender(parse_allow_list(["127.0.0.0/8"])),
        verifier=lambda: Verifier(IssuerKeys(lambda: RequestSender(parse_allow_list([])))),
        bundles=BundleRunner,
    )


def fill(url: str) -> dict[str, Any]:
    """Fill an empty database that has the tables; what is in it then, as data."""
    ring = KeyRing([RootKey(ROOT_KEYS["old"], "the tests")])
    first = Service(SqlStore(url), ring, Argon2Hasher, clock=lambda: NOW)
    token = first.setup.initialise("admin", PASSWORDS["admin"], "prod", lambda _token: None) or ""
    first.close()
    service = make_service(url)
    tokens = {"admin": {"user": "admin", "token": token}}
    admin = service.gate.authenticate_token(token)
    service.tenants.create(admin, "test")
    for name, roles in ROLES.items():
        role = SystemRole.SYS_ADMIN if name == "second_admin" else SystemRole.DEFAULT
        password = SecretValue(PASSWORDS[name]) if name in PASSWORDS else None
        service.users.create(admin, name, NewUser(password=password, system_role=role))
        for tenant, tenant_role in roles.items():
            service.tenants.add_member(admin, tenant, name, TenantRole(tenant_role))
        tokens[name] = {"user": name, "token": service.tokens.create(admin, NewToken(username=name)).token}
    for name, scope in SCOPES.items():
        made = service.tokens.create(
            admin,
            NewToken(
                username="user",
                description=name,
                **asdict(_scope(**scope)),
                expires_at="2031-01-01T00:00:00.000Z",
            ),
        )
        tokens[name] = {"user": "user", "token": made.token, "narrowing": scope}
    service.users.update(admin, "left", UserChange(active=False))
    _link(service, "Manager")
    tokens.pop("left")  # it lets nobody in
    owner = service.gate.authenticate_token(tokens["user"]["token"])
    for name, provider in PROVIDERS.items():
        who = owner if provider["visibility"] == "private" else admin
        visibility = Visibility(provider["visibility"])
        new = NewProvider(provider["kind"], provider["parameters"], visibility)
        service.providers.create(who, "prod", name, new)
    for tenant, secrets in SECRETS.items():
        for key, about in secrets.items():
            private = about.get("visibility") == "private"
            _make_secret(service, owner if private else admin, tenant, key, about)
    hook = NewWebhook(url="http://127.0.0.1:9/events", tenants=["prod"])
    service.webhooks.create(admin, "hook", hook)
    _make_secret(service, admin, "prod", "told", {"values": ["told value"]})
    _exchange(service, admin)
    _ask(service, admin)
    service.delivery.round()
    service.keys.rotate_root(admin, RootKey(ROOT_KEYS["current"], "the tests").id, lambda *_: None)
    by_password = service.sessions.open(username="user", password=PASSWORDS["user"]).secret
    by_token = service.sessions.open(token=tokens["second_admin"]["token"]).secret
    for _ in range(5):
        with contextlib.suppress(AuthenticationError):
            service.gate.authenticate_password("viewer", "wrong")
    service.close()
    return {
        "now": NOW,
        "root_keys_for_tests_only": ROOT_KEYS,
        "roles": ROLES,
        "inactive": ["left"],
        "passwords": PASSWORDS,
        "locked": ["viewer"],
        "tokens": tokens,
        "sessions": {"user": by_password, "second_admin": by_token},
        "providers": PROVIDERS,
        "secrets": SECRETS,
    }


def _scope(permissions: list[str] | None, tenants: list[str] | None, keys: list[str] | None) -> Scope:
    return Scope(
        None if permissions is None else frozenset(map(Permission, permissions)),
        None if tenants is None else frozenset(tenants),
        None if keys is None else tuple(keys),
    )


def _link(service: Service, name: str) -> None:
    """Have a user be a person of an OpenID provider, whose roles are those of groups for some time."""
    with service.users._store.write() as session:  # noqa: SLF001 - a provider would have to be there
        user = session.user(name=name)
        assert user is not None
        session.set_identity(user.user.id, "https://login.example.com", "manager-1")
        session.set_roles_until(user.user.id, "2031-01-01T00:00:00.000Z")


def _exchange(service: Service, admin: Any) -> None:  # noqa: ANN401 - a caller
    """Make a trust, and have a JWT exchanged by it."""
    key = ECKey.generate_key("P-256", {"kid": "1", "use": "sig"})
    issuer, audience, at = "https://issuer.example.com", "https://resolver.example.com", 1796040000
    trust = NewTrust(
        kind=TrustKind.GENERIC,
        issuer=issuer,
        audience=audience,
        username="operations",
        claims=[ClaimRule("sub", "somebody")],
        permissions=frozenset({Permission.SECRET_USE}),
        tenants=frozenset({"prod"}),
        keys=("*",),
        jwks=json.dumps({"keys": [key.as_dict(private=False)]}),
    )
    service.trusts.create(admin, "shop", trust)
    claims = {"iss": issuer, "aud": audience, "sub": "somebody", "jti": "1", "iat": at, "exp": at + 300}
    service.trusts.exchange(jwt.encode({"alg": "ES256", "kid": "1"}, claims, key))


def _ask(service: Service, admin: Any) -> None:  # noqa: ANN401 - a caller
    """Have a secret that is protected, and a request for its use."""
    guarded = NewSecret(value=SecretValue("guarded value"), protected=True)
    service.secrets.create(admin, "prod", "guarded", guarded)
    bundle = Bundle(blueprints=[BundledBlueprint("guarded.yaml", "a: {get_secret: guarded}\n")])
    service.approvals.request(admin, "prod", ApprovalRequest(bundle))


def _make_secret(service: Service, who: Any, tenant: str, key: str, about: dict[str, Any]) -> None:  # noqa: ANN401 - a caller
    first, *later = about["values"]
    new = NewSecret(
        value=SecretValue(first),
        visibility=Visibility(about.get("visibility", "tenant")),
        hidden=about.get("hidden", False),
        schema=about.get("schema"),
        expires_at=about.get("expires_at"),
        rotate_after=about.get("rotate_after"),
        provider=about.get("provider"),
        provider_options=about.get("options"),
    )
    service.secrets.create(who, tenant, key, new)
    for value in later:
        service.secrets.update(who, tenant, key, SecretChange(value=SecretValue(value)))
