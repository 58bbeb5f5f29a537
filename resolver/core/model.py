"""The records of tenants, users, callers and secrets, and the type of a secret's value."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from msgspec import Struct, field

from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.errors import InvalidRequestError

T = TypeVar("T")

MAX_KEY_LENGTH = 256
"""Longest key and name, in characters (Cloudify's rule)."""

MAX_VALUE_BYTES = 1024 * 1024
"""Largest value, in bytes of UTF-8."""

_KEY = re.compile(rf"[A-Za-z][A-Za-z0-9._~-]{{0,{MAX_KEY_LENGTH - 1}}}\Z")
_KEY_CHARACTERS = re.compile(r"[A-Za-z0-9._~-]+\Z")


def is_storable(text: str) -> bool:
    """Whether a text can be in a database: PostgreSQL takes no NUL, and none takes lone surrogates."""
    return "\0" not in text and not has_surrogate(text)


def has_surrogate(text: str) -> bool:
    """Whether a text holds half of a surrogate pair, which no encoding has."""
    return not text.isascii() and _surrogate().search(text) is not None


@functools.cache
def _surrogate() -> re.Pattern[str]:
    return re.compile("[\ud800-\udfff]")  # slow to compile, and most runs have no use for it


def is_key(text: str) -> bool:
    """Whether a text can be a key, tenant name or user name; `check_key` says what is wrong with another."""
    return _KEY.match(text) is not None


def check_key(text: str, what: str = "key") -> str:
    """Check a key, tenant name or user name against Cloudify's rule for them.

    Args:
        text: the key or name.
        what: what it is called in the message.

    Returns:
        The same text.

    Raises:
        InvalidRequestError: it is empty, longer than 256 characters, has other characters than ASCII letters,
            digits, `-`, `.`, `_` and `~`, or does not begin with a letter; checked in this order.
    """
    if is_key(text):
        return text
    if not text:
        raise InvalidRequestError(f"the {what} is empty")
    if len(text) > MAX_KEY_LENGTH:
        raise InvalidRequestError(f"the {what} is too long: at most {MAX_KEY_LENGTH} characters are allowed")
    if not _KEY_CHARACTERS.match(text):
        raise InvalidRequestError(
            f"the {what} has characters that are not allowed",
            hint="use letters, digits, '-', '.', '_' and '~'",
        )
    raise InvalidRequestError(f"the {what} must begin with a letter")


RESERVED_TENANTS = frozenset({"users", "user-groups"})
"""Names that no tenant gets: Cloudify's API has addresses of its own under them."""

_TENANT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def check_tenant_name(name: str) -> str:
    """Check the name of a new tenant.

    Raises:
        InvalidRequestError: it breaks the rule for names, is an address of Cloudify's API, or looks like the
            id of a tenant: under that the trail of a deleted one is read.
    """
    check_key(name, "tenant name")
    if name.casefold() in RESERVED_TENANTS or _TENANT_ID.match(name.casefold()):
        raise InvalidRequestError(f"a tenant can't be called {name!r}")
    return name


class Visibility(enum.StrEnum):
    """Who knows of a secret. Ordered; a secret's visibility is widened, never narrowed."""

    PRIVATE = "private"
    TENANT = "tenant"
    GLOBAL = "global"

    @property
    def width(self) -> int:
        """Its rank: 0 for private, 1 for tenant, 2 for global."""
        return list(Visibility).index(self)


class TrustKind(enum.StrEnum):
    """The kinds of platforms that sign JWTs for their workloads, each with claims of its own."""

    GITHUB = "github"
    GITLAB = "gitlab"
    KUBERNETES = "kubernetes"
    GENERIC = "generic"


class Named:
    """A reference by id, which stays in the store, and by name, which is all that leaves it.

    Args:
        id: the row's id; empty on the other side of the wire.
        name: the name.
    """

    __slots__ = ("id", "name")

    def __init__(self, id: str, name: str) -> None:  # noqa: A002 - the column's name
        self.id = id
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, {self.name!r})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (self.id, self.name) == (other.id, other.name)

    def __hash__(self) -> int:
        return hash((self.id, self.name))


