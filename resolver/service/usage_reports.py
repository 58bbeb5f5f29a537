"""Where secrets are used: which blueprints used which version, when, and who did so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from resolver.core import policy
from resolver.core.audit import SYSTEM_CHAIN, AuditQuery, fields_of
from resolver.core.model import Caller, Visibility, check_key
from resolver.core.permissions import TENANT_ROLE_PERMISSIONS, Permission, TenantRole
from resolver.core.query import WHOLE
from resolver.core.results import Usage, WideMember, WideToken
from resolver.core.times import later, parse_time
from resolver.service.base import ServicePart
from resolver.service.decryption import look_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resolver.core.audit import AuditRecord
    from resolver.core.model import Secret, Tenant
    from resolver.core.ports import Session

MAX_USES = 500
"""Most lines of a list of uses; the latest ones."""

MAX_KEYS, MAX_BLUEPRINTS = 25, 15
"""Most secrets and blueprints of a tenant's picture; those that are used most."""

_DAY = 24 * 60 * 60
_DAY_LENGTH = len("2030-01-01")


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


class SecretUses(Struct, frozen=True):
    """Where one secret was used.

    Args:
        since: the time from which on one looked.
        uses: the uses, the latest first.
        more: whether there are others, before these.
    """

    since: str
    uses: Sequence[BlueprintUse]
    more: bool


class TenantUses(Struct, frozen=True):
    """A tenant's uses as a picture shows them.

    Args:
        since: the first day that one looked at.
        until: the last one.
        days: how many uses were allowed and refused, by day; days without any are left out.
        pairs: how often which blueprint used which secret, `(key, blueprint)`, of those most used.
        keys: how many secrets were used.
        blueprints: how many blueprints used them.
    """

    since: str
    until: str
    days: Mapping[str, tuple[int, int]]
    pairs: Mapping[tuple[str, str], int]
    keys: int
    blueprints: int


class WhereUsed(ServicePart):
    """Reads uses out of the audit trail."""

    def secret(self, caller: Caller, tenant: str, key: str) -> SecretUses:
        """Where a secret of a tenant was used in the last 90 days.

        A secret that was deleted is known by its key alone. For who may read all trails, uses of a global
        secret in other tenants count.

        Raises:
            NotPermittedError: the caller may not read the tenant's audit trail.
        """
        check_key(key)
        since = self._since()
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.AUDIT_READ, tenant)
            row = look_up(session, current, home, [key]).get(key)
            secret = None
            if row is not None and policy.is_visible(current, row.secret, home):
                secret = row.secret
            chains = self._chains(session, current, home.id, secret)
        groups: dict[tuple[Any, ...], list[Any]] = {}
        for fields in self._uses(chains, since, key):
            if secret is not None and fields.get("secret_id", secret.id) != secret.id:
                continue
            told = fields.get("version")
            common = (
                _text(fields, "tenant"),
                told if isinstance(told, int) else None,
                _text(fields, "caller"),
                _text(fields, "decision"),
                fields.get("claimed") is True,
            )
            at = _text(fields, "at")
            for name, digest in _blueprints(fields):
                group = groups.setdefault((name, digest, *common), [0, at, at])
                group[0] += 1
                group[1], group[2] = min(group[1], at), max(group[2], at)
        uses = [BlueprintUse(*group, *counted) for group, counted in groups.items()]
        uses.sort(key=lambda use: use.last, reverse=True)
        return SecretUses(since, uses[:MAX_USES], len(uses) > MAX_USES)

    def tenant(self, caller: Caller, tenant: str) -> TenantUses:
        """What was used in a tenant in the last 90 days.

        Raises:
            NotPermittedError: the caller may not read the tenant's audit trail.
        """
        since = self._since()
        with self._store.read() as session:
            _, home = self._gate.enter(session, caller, Permission.AUDIT_READ, tenant)
        days: dict[str, tuple[int, int]] = {}
        pairs: Counter[tuple[str, str]] = Counter()
        for fields in self._uses([home.id], since):
            day = _text(fields, "at")[:_DAY_LENGTH]
            allowed, refused = days.get(day, (0, 0))
            if fields.get("decision") != "allowed":
                days[day] = (allowed, refused + 1)
                continue
            days[day] = (allowed + 1, refused)
            pairs.update((_text(fields, "key"), name) for name, _ in _blueprints(fields))
        by_key, by_blueprint = _sums(pairs, 0), _sums(pairs, 1)
        keys = {key for key, _ in by_key.most_common(MAX_KEYS)}
        blueprints = {name for name, _ in by_blueprint.most_common(MAX_BLUEPRINTS)}
        return TenantUses(
            since[:_DAY_LENGTH],
            self._clock()[:_DAY_LENGTH],
            days,
            {pair: count for pair, count in pairs.items() if pair[0] in keys and pair[1] in blueprints},
            len(by_key),
            len(by_blueprint),
        )

    def _since(self) -> str:
        """The beginning of the day that lies so many days back."""
        return later(self._clock(), -DEFAULT_DAYS * _DAY)[:_DAY_LENGTH] + "T00:00:00.000Z"

    @staticmethod
    def _chains(session: Session, caller: Caller, home: str, secret: Secret | None) -> Sequence[str]:
        if secret is None or secret.visibility is not Visibility.GLOBAL:
            return [home]
        if not policy.decide_in_tenant(caller, Permission.AUDIT_READ, None).allowed:
            return [home]
        return [home, *sorted({*session.all_audit_chains()} - {home, SYSTEM_CHAIN})]

    def _uses(self, chains: Sequence[str], since: str, key: str = "") -> Iterator[dict[str, Any]]:
        query = AuditQuery(since=since, key=key, action=Permission.SECRET_USE)
        for chain in chains:
            for record in self._trail.read(chain, query):
                if query.wants(record):
                    yield fields_of(record)


