"""Results of the service, and the keys that it is asked for; the same in embedded and remote mode."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from resolver.core.model import Scope, Secret, SecretValue, Tenant, UserProfile, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.policy import Verdict
from resolver.core.redacted import Redacted

if TYPE_CHECKING:
    from resolver.core.location import Location
    from resolver.core.provenance import Provenance


class WrittenSecret(Secret, frozen=True, kw_only=True):
    """A secret as it is after it was created or changed.

    Args:
        unchanged: whether the value that was given is the current one already, so that it made no version.
            Never for who may not be shown the value: each value of theirs makes one.
    """

    unchanged: bool = False


class WantedKey(Protocol):
    """One key that a blueprint needs, and where: a `KeyUse` of a plan, or what a client says."""

    @property
    def key(self) -> str:
        """The secret's key."""

    @property
    def provenance(self) -> Provenance:
        """What the key was computed from."""

    @property
    def needs_value(self) -> bool:
        """Whether its value is wanted; not when an input only names it."""

    @property
    def shown(self) -> str:
        """The key as a message or a record may show it."""

    @property
    def calls_total(self) -> int:
        """How many calls need it."""

    @property
    def sources(self) -> frozenset[str]:
        """The names of the blueprints that need it."""

    def locations(self, most: int) -> Sequence[Location]:
        """Where its first calls stand."""


class Refusal(Struct, frozen=True):
    """Why a key may not be had.

    Args:
        verdict: the reason; `does_not_exist` also for what the caller may not see.
        cause: what a provider did wrong, in words that may be shown; empty for other reasons.
        is_missing: whether the provider answered, and has no value under this name.
    """

    verdict: Verdict
    cause: str = ""
    is_missing: bool = False


class UsedSecret(Struct, frozen=True):
    """A secret's value for use in a blueprint, and whether its caller may also see it.

    Args:
        value: the value.
        version: its version.
        may_show: whether the caller may see it.
        expired_at: since when it has expired; None when it has not.
        due_at: since when the value is older than it should get; None when it is not.
    """

    value: SecretValue
    version: int
    may_show: bool
    expired_at: str | None = None
    due_at: str | None = None


class UseAnswer(Struct, frozen=True):
    """The answer to one request for keys: all values, or none and the reasons.

    Args:
        secrets: what was obtained, by key; empty when anything was refused.
        refusals: what was refused, by key.
    """

    secrets: Mapping[str, UsedSecret] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)


class KeyStatus(Struct, frozen=True):
    """The status of a key: whether it could be used, found out without using it.

    Args:
        secret: the secret as it is known to the caller; None when it is not found.
        refusal: why it could not be used; None when it could.
        expired: whether it has expired.
        due: whether its value is older than it should get.
    """

    secret: Secret | None
    refusal: Refusal | None
    expired: bool = False
    due: bool = False


class Identity(Struct, frozen=True):
    """Who a caller is and what may be done where, for `whoami`."""

    username: str
    system_role: SystemRole
    roles: Mapping[str, TenantRole]
    token_id: str
    scope: Scope = field(name="narrowing")
    permissions: Mapping[str, frozenset[Permission]]
    system_permissions: frozenset[Permission]


class UserInfo(Struct, frozen=True):
    """A user as those see it who manage users, and as everyone sees oneself.

    Args:
        user: name, system role and times.
        roles: the role in each tenant, by its name.
        locked: whether logins with a password are refused for now, after too many wrong ones.
    """

    user: UserProfile
    roles: Mapping[str, TenantRole]
    locked: bool


class TenantInfo(Struct, frozen=True):
    """A tenant as its members see it.

    Args:
        tenant: the tenant.
        role: the caller's role there; None for a sys_admin without one.
        members: how many members it has.
        roles: each member's role by user name, for those who may know; else None.
    """

    tenant: Tenant
    role: TenantRole | None
    members: int
    roles: Mapping[str, TenantRole] | None = None


class Holding(Struct, frozen=True):
    """Something that a user owns and a tenant holds.

    Args:
        kind: `secret` or `provider`.
        id: the row's id.
        name: its key or name.
        tenant: the tenant that it is in.
    """

    kind: str
    id: str
    name: str
    tenant: Tenant


def count_holdings(holdings: Iterable[Holding]) -> str:
    """How many there are of each kind, in words."""
    kinds = Counter(holding.kind for holding in holdings)
    return " and ".join(f"{number} {kind}{'' if number == 1 else 's'}" for kind, number in kinds.items())


class DeletedTenant(Struct, frozen=True):
    """What a deletion took away.

    Args:
        tenant: the tenant that was.
        held: what it held.
        wiped: whether what the rows left in the database's files was overwritten, too.
    """

    tenant: Tenant
    held: Sequence[Holding]
    wiped: bool


class DeletedUser(Struct, frozen=True):
    """What became of a deleted user's things.

    Args:
        holdings: what was given to another user, or deleted.
    """

    holdings: Sequence[Holding]


class TokenInfo(Struct, frozen=True):
    """A token as a list shows it: never the token."""

    id: str
    username: str
    description: str
    created_at: str
    expires_at: str | None
    scope: Scope = field(name="narrowing")
    last_used_at: str | None
    replaced_by: str | None = None


class MadeToken(Redacted, frozen=True):
    """A token at the one moment when it can be shown, and what a list will show of it."""

    token: str
    info: TokenInfo