class Tenant(Named):
    """A tenant: the space that keys are unique in and that roles are given in."""

    __slots__ = ()


class Owner(Named):
    """The user that a secret or a provider belongs to."""

    __slots__ = ()


class UserProfile(Struct, frozen=True):
    """A user as others may see it: no id, no password hash.

    Args:
        name: the user's name.
        system_role: the role in the whole system.
        active: whether the user may log in and use tokens.
        created_at: UTC time.
        first_login_at: UTC time of the first login with a password; None before it.
        last_login_at: UTC time of the last one.
        issuer: the OpenID provider that the user signs in by; None for none.
        subject: who it is there.
        roles_until: UTC time at which the roles of groups end; None for roles that are given here.
    """

    name: str
    system_role: SystemRole
    active: bool
    created_at: str
    first_login_at: str | None = None
    last_login_at: str | None = None
    issuer: str | None = None
    subject: str | None = None
    roles_until: str | None = None


class User(UserProfile, frozen=True, kw_only=True):
    """A user as stored, without the password hash.

    Args:
        id: the row's id, a random UUID.
    """

    id: str

    @property
    def profile(self) -> UserProfile:
        """The user as others may see it."""
        return UserProfile(**{name: getattr(self, name) for name in UserProfile.__struct_fields__})


class Scope(Struct, frozen=True):
    """How a token is narrower than its user. None means: not narrowed in this respect.

    Args:
        permissions: the only permissions left.
        tenants: names of the only tenants left.
        keys: case-sensitive glob patterns (`prod_*`); keys that match none of them are out of reach.
        networks: the only networks that it is taken from, such as `10.0.0.0/8`.
    """

    permissions: frozenset[Permission] | None = None
    tenants: frozenset[str] | None = None
    keys: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None

    @property
    def is_limited(self) -> bool:
        """Whether anything is narrowed at all."""
        parts = (self.permissions, self.tenants, self.keys, self.networks)
        return any(part is not None for part in parts)

    @property
    def permits_options(self) -> bool:
        """Whether provider options may be given: they name what a provider has under any other key."""
        return self.keys is None

    def permits_address(self, address: str) -> bool:
        """Whether a token may come from an address; from this machine itself when that is empty."""
        if self.networks is None:
            return True
        from resolver.core.networks import has  # noqa: PLC0415 - few tokens are bound to networks

        return has(self.networks, address)

    def within(self, other: Scope) -> Scope:
        """What both leave, as far as that can be said in patterns: never more than either."""
        return Scope(
            _common(self.permissions, other.permissions),
            _common(self.tenants, other.tenants),
            _common_patterns(self.keys, other.keys),
            _common_patterns(self.networks, other.networks),
        )

    def permits_key(self, key: str) -> bool:
        """Whether a key matches the patterns."""
        return self.keys is None or any(fnmatchcase(key, pattern) for pattern in self.keys)


def _common(one: frozenset[T] | None, other: frozenset[T] | None) -> frozenset[T] | None:
    return other if one is None else one if other is None else one & other


