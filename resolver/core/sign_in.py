"""Signing in by an OpenID provider: what is configured of it, and which roles a person's groups give."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from resolver.core.model import MAX_KEY_LENGTH, is_key
from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.redacted import Redacted

MAX_SUBJECT = 255
"""Longest `sub`, in characters (OpenID Connect Core 1.0, section 2)."""

MAX_ISSUER = 1024
"""Longest issuer, in characters: both are in one index."""

MAX_GROUPS = 500
"""Most groups of one person; providers leave some out beyond a number like this."""

CALLBACK_PATH = "/console/"
"""Where the browser comes back to, below the server's public URL."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._~-]")


class RefusedSignInError(Exception):
    """A sign-in was refused. What it says is for the server's log, and never holds a token or a code."""


class GroupRole(Struct, frozen=True, forbid_unknown_fields=True):
    """The role that the members of a group have in a tenant.

    Args:
        group: the group, as the provider's claim has it.
        tenant: the tenant's name.
        role: the role there.
    """

    group: str
    tenant: str
    role: TenantRole


class SignInProvider(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An OpenID provider that people sign in by, as the settings describe it.

    Args:
        name: what it is called in requests and records.
        issuer: its issuer's URL, as its discovery says it.
        client_id: what this server is called there.
        label: what its button says; the name by default.
        client_secret_file: the file with the client's secret; None for a public client.
        client_authentication: how the secret is sent.
        scopes: what is asked for.
        create_users: whether a person's first sign-in makes a user.
        username_claim: the claim that a new user's name is made of.
        groups_claim: the claim with the groups.
        groups: the roles in tenants that groups give; None where roles are given here.
        admin_groups: the groups whose members are sys_admins; None where that is decided here.
        rights_hours: for how long after a sign-in the roles of groups hold.
        device: whether `resolver login` may sign in by a code that is typed elsewhere.
        loopback: whether `resolver login` may be where the browser comes back to.
        token_url: the token endpoint, where it is on another host than the issuer.
        jwks_url: the key set, where it is on another host.
        ca_file: the file with the authorities of its certificates.
    """

    name: str
    issuer: str
    client_id: str
    label: str = ""
    client_secret_file: str | None = None
    client_authentication: str = "basic"
    scopes: tuple[str, ...] = ("openid", "profile")
    create_users: bool = False
    username_claim: str = "preferred_username"
    groups_claim: str = "groups"
    groups: tuple[GroupRole, ...] | None = None
    admin_groups: tuple[str, ...] | None = None
    rights_hours: int = 12
    device: bool = False
    loopback: bool = False
    token_url: str | None = None
    jwks_url: str | None = None
    ca_file: str | None = None

    @property
    def maps_groups(self) -> bool:
        """Whether roles come of groups."""
        return self.groups is not None or self.admin_groups is not None


class ProviderOption(Struct, frozen=True):
    """A provider, as those are told of it who have not signed in.

    Args:
        name: what it is called in requests.
        label: what its button says.
        device: whether a command may sign in by a code that is typed elsewhere.
        loopback: whether a command may be where the browser comes back to.
    """

    name: str
    label: str
    device: bool
    loopback: bool


class SignInOptions(Struct, frozen=True):
    """How people sign in here.

    Args:
        providers: the providers, in the order of the settings.
        passwords: whether local passwords are taken.
    """

    providers: tuple[ProviderOption, ...]
    passwords: bool


class StartedSignIn(Redacted, frozen=True):
    """A sign-in that begins.

    Args:
        secret: what binds it to whoever began it; state, nonce and PKCE verifier are derived from it.
        url: where the browser goes.
    """

    secret: str
    url: str


class SignInAnswer(Redacted, frozen=True, forbid_unknown_fields=True):
    """What a browser brings back from the provider (RFC 6749, section 4.1.2, and RFC 9207).

    Args:
        state: what was sent there.
        code: the authorization code.
        iss: the issuer that answers.
        error: why there is no code.
    """

    state: str
    code: str = ""
    iss: str = ""
    error: str = ""


class AuthorizationRequest(Redacted, frozen=True):
    """What a provider is asked for a code with.

    Args:
        redirect_uri: where the browser comes back to.
        state: what comes back with it.
        nonce: what the ID token has to name.
        verifier: the PKCE verifier (RFC 7636).
        fresh: whether the person has to show anew who it is.
    """

    redirect_uri: str
    state: str
    nonce: str
    verifier: str
    fresh: bool = False


class Person(Redacted, frozen=True):
    """Who signed in, by a verified ID token.

    Args:
        issuer: the provider's issuer.
        subject: who it is there; both together, and nothing else, identify a person.
        claims: all that the ID token says.
        authenticated_at: when the person showed who it is, in seconds since 1970; None when that is not said.
    """

    issuer: str
    subject: str
    claims: Mapping[str, Any]
    authenticated_at: int | None = None


class DeviceCode(Redacted, frozen=True):
    """A device sign-in that begins (RFC 8628).

    Args:
        device_code: what the provider is asked with, until the person has agreed.
        user_code: what the person types.
        verification_uri: where.
        verification_uri_complete: where nothing has to be typed; empty when the provider has none.
        expires_in: seconds until it ends.
        interval: seconds between two questions.
    """

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class DevicePending(Redacted, frozen=True):
    """The person has not agreed yet.

    Args:
        slow_down: whether it was asked too often.
    """

    slow_down: bool


def groups_of(provider: SignInProvider, claims: Mapping[str, Any]) -> frozenset[str]:
    """A person's groups.

    Raises:
        RefusedSignInError: they are missing, no list of texts, or more than fit.
    """
    named = claims.get("_claim_names")
    found = claims.get(provider.groups_claim)
    if isinstance(named, dict) and provider.groups_claim in named:
        raise RefusedSignInError("the ID token says that the groups are somewhere else: too many of them")
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise RefusedSignInError(f"the ID token has no list of groups in {provider.groups_claim!a}")
    if len(found) > MAX_GROUPS:
        raise RefusedSignInError(f"the ID token has more than {MAX_GROUPS} groups")
    return frozenset(found)


_BY_WIDTH = (TenantRole.VIEWER, TenantRole.OPERATIONS, TenantRole.USER, TenantRole.MANAGER)


def tenant_roles(provider: SignInProvider, groups: frozenset[str]) -> Mapping[str, TenantRole]:
    """The role in each tenant that groups give, by the tenant's name: the widest of several."""
    roles: dict[str, TenantRole] = {}
    for one in provider.groups or ():
        if one.group in groups:
            before = roles.get(one.tenant, one.role)
            roles[one.tenant] = max(before, one.role, key=_BY_WIDTH.index)
    return roles


def system_role(provider: SignInProvider, groups: frozenset[str]) -> SystemRole | None:
    """The system role that groups give; None where they decide none."""
    if provider.admin_groups is None:
        return None
    return SystemRole.SYS_ADMIN if groups.intersection(provider.admin_groups) else SystemRole.DEFAULT


def new_name(provider: SignInProvider, claims: Mapping[str, Any]) -> str:
    """The name of a user who is made for a person.

    Raises:
        RefusedSignInError: the claim for it is missing, or no name can be made of it.
    """
    claim = claims.get(provider.username_claim)
    name = _NOT_IN_NAMES.sub("-", claim) if isinstance(claim, str) and len(claim) <= MAX_KEY_LENGTH else ""
    if not is_key(name):
        raise RefusedSignInError(f"no user name can be made of the claim {provider.username_claim!a}")
    return name