class WideMember(Struct, frozen=True):
    """A member whose role permits more than was done.

    Args:
        username: who.
        role: the role in the tenant.
        enough: the narrowest role that would have done; None when nothing was done at all.
    """

    username: str
    role: TenantRole
    enough: TenantRole | None


class WideSecret(Struct, frozen=True):
    """A secret that more may know of than read it.

    Args:
        key: its key.
        visibility: who may know of it.
        enough: the narrowest visibility that would have done.
    """

    key: str
    visibility: Visibility
    enough: Visibility


class WideToken(Struct, frozen=True):
    """A token that permits more in the tenant than was done with it.

    Args:
        id: its public part.
        username: whose it is.
        scope: how narrow it is.
        last_used_at: when it was used last, for whatever.
        used: the permissions that were used in the tenant.
        unused: those that it has there, too.
        keys: the keys that were asked for, sorted; the first few of many.
    """

    id: str
    username: str
    scope: Scope = field(name="narrowing")
    last_used_at: str | None
    used: frozenset[Permission]
    unused: frozenset[Permission]
    keys: Sequence[str]


class BlueprintUse(Struct, frozen=True):
    """One blueprint that asked for a secret: all times that one user did so with one text and one outcome.

    Args:
        blueprint: its name, as whoever used it said; empty when none was told.
        digest: SHA-256 of its text.
        tenant: the tenant in which it was resolved.
        version: the version that was used; None when it was refused and none was told.
        caller: who asked.
        decision: `allowed` or `refused`.
        claimed: whether name and digest are a client's word.
        count: how often.
        first: when it was first, UTC.
        last: when it was last, UTC.
    """

    blueprint: str
    digest: str
    tenant: str
    version: int | None
    caller: str
    decision: str
    claimed: bool
    count: int
    first: str
    last: str


class Usage(Struct, frozen=True):
    """What was not used in a tenant since some time.

    Args:
        since: that time.
        secrets: the secrets that nobody used, showed or exported.
        members: the members whose role permits more than they did.
        tokens: the tokens that permit more than was done with them; None for those who manage none.
        wide_secrets: the secrets that more may know of than read them.
    """

    since: str
    secrets: Sequence[Holding]
    members: Sequence[WideMember]
    tokens: Sequence[WideToken] | None
    wide_secrets: Sequence[WideSecret] = ()


class LastUse(Struct, frozen=True):
    """The last time that a text of a blueprint was given one version of a secret.

    Args:
        blueprint: its name; empty when none was told.
        digest: SHA-256 of its text.
        caller: who asked, where no blueprint was told: what was asked for together is then all of theirs.
        key: the secret's key.
        secret_id: its id.
        version: the version.
        last: when that was, UTC.
    """

    blueprint: str
    digest: str
    caller: str
    key: str
    secret_id: str
    version: int
    last: str


class StaleUse(Struct, frozen=True):
    """A secret that has changed since a blueprint was given it.

    Args:
        key: its key.
        version: the version that was used.
        used_at: when it was used last, UTC.
        current: the current version; None when the secret is gone.
        changed_at: since when that one is current, UTC; None when the secret is gone.
        changed_by: who made it; None when the secret is gone.
        replaced: whether it is another secret under the same key: the first one was deleted.
    """

    key: str
    version: int
    used_at: str
    current: int | None = None
    changed_at: str | None = None
    changed_by: str | None = None
    replaced: bool = False


class StaleBlueprint(Struct, frozen=True):
    """A blueprint whose last use of some secret was of a version that is not current.

    Args:
        blueprint: its name; empty when none was told.
        digest: SHA-256 of the text that was resolved last.
        caller: who asked, where no blueprint was told; empty else.
        last: when it was resolved last, UTC.
        secrets: the secrets that have changed since.
    """

    blueprint: str
    digest: str
    caller: str
    last: str
    secrets: Sequence[StaleUse]


class StaleBlueprints(Struct, frozen=True):
    """What has to be deployed again in a tenant, since secrets have changed.

    Args:
        tenant: the tenant's name.
        blueprints: the blueprints, those with the oldest use first.
        since: from when on uses were looked at, UTC; None when all were.
    """

    tenant: str
    blueprints: Sequence[StaleBlueprint]
    since: str | None = None


class Migration(Struct, frozen=True):
    """One change of the database's schema.

    Args:
        revision: its number.
        what: what it does, in a sentence.
    """

    revision: str
    what: str


class SchemaStatus(Struct, frozen=True):
    """The schema of a database beside that of this program.

    Args:
        place: the database's URL, without password.
        schema: the revision that it has.
        needed: the revision that this program needs.
        due: what an upgrade would do, in order.
    """

    place: str
    schema: str
    needed: str
    due: Sequence[Migration]


class Status(Struct, frozen=True):
    """A store that works.

    Args:
        place: where it is, without any password.
        wrapping_root_key: the id of the root key that wraps its data keys.
        root_keys: the ids of the root keys at hand.
        rows_enforced: whether a row that decides is refused without a genuine MAC.
    """

    place: str
    wrapping_root_key: str
    root_keys: tuple[str, ...]
    rows_enforced: bool = True


class Version(Struct, frozen=True):
    """What is known of one version without its value.

    Args:
        number: its number, from 1.
        created_at: UTC time.
        created_by: the name of the user who made it, or the id of one who was deleted.
        current: whether it is the one that is used.
    """

    number: int
    created_at: str
    created_by: str
    current: bool