@functools.lru_cache(maxsize=64)  # asked at each request of a trust's token, and each pattern with each
def _common_patterns(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if one is None or other is None or one == other:
        return other if one is None else one
    narrower = [key for key in one if any(_covers(pattern, key) for pattern in other)]
    narrower += [key for key in other if any(_covers(pattern, key) for pattern in one)]
    return tuple(dict.fromkeys(narrower))


def _covers(pattern: str, narrower: str) -> bool:
    """Whether a pattern matches all that another one matches, as far as that is easily seen."""
    if pattern == narrower:
        return True
    # A star takes whatever the other one has in its place, and all else is the same in both.
    plain = not any(mark in pattern for mark in "?[") and "[" not in narrower
    return plain and fnmatchcase(narrower, pattern)


FULL_SCOPE = Scope()


class Caller(Struct, frozen=True):
    """Someone who was authenticated, with the rights read at that moment.

    The service reads the rights again at every request, so that role loss and revocation act at once.

    Args:
        user_id: the user's id.
        username: the user's name.
        system_role: the role in the whole system.
        roles: the role in each tenant the user is a member of, by tenant id.
        token_id: the public part of the token used; empty after a password login.
        scope: what the token leaves of the user's rights.
        login: after a password login, what changes with the password: a new one ends the login.
        expires_at: UTC time at which the token used ends; None for never, and without a token.
        interactive: whether it is a person's session: a password login, or one of the console.
        confirmed_at: UTC time at which the password was last given for this session; empty for never.
        run: which run of which workload it is, for audit records; None for all others.
        roles_until: UTC time at which roles that came of groups end; None for others.
    """

    user_id: str
    username: str
    system_role: SystemRole
    roles: Mapping[str, TenantRole] = field(default_factory=dict)
    token_id: str = ""
    scope: Scope = FULL_SCOPE
    login: str = ""
    expires_at: str | None = None
    interactive: bool = False
    confirmed_at: str = ""
    run: Mapping[str, Any] | None = None
    roles_until: str | None = None

    @property
    def as_owner(self) -> Owner:
        """The caller as the owner of what is made now."""
        return Owner(self.user_id, self.username)


class SecretValue:
    """A plaintext value. Its repr, str and format show stars; `reveal` is the only way to the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The plaintext."""
        return self._text

    def __repr__(self) -> str:
        return "SecretValue('****')"

    def __str__(self) -> str:
        return "****"

    def __format__(self, spec: str) -> str:
        return format("****", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValue) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> Any:  # noqa: ANN401 - the signature is the protocol's
        raise TypeError("a secret value can't be pickled")


def check_value(text: str) -> SecretValue:
    """Check that a text can be a secret's value.

    Raises:
        InvalidRequestError: it is empty, over 1 MiB, or can't be written as UTF-8.
    """
    if not text:
        raise InvalidRequestError("the value is empty")
    # Not by catching the codec's error: it holds the text, and would stay behind ours as its context.
    if has_surrogate(text):
        raise InvalidRequestError("the value is not valid UTF-8 text")
    size = len(text.encode())
    if size > MAX_VALUE_BYTES:
        raise InvalidRequestError(f"the value is too large: at most {MAX_VALUE_BYTES} bytes are allowed")
    return SecretValue(text)


class Secret(Struct, frozen=True):
    """What is known of a secret without its value.

    Args:
        id: the row's id, a random UUID.
        key: the secret's name.
        tenant: the tenant it lives in.
        visibility: who knows of it.
        hidden: whether its value may be used but not seen by everyone.
        owner: the user it belongs to.
        version: the number of its current version, from 1.
        created_at: UTC time, ISO 8601 with milliseconds.
        updated_at: UTC time of the last change.
        schema: the JSON Schema that values must keep to, as JSON text; None for any text.
        expires_at: UTC time from which it counts as expired; None for never.
        rotate_after: how many days a value should last; None for any time.
        rotate_at: UTC time at which these days end.
        provider: the name of the secrets provider that it is kept with; None for this store.
        description: what it is for, in words of its users; None for none.
        protected_at: UTC time since which its value is given to approved bundles only; None for all others.
    """

    id: str
    key: str
    tenant: Tenant
    visibility: Visibility
    hidden: bool
    owner: Owner
    version: int
    created_at: str
    updated_at: str
    schema: str | None = None
    expires_at: str | None = None
    rotate_after: int | None = None
    rotate_at: str | None = None
    provider: str | None = None
    description: str | None = None
    protected_at: str | None = None

    def is_expired(self, now: str) -> bool:
        """Whether it has expired."""
        return self.expires_at is not None and self.expires_at <= now

    def is_due(self, now: str) -> bool:
        """Whether its value is due for rotation."""
        return self.rotate_at is not None and self.rotate_at <= now