def _text(fields: Mapping[str, Any], name: str) -> str:
    return str(fields.get(name) or "")


def _blueprints(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and digests; one without a name stands for a record that has none."""
    told = fields.get("blueprints")
    if not isinstance(told, dict) or not told:
        return [("", "")]
    return [(str(name), str(digest)) for name, digest in told.items()]


def _sums(pairs: Mapping[tuple[str, str], int], part: int) -> Counter[str]:
    sums: Counter[str] = Counter()
    for pair, count in pairs.items():
        sums[pair[part]] += count
    return sums


DEFAULT_DAYS = 90
"""How far back one looks when nothing else is said."""

_READS = frozenset({Permission.SECRET_USE, Permission.SECRET_SHOW, Permission.SECRET_EXPORT})
_FROM_NARROW_TO_WIDE = (TenantRole.VIEWER, TenantRole.OPERATIONS, TenantRole.USER, TenantRole.MANAGER)


class _Seen:
    """What the records of a tenant show; grows with users, tokens and secrets, not with records."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.by_user: dict[str, set[Permission]] = {}
        self.by_token: dict[str, set[Permission]] = {}
        self.keys: dict[str, set[str]] = {}

    def add(self, record: AuditRecord, *, own: bool) -> None:
        """Take in a record of the tenant's own chain, or of another's."""
        fields = fields_of(record)
        if fields.get("decision") != "allowed":
            return
        if record.action in _READS:
            self.secrets.add(str(fields.get("secret_id")))
        if own and record.action in _PERMISSIONS:
            permission, token = Permission(record.action), str(fields.get("token"))
            self.by_user.setdefault(str(fields.get("caller_id")), set()).add(permission)
            self.by_token.setdefault(token, set()).add(permission)
            keys = self.keys.setdefault(token, set())
            if len(keys) < _MAX_KEYS:
                keys.add(str(fields.get("key")))


_PERMISSIONS = frozenset(Permission)
_MAX_KEYS = 10


class UsageReport(ServicePart):
    """Compares what is permitted with what was done."""

    def unused(self, caller: Caller, tenant: str, since: str = "") -> Usage:
        """What was not used in a tenant since a time, by default 90 days ago.

        For who may read all trails, uses of global secrets in other tenants count. Listing, checking and
        reading the trail leave no record, so they are not seen.

        Raises:
            InvalidRequestError: the time is malformed.
            NotPermittedError: the caller may not read the tenant's audit trail.
        """
        now = self._clock()
        start = parse_time(since or f"{DEFAULT_DAYS}d", now, "the start", ago=True)
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.AUDIT_READ, tenant)
            chains = [home.id]
            if policy.decide_in_tenant(current, Permission.AUDIT_READ, None).allowed:
                chains = [home.id, *({*session.all_audit_chains()} - {home.id, SYSTEM_CHAIN})]
            secrets = [held for held in session.holdings(tenant_id=home.id) if held.kind == "secret"]
            members = session.members(home.id)
        seen = _Seen()
        for chain in chains:
            for record in self._trail.read(chain, AuditQuery(since=start)):
                seen.add(record, own=chain == home.id)
        wide = [
            WideMember(user.name, role, enough)
            for user, role in members
            for enough in (_enough(seen.by_user.get(user.id, set())),)
            if enough is not role
        ]
        unused = [held for held in secrets if held.id not in seen.secrets]
        with self._store.read() as session:
            return Usage(start, unused, wide, self._tokens(session, current, home, seen))

    @staticmethod
    def _tokens(session: Session, caller: Caller, home: Tenant, seen: _Seen) -> list[WideToken] | None:
        if (
            caller.scope.is_limited
            or not policy.decide_in_tenant(caller, Permission.TOKEN_MANAGE_OTHERS, None).allowed
        ):
            return None
        users = {stored.user.id: stored for stored in session.users(WHOLE)}
        found = []
        for token, username in session.tokens(None, WHOLE):
            user = users[token.user_id]
            holder = Caller(token.user_id, username, user.user.system_role, user.roles, token.id, token.scope)
            used = frozenset(seen.by_token.get(token.id, ()))
            unused = policy.rights(holder, home) - used
            if unused:
                keys = sorted(seen.keys.get(token.id, ()))
                found.append(
                    WideToken(token.id, username, token.scope, token.last_used_at, used, unused, keys)
                )
        return found


def _enough(used: set[Permission]) -> TenantRole | None:
    """The narrowest role that permits what was done; the widest when none does, since a sys_admin did it."""
    if not used:
        return None
    fits = (role for role in _FROM_NARROW_TO_WIDE if used <= TENANT_ROLE_PERMISSIONS[role])
    return next(fits, TenantRole.MANAGER)
