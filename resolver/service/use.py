"""Using secrets: the values that a blueprint needs, all of them or none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resolver.core import policy
from resolver.core.audit import MAX_CALL_SITES, cap
from resolver.core.document import format_path
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.errors import NotPermittedError
from resolver.service.gate import Gate, MemberRefusedError
from resolver.service.rows import Opener, look_up
from resolver.service.trail import decided, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resolver.core.model import Caller, Secret, SecretValue, Tenant
    from resolver.core.ports import Store, StoredSecret
    from resolver.core.resolve import KeyUse
    from resolver.service.trail import Trail


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a key may not be had.

    Args:
        verdict: the reason; `does_not_exist` also for what the caller may not see.
    """

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class UsedSecret:
    """A secret's value for use in a blueprint, and whether its caller may also see it."""

    value: SecretValue
    version: int
    may_show: bool


@dataclass(frozen=True, slots=True)
class UseAnswer:
    """The answer to one request for keys: all values, or none and the reasons.

    Args:
        secrets: what was obtained, by key; empty when anything was refused.
        refusals: what was refused, by key.
    """

    secrets: Mapping[str, UsedSecret] = field(default_factory=dict)
    refusals: Mapping[str, Refusal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """What a check tells of a key: whether it could be used, without using it.

    Args:
        secret: the secret as it is known to the caller; None when it is not found.
        refusal: why it could not be used; None when it could.
    """

    secret: Secret | None
    refusal: Refusal | None


class Use:
    """Obtains values for blueprints.

    Args:
        store: where secrets are kept.
        gate: lets callers in.
        trail: records each use before it happens.
        opener: decrypts.
    """

    def __init__(self, store: Store, gate: Gate, trail: Trail, opener: Opener) -> None:
        self._store = store
        self._gate = gate
        self._trail = trail
        self._opener = opener

    def use(
        self, caller: Caller, tenant: str, uses: Sequence[KeyUse], digests: Mapping[str, str]
    ) -> UseAnswer:
        """Obtain the values that one round of a blueprint needs: all of them, or none.

        One SELECT for all keys; the decisions are about the rows it read; the audit records are committed
        before anything is decrypted.

        Args:
            caller: who asks.
            tenant: the name of the tenant to ask in.
            uses: the keys, with their call sites.
            digests: SHA-256 of each blueprint, hexadecimal, by its name, for the audit records.

        Raises:
            NotPermittedError: the caller may not use secrets in this tenant at all.
            TokenError: a stored value does not decrypt, or belongs elsewhere.
            ResolverError: the store or a key is not available.
        """
        try:
            with self._store.read() as session:
                caller, home = self._gate.enter(session, caller, Permission.SECRET_USE, tenant)
                rows = look_up(session, caller, home, {use.key for use in uses})
                data_keys = session.data_keys({row.data_key_id for row in rows.values()}) if rows else []
        except MemberRefusedError as refused:
            refusals_of_all = [(use, None, refused.reason) for use in uses]
            entries = self._entries(refused.caller, refused.tenant, refusals_of_all, digests)
            self._trail.commit(refused.tenant.id, entries)
            raise
        judged = [
            (use, row, _judge(caller, home, use.key, row)) for use in uses for row in (rows.get(use.key),)
        ]
        # A secret that an input only names is not used, so only a refusal of it is recorded.
        recorded = [
            (use, row, verdict)
            for use, row, verdict in judged
            if use.placed or verdict is not Verdict.ALLOWED
        ]
        self._trail.commit(home.id, self._entries(caller, home, recorded, digests))
        refusals = {
            use.key: _refusal(verdict) for use, _, verdict in judged if verdict is not Verdict.ALLOWED
        }
        if refusals:
            return UseAnswer(refusals=refusals)
        wanted = {use.key for use in uses if use.placed}
        computed = {use.key: use.shown for use in uses if use.origin.secrets}
        opened = self._opener.data_keys(caller, home, data_keys)
        values = {
            key: UsedSecret(
                self._opener.open(caller, home, row, opened, computed.get(key, "")),
                row.secret.version,
                _may_show(caller, home, row.secret),
            )
            for key, row in rows.items()
            if key in wanted
        }
        return UseAnswer(secrets=values)

    def check(self, caller: Caller, tenant: str, keys: Iterable[str]) -> Mapping[str, KeyStatus]:
        """Say of each key whether it could be used, without decrypting or using anything.

        Raises:
            NotPermittedError: the caller may neither list nor use secrets in this tenant.
        """
        with self._store.read() as session:
            try:
                current, home = self._gate.enter(session, caller, Permission.SECRET_LIST, tenant)
            except NotPermittedError:
                current, home = self._gate.enter(session, caller, Permission.SECRET_USE, tenant)
            wanted = list(keys)
            rows = look_up(session, current, home, wanted)
        may_use = policy.decide_in_tenant(current, Permission.SECRET_USE, home)
        answer: dict[str, KeyStatus] = {}
        for key in wanted:
            row = rows.get(key)
            verdict = _judge(current, home, key, row)
            seen = row.secret if row is not None and verdict is Verdict.ALLOWED else None
            if verdict is Verdict.ALLOWED and not may_use.allowed:
                verdict = may_use.reason
            answer[key] = KeyStatus(seen, None if verdict is Verdict.ALLOWED else _refusal(verdict))
        return answer

    def _entries(
        self,
        caller: Caller,
        tenant: Tenant,
        judged: Sequence[tuple[KeyUse, StoredSecret | None, Verdict]],
        digests: Mapping[str, str],
    ) -> list[dict[str, Any]]:
        """One record for each key of one run."""
        base = self._trail.entry(caller, tenant, Permission.SECRET_USE)
        capped = {name: (cap(name), digest) for name, digest in digests.items()}
        return [base | _about(use, row, verdict, capped) for use, row, verdict in judged]


def _about(
    use: KeyUse,
    row: StoredSecret | None,
    verdict: Verdict,
    digests: Mapping[str, tuple[str, str]],
) -> dict[str, Any]:
    """What a record says of one key. One that came out of a secret is not told, nor what it led to."""
    told = row.secret if row is not None and not use.origin.secrets else None
    sites = [call.site() for call in use.calls[:MAX_CALL_SITES]]
    return {
        **decided(verdict),
        **(named(told) if told is not None else {"key": _told_key(use, found=row is not None)}),
        "blueprints": dict(digests[name] for name in {call.source.name for call in use.calls}),
        "calls": [
            [
                cap(site.source),
                site.position.line if site.position else 0,
                site.position.column if site.position else 0,
                cap(format_path(site.path)),
            ]
            for site in sites
        ],
        "calls_total": len(use.calls),
    }


def _told_key(use: KeyUse, *, found: bool) -> str:
    """A key as a record tells it; what the caller supplied and names no secret may be any text, a value."""
    supplied = use.origin.inputs or use.origin.context
    return use.shown if use.origin.secrets or (supplied and not found) else cap(use.key)


def _refusal(verdict: Verdict) -> Refusal:
    return Refusal(Verdict.ABSENT if verdict is Verdict.INVISIBLE else verdict)


def _judge(caller: Caller, home: Tenant, key: str, row: StoredSecret | None) -> Verdict:
    """Decide about using one key; what is not visible is as good as absent."""
    if not caller.narrowing.permits_key(key):
        return Verdict.TOKEN
    if row is None:
        return Verdict.ABSENT
    return policy.decide(caller, Permission.SECRET_USE, row.secret, home).reason


def _may_show(caller: Caller, home: Tenant, secret: Secret) -> bool:
    return (
        policy.decide_in_tenant(caller, Permission.SECRET_SHOW, home).allowed
        and policy.decide(caller, Permission.SECRET_SHOW, secret, home).allowed
    )
