"""Where secrets are used: which blueprints used which version, when, and who did so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from resolver.core import policy
from resolver.core.audit import SYSTEM_CHAIN
from resolver.core.model import Caller, Visibility, check_key
from resolver.core.permissions import TENANT_ROLE_PERMISSIONS, Permission, TenantRole
from resolver.core.query import WHOLE, Listing, Reach
from resolver.core.results import (
    BlueprintUse,
    StaleBlueprint,
    StaleBlueprints,
    StaleUse,
    Usage,
    WideMember,
    WideSecret,
    WideToken,
)
from resolver.core.times import later, parse_time
from resolver.service.base import ServicePart
from resolver.service.decryption import look_up

if TYPE_CHECKING:
    from resolver.core.model import Secret, Tenant
    from resolver.core.ports import Session, StoredVersion
    from resolver.core.results import LastUse

MAX_USES = 500
"""Most lines of a list of uses; the latest ones."""
MAX_LAST_USES = 100_000
"""From how many last uses it is found what is stale; the latest ones."""

MAX_KEYS, MAX_BLUEPRINTS = 25, 15
"""Most secrets and blueprints of a tenant's picture; those that are used most."""

_DAY = 24 * 60 * 60
_DAY_LENGTH = len("2030-01-01")


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

    def secret(self, caller: Caller, tenant: str, key: str, run: str = "") -> SecretUses:
        """Where a secret of a tenant was used in the last 90 days.

        A secret that was deleted is known by its key alone. Uses of a global secret in other tenants count
        for who may read its own tenant's trail, or all trails.

        Args:
            caller: who asks.
            tenant: the tenant's name.
            key: the secret's key.
            run: the id of the only run of a workload whose uses count; empty for all uses.

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
            chains, asked_in = self._chains(session, current, home.id, secret)
            secret_id = secret.id if secret is not None else ""
            found = session.uses_of_key(chains, asked_in, key, secret_id, run, since, MAX_USES + 1)
        return SecretUses(since, found[:MAX_USES], len(found) > MAX_USES)

    def tenant(self, caller: Caller, tenant: str) -> TenantUses:
        """What was used in a tenant in the last 90 days.

        Raises:
            NotPermittedError: the caller may not read the tenant's audit trail.
        """
        since = self._since()
        with self._store.read() as session:
            _, home = self._gate.enter(session, caller, Permission.AUDIT_READ, tenant)
            by_day = session.uses_by_day(home.id, since)
            by_pair = session.uses_by_pair(home.id, since)
        days: dict[str, tuple[int, int]] = {}
        for day, is_allowed, count in by_day:
            allowed, refused = days.get(day, (0, 0))
            days[day] = (allowed + count, refused) if is_allowed else (allowed, refused + count)
        pairs = Counter({(key, name): count for key, name, count in by_pair})
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
    def _chains(
        session: Session, caller: Caller, home: str, secret: Secret | None
    ) -> tuple[Sequence[str], str]:
        """The chains that tell of a secret, and the tenant that alone counts in those of others."""
        if secret is None or secret.visibility is not Visibility.GLOBAL:
            return [home], home
        if not policy.decide_in_tenant(caller, Permission.AUDIT_READ, None).allowed:
            return sorted({home, secret.tenant.id}), home
        return [home, *sorted({*session.all_audit_chains()} - {home, SYSTEM_CHAIN})], ""


def _sums(pairs: Mapping[tuple[str, str], int], part: int) -> Counter[str]:
    sums: Counter[str] = Counter()
    for pair, count in pairs.items():
        sums[pair[part]] += count
    return sums


DEFAULT_DAYS = 90
"""How far back one looks when nothing else is said."""

_READS = frozenset({Permission.SECRET_USE, Permission.SECRET_SHOW, Permission.SECRET_EXPORT})
_FROM_NARROW_TO_WIDE = (TenantRole.VIEWER, TenantRole.OPERATIONS, TenantRole.USER, TenantRole.MANAGER)


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
            done = session.secrets_done(chains, _READS, start)
            # A secret's own chain tells of its uses in other tenants, too.
            readers: dict[str, set[tuple[str, str]]] = {}
            for secret_id, asked_in, user_id in session.readers_of_secrets(home.id, _READS, start):
                readers.setdefault(secret_id, set()).add((asked_in, user_id))
            known = session.page(Reach("", frozenset({home.id}), None), Listing(size=None)).items
            by_user: dict[str, set[Permission]] = {}
            by_token: dict[str, set[Permission]] = {}
            for user_id, token, action in session.deeds(home.id, start):
                if action in _PERMISSIONS:
                    by_user.setdefault(user_id, set()).add(Permission(action))
                    by_token.setdefault(token, set()).add(Permission(action))
            tokens = self._tokens(session, current, home, start, by_token, now)
        wide = [
            WideMember(user.name, role, enough)
            for user, role in members
            for enough in (_enough(by_user.get(user.id, set())),)
            if enough is not role
        ]
        unused = [held for held in secrets if held.id not in done]
        wide_secrets = [
            WideSecret(secret.key, secret.visibility, narrowest)
            for secret in known
            if secret.tenant.id == home.id and secret.id in readers
            for narrowest in (_narrowest(secret, readers[secret.id]),)
            if narrowest is not secret.visibility
        ]
        return Usage(start, unused, wide, tokens, wide_secrets)

    def stale(self, caller: Caller, tenant: str, key: str = "") -> StaleBlueprints:
        """Which blueprints of a tenant have to be deployed again, since secrets have changed.

        A blueprint is known by its name. The text that was resolved last counts, and of each secret that
        this text was given, the last use. Where no name was told, all that one user asked for counts as one.
        Of a very long trail the latest uses are looked at; the answer says since when.

        Args:
            caller: who asks.
            tenant: the tenant's name.
            key: the only secret to look at; empty for all.

        Raises:
            NotPermittedError: the caller may not read the tenant's audit trail.
        """
        if key:
            check_key(key)
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.AUDIT_READ, tenant)
            last_uses = session.last_uses(home.id, MAX_LAST_USES)
            used = _last_texts(last_uses)
            asked = sorted({use.key for uses in used for use in uses if key in ("", use.key)})
            rows = look_up(session, current, home, asked)
            secrets = {name: rows[name].secret if name in rows else None for name in asked}
            stale = [[use for use in uses if _is_stale(use, secrets)] for uses in used]
            ids = {secret.id for uses in stale for use in uses if (secret := secrets[use.key]) is not None}
            changed = {secret_id: session.history(secret_id)[-1] for secret_id in sorted(ids)}
        found = [
            StaleBlueprint(
                left[0].blueprint,
                left[0].digest,
                left[0].caller,
                max(use.last for use in uses),
                [_stale_use(use, secrets[use.key], changed) for use in left],
            )
            for uses, left in zip(used, stale, strict=True)
            if left
        ]
        found.sort(key=lambda one: (one.last, one.blueprint, one.caller))
        since = last_uses[-1].last if len(last_uses) == MAX_LAST_USES else None
        return StaleBlueprints(home.name, found, since)

    @staticmethod
    def _tokens(
        session: Session,
        caller: Caller,
        home: Tenant,
        since: str,
        by_token: Mapping[str, set[Permission]],
        now: str,
    ) -> list[WideToken] | None:
        if (
            caller.scope.is_limited
            or not policy.decide_in_tenant(caller, Permission.TOKEN_MANAGE_OTHERS, None).allowed
        ):
            return None
        keys: dict[str, list[str]] = {}
        for token_id, key in session.keys_of_tokens(home.id, _PERMISSIONS, since, _MAX_KEYS):
            keys.setdefault(token_id, []).append(key)
        users = {stored.user.id: stored for stored in session.users(WHOLE)}
        found = []
        for token, username in session.tokens(None, WHOLE):
            user = users[token.user_id].as_of(now)
            holder = Caller(token.user_id, username, user.user.system_role, user.roles, token.id, token.scope)
            used = frozenset(by_token.get(token.id, ()))
            unused = policy.rights(holder, home) - used
            if unused:
                named = sorted(keys.get(token.id, ()))
                found.append(
                    WideToken(token.id, username, token.scope, token.last_used_at, used, unused, named)
                )
        return found


def _enough(used: set[Permission]) -> TenantRole | None:
    """The narrowest role that permits what was done; the widest when none does, since a sys_admin did it."""
    if not used:
        return None
    fits = (role for role in _FROM_NARROW_TO_WIDE if used <= TENANT_ROLE_PERMISSIONS[role])
    return next(fits, TenantRole.MANAGER)


def _narrowest(secret: Secret, readers: set[tuple[str, str]]) -> Visibility:
    """The narrowest visibility with which the same users could read a secret in the same tenants."""
    if any(asked_in != secret.tenant.id for asked_in, _ in readers):
        return secret.visibility
    if any(user_id != secret.owner.id for _, user_id in readers):
        return min(secret.visibility, Visibility.TENANT, key=_FROM_NARROW.index)
    return Visibility.PRIVATE


_FROM_NARROW = (Visibility.PRIVATE, Visibility.TENANT, Visibility.GLOBAL)


def _last_texts(found: Sequence[LastUse]) -> list[list[LastUse]]:
    """Of each blueprint the last use of each secret by the text that was resolved last, by key."""
    texts: dict[tuple[str, str], dict[str, list[LastUse]]] = {}
    for use in found:
        texts.setdefault((use.blueprint, use.caller), {}).setdefault(use.digest, []).append(use)
    chosen = []
    for by_digest in texts.values():
        uses = max(by_digest.values(), key=lambda uses: max(use.last for use in uses))
        last: dict[str, LastUse] = {}
        for use in uses:
            before = last.get(use.key)
            if before is None or (use.last, use.version) > (before.last, before.version):
                last[use.key] = use
        chosen.append([last[key] for key in sorted(last)])
    return chosen


def _is_stale(use: LastUse, secrets: Mapping[str, Secret | None]) -> bool:
    """Whether a secret that is asked about is not the one that was used, or has another version."""
    if use.key not in secrets:
        return False
    secret = secrets[use.key]
    return secret is None or (secret.id, secret.version) != (use.secret_id, use.version)


def _stale_use(use: LastUse, secret: Secret | None, changed: Mapping[str, StoredVersion]) -> StaleUse:
    if secret is None:
        return StaleUse(use.key, use.version, use.last)
    made = changed[secret.id]
    return StaleUse(
        use.key,
        use.version,
        use.last,
        secret.version,
        made.created_at,
        made.created_by,
        secret.id != use.secret_id,
    )
