"""Using secrets: the values that a blueprint needs, all of them or none."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from resolver.core import policy
from resolver.core.audit import MAX_CALL_SITES, SYSTEM_CHAIN, cap
from resolver.core.audit_rounds import MAX_REFUSED, RoundKey
from resolver.core.location import Location, format_path
from resolver.core.model import SecretValue
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.core.provenance import Provenance
from resolver.core.providers import FetchFailure
from resolver.core.redacted import Redacted
from resolver.core.results import KeyStatus, Refusal, UseAnswer, UsedSecret
from resolver.errors import AccessError, ConflictError, InvalidRequestError, NotPermittedError
from resolver.service.access import MemberRefusedError, trust_id_of
from resolver.service.audit import decided, named
from resolver.service.base import ServicePart
from resolver.service.decryption import LOOKS, MAX_USED, NOT_READ, demand_still, look_up
from resolver.service.provider_values import ExternalSecret, find_external
from resolver.service.shared_commits import OvertakenError, StandingDecision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resolver.core.model import Caller, Secret, Tenant
    from resolver.core.ports import Session, StoredSecret, UseSession
    from resolver.core.ports.approvals import StoredApproval
    from resolver.core.results import WantedKey


class ClaimedUse(Redacted, frozen=True):
    """One key that a client says a blueprint needs. Satisfies `WantedKey`.

    Args:
        key: the secret's key.
        provenance: what the key was computed from.
        calls: where calls stand, as the client says.
        calls_total: how many calls there are, as the client says.
        needs_value: whether its value is wanted.
    """

    key: str
    provenance: Provenance
    calls: Sequence[Location]
    calls_total: int
    needs_value: bool = True

    @property
    def shown(self) -> str:
        """The key as a message or a record may show it."""
        return self.provenance.show(self.key)

    @property
    def sources(self) -> frozenset[str]:
        """The names of the blueprints that need it; of those calls only that a record may list."""
        return frozenset(call.source for call in self.calls[:MAX_CALL_SITES])

    def locations(self, most: int) -> Sequence[Location]:
        """Where its first calls stand."""
        return self.calls[:most]


_SEEN = frozenset({Verdict.ALLOWED, Verdict.EXPIRED, Verdict.HIDDEN, Verdict.PROTECTED})
"""What is decided about secrets that are known to the caller."""


class Claim(Struct, frozen=True):
    """Marks a request whose digests and call sites are a client's word.

    Args:
        may_use_hidden: whether hidden values are given out on such a word to those who may not see them.
    """

    may_use_hidden: bool = True


class SecretUse(ServicePart):
    """Obtains values for blueprints."""

    def use(
        self,
        caller: Caller,
        tenant: str,
        uses: Sequence[WantedKey],
        digests: Mapping[str, str],
        claim: Claim | None = None,
        forwards: int = 0,
        *,
        approval_id: str = "",
    ) -> UseAnswer:
        """Obtain the values that one round of a blueprint needs: all of them, or none.

        One SELECT for all keys; the decisions are about the rows it read; the audit records are committed
        before anything is decrypted.

        Args:
            caller: who asks.
            tenant: the name of the tenant to ask in.
            uses: the keys, with their call sites.
            digests: SHA-256 of each blueprint, hexadecimal, by its name, for the audit records.
            claim: given when digests and call sites are a client's word, which the records then say.
            forwards: how many managers the request has come through.
            approval_id: the approval by which protected secrets are used; one of its uses is spent then.

        Raises:
            NotPermittedError: the caller may not use secrets in this tenant at all.
            InvalidRequestError: the values are too large together.
            TokenError: a stored value does not decrypt, or belongs elsewhere.
            ResolverError: the store or a key is not available.
        """
        for _ in range(LOOKS):
            with contextlib.suppress(OvertakenError):
                return self._use(caller, tenant, uses, digests, claim, forwards, approval_id)
        raise ConflictError("what you may use is being changed", hint="try again")

    def _use(
        self,
        caller: Caller,
        tenant: str,
        uses: Sequence[WantedKey],
        digests: Mapping[str, str],
        claim: Claim | None,
        forwards: int,
        approval_id: str,
    ) -> UseAnswer:
        try:
            approved = self._approved(caller, tenant, approval_id) if approval_id else frozenset[str]()
            with self._uses.read() as session:
                caller, home = self._gate.enter(session, caller, Permission.SECRET_USE, tenant)
                rows = look_up(session, caller, home, {use.key for use in uses})
                judged = [
                    (use, row, self._judge(caller, home, use.key, row, claim, approved))
                    for use in uses
                    for row in (rows.get(use.key),)
                ]
                refusals = {
                    use.key: _refusal(verdict) for use, _, verdict in judged if verdict is not Verdict.ALLOWED
                }
                if not refusals:
                    _demand_room(row for use, row, _ in judged if use.needs_value)
                kept = find_external(session, _to_be_opened(judged))
                # Not for what is refused: a secret that may not be seen costs what a missing one costs.
                chains_of = {SYSTEM_CHAIN, home.id, *(row.secret.tenant.id for row in rows.values())}
                ends = {} if refusals else session.ends(chains_of)
        except MemberRefusedError as refused:
            # Nothing was looked up. Some keys are named and all counted: this costs the trail little.
            keys = [
                RoundKey(
                    {**decided(refused.reason), "key": cap(_told_key(use, found=False))},
                    _blueprints(use, digests)[:MAX_CALL_SITES],
                )
                for use in uses[:MAX_REFUSED]
            ]
            entry = self._round(refused.caller, refused.tenant, keys, claim, keys_total=len(uses))
            self._trail.commit(refused.tenant.id, [entry])
            raise
        # A secret that an input only names is not used, so only a refusal of it is recorded.
        recorded = [
            (use, row, verdict)
            for use, row, verdict in judged
            if use.needs_value or verdict is not Verdict.ALLOWED
        ]
        chains: dict[str, list[RoundKey]] = {}
        for use, row, verdict in recorded:
            chain, key = _about(use, row, verdict, digests, home, claimed=claim is not None)
            chains.setdefault(chain, []).append(key)
        entries = {chain: [self._round(caller, home, keys, claim)] for chain, keys in chains.items()}
        expiring = [row.secret.expires_at for row in rows.values() if self._rules.refuse_expired]
        until = min(filter(None, [caller.expires_at, caller.roles_until, *expiring]), default=None)
        decision = StandingDecision(
            ends,
            lambda: until is not None and until <= self._clock(),
            lambda session: self._demand_still(session, caller, home, judged, claim),
        )
        if approved and not refusals and any(row and row.secret.protected_at for _, row, _ in recorded):
            self._spend(caller, home, approval_id, entries, judged)
        else:
            self._trail.commit_all(entries, None if refusals else decision)
        if refusals:
            missed = self._external.probe(caller, home, kept) if kept else {}
            return UseAnswer(refusals=refusals | _failures(kept, missed))
        wanted = {use.key for use in uses if use.needs_value}
        fetched = self._external.fetch(caller, home, kept, forwards) if kept else {}
        if failures := _failures(kept, fetched):
            return UseAnswer(refusals=failures)
        if kept:  # providers may have taken their time
            with self._uses.read() as session:
                external = [one.secret for one in kept.values()]
                demand_still(session, self._gate, caller, Permission.SECRET_USE, tenant, external)
        now = self._clock()
        may_show = policy.decide_in_tenant(caller, Permission.SECRET_SHOW, home).allowed
        computed = {use.key: use.shown for use in uses if use.provenance.secrets}
        data_keys = {row.data_key_id: row.data_key for row in rows.values() if row.data_key is not None}
        opened = self._opener.data_keys(caller, home, [*data_keys.values()])
        values = {
            key: UsedSecret(
                value
                if isinstance(value := fetched.get(key), SecretValue)
                else self._opener.open(caller, home, row, opened, computed.get(key, "")),
                row.secret.version,
                may_show and policy.decide(caller, Permission.SECRET_SHOW, row.secret, home).allowed,
                row.secret.expires_at if row.secret.is_expired(now) else None,
                row.secret.rotate_at if row.secret.is_due(now) else None,
            )
            for key, row in rows.items()
            if key in wanted
        }
        return UseAnswer(secrets=values)

    def demand(self, caller: Caller, tenant: str, digests: Mapping[str, str]) -> None:
        """Refuse who may not use secrets in a tenant at all, before anything that they sent is read.

        Args:
            caller: who asks.
            tenant: the name of the tenant to ask in.
            digests: SHA-256 of each blueprint, hexadecimal, by its name, for the record of a refusal.

        Raises:
            NotPermittedError: the caller may not use secrets in this tenant.
        """
        try:
            with self._uses.read() as session:
                self._gate.enter(session, caller, Permission.SECRET_USE, tenant)
        except MemberRefusedError as refused:
            entry = self._trail.entry(
                refused.caller,
                refused.tenant,
                Permission.SECRET_USE,
                reason=refused.reason,
                blueprints={cap(name): digest for name, digest in digests.items()},
            )
            self._trail.commit(refused.tenant.id, [entry])
            raise

    def check(
        self,
        caller: Caller,
        tenant: str,
        keys: Iterable[str],
        claim: Claim | None = None,
        approved: frozenset[str] = frozenset(),
    ) -> Mapping[str, KeyStatus]:
        """Say of each key whether it could be used, without decrypting or using anything.

        Args:
            caller: who asks.
            tenant: the name of the tenant to ask in.
            keys: the keys.
            claim: given when a use of them would be on a client's word.
            approved: ids of protected secrets that may be used all the same.

        Raises:
            NotPermittedError: the caller may neither list nor use secrets in this tenant.
        """
        with self._uses.read() as session:
            try:
                current, home = self._gate.enter(session, caller, Permission.SECRET_LIST, tenant)
            except NotPermittedError:
                current, home = self._gate.enter(session, caller, Permission.SECRET_USE, tenant)
            wanted = list(keys)
            rows = look_up(session, current, home, wanted)
        may_use = policy.decide_in_tenant(current, Permission.SECRET_USE, home)
        now = self._clock()
        answer: dict[str, KeyStatus] = {}
        for key in wanted:
            row = rows.get(key)
            verdict = self._judge(current, home, key, row, claim, approved)
            seen = row.secret if row is not None and verdict in _SEEN else None
            if seen is not None and not may_use.allowed:
                verdict = may_use.reason
            answer[key] = KeyStatus(
                seen,
                None if verdict is Verdict.ALLOWED else _refusal(verdict),
                expired=seen is not None and seen.is_expired(now),
                due=seen is not None and seen.is_due(now),
            )
        return answer

    def _demand_still(
        self,
        session: UseSession,
        caller: Caller,
        home: Tenant,
        judged: Sequence[tuple[WantedKey, StoredSecret | None, Verdict]],
        claim: Claim | None,
        approved: frozenset[str] = frozenset(),
    ) -> None:
        """Decide once more: the database may have been waited for, and others have changed something.

        Raises:
            OvertakenError: something is decided otherwise; nothing was recorded.
        """
        try:
            current, here = self._gate.enter(session, caller, Permission.SECRET_USE, home.name)
        except AccessError:
            raise OvertakenError from None
        rows = look_up(session, current, here, {use.key for use, _, _ in judged})
        for use, row, verdict in judged:
            now = rows.get(use.key)
            same = (row and row.secret.id) == (now and now.secret.id)
            if not same or self._judge(current, here, use.key, now, claim, approved) is not verdict:
                raise OvertakenError

    def _approved(self, caller: Caller, tenant: str, approval_id: str) -> frozenset[str]:
        """The ids of the protected secrets that an approval lets its asker use now."""
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.SECRET_USE, tenant)
            return self._usable(session, current, session.approval(home.id, approval_id))

    def _usable(self, session: Session, caller: Caller, stored: StoredApproval | None) -> frozenset[str]:
        is_usable = (
            stored is not None
            and stored.is_granted(self._clock())
            and (caller.user_id, trust_id_of(session, caller)) == (stored.requested_by, stored.trust_id)
        )
        return frozenset(stored.keys) if stored is not None and is_usable else frozenset()

    def _spend(
        self,
        caller: Caller,
        home: Tenant,
        approval_id: str,
        entries: Mapping[str, Sequence[Mapping[str, Any]]],
        judged: Sequence[tuple[WantedKey, StoredSecret | None, Verdict]],
    ) -> None:
        """Count a use of an approval in the transaction that commits its records.

        Raises:
            OvertakenError: none is left, or something is decided otherwise; nothing was recorded or counted.
        """
        with self._store.write() as session:
            stored = session.approval(home.id, approval_id, lock=True)
            approved = self._usable(session, caller, stored)
            if stored is None or not approved:
                raise OvertakenError
            session.change_approval(replace(stored, uses_left=(stored.uses_left or 0) - 1))
            told = {
                chain: [{**entry, "approval": approval_id} for entry in some]
                for chain, some in entries.items()
            }
            self._trail.append_all(session, told)
            self._demand_still(session, caller, home, judged, None, approved)

    def _judge(
        self,
        caller: Caller,
        home: Tenant,
        key: str,
        row: StoredSecret | None,
        claim: Claim | None = None,
        approved: frozenset[str] = frozenset(),
    ) -> Verdict:
        """Decide about using one key, its time included."""
        verdict = _judge(caller, home, key, row, claim)
        if (
            verdict in (Verdict.ALLOWED, Verdict.HIDDEN)
            and row is not None
            and row.secret.protected_at is not None
            and row.secret.id not in approved
        ):
            return Verdict.PROTECTED
        if verdict is not Verdict.ALLOWED or row is None or not self._rules.refuse_expired:
            return verdict
        return Verdict.EXPIRED if row.secret.is_expired(self._clock()) else verdict

    def _round(
        self,
        caller: Caller,
        tenant: Tenant,
        keys: Sequence[RoundKey],
        claim: Claim | None,
        **more: int,
    ) -> Mapping[str, Any]:
        """The record of some keys of one request."""
        claimed = {} if claim is None else {"claimed": True}
        return self._trail.round(caller, tenant, Permission.SECRET_USE, keys, **claimed, **more)


def _about(
    use: WantedKey,
    row: StoredSecret | None,
    verdict: Verdict,
    digests: Mapping[str, str],
    home: Tenant,
    *,
    claimed: bool,
) -> tuple[str, RoundKey]:
    """What is recorded of one key, and in which chain: that of the tenant whose secret it is.

    One that came out of a secret is not told, nor what it led to; that is of the tenant asked in.
    """
    told = row.secret if row is not None and not use.provenance.secrets else None
    about = named(told) if told is not None else {"key": cap(_told_key(use, found=row is not None))}
    if claimed and row is not None and told is None:
        # Whoever asks could say of any key that it came out of a secret: which one it was, stays on record.
        about |= {"secret_id": row.secret.id, "version": row.secret.version}
    calls = [
        (
            cap(site.source),
            site.position.line if site.position else 0,
            site.position.column if site.position else 0,
            cap(format_path(site.path)),
        )
        for site in use.locations(MAX_CALL_SITES)
    ]
    about |= {**decided(verdict), "calls_total": use.calls_total}
    chain = home.id if told is None else told.tenant.id
    return chain, RoundKey(about, _blueprints(use, digests), calls)


def _blueprints(use: WantedKey, digests: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(cap(name), digests[name]) for name in sorted(use.sources) if name in digests]


def _told_key(use: WantedKey, *, found: bool) -> str:
    """A key as a record shows it; what the caller supplied and names no secret may be any text, a value."""
    supplied = use.provenance.inputs or use.provenance.context
    return use.shown if use.provenance.secrets or (supplied and not found) else cap(use.key)


def _refusal(verdict: Verdict) -> Refusal:
    return Refusal(Verdict.ABSENT if verdict is Verdict.INVISIBLE else verdict)


def _judge(
    caller: Caller,
    home: Tenant,
    key: str,
    row: StoredSecret | None,
    claim: Claim | None,
) -> Verdict:
    """Decide about using one key; what is not visible is as good as absent."""
    if not caller.scope.permits_key(key):
        return Verdict.TOKEN
    if row is None:
        return Verdict.ABSENT
    decision = policy.decide(caller, Permission.SECRET_USE, row.secret, home)
    if decision.allowed and claim is not None and not claim.may_use_hidden:
        shown = policy.decide(caller, Permission.SECRET_SHOW, row.secret, home)
        return Verdict.ALLOWED if shown.allowed else Verdict.HIDDEN
    return decision.reason


def _demand_room(rows: Iterable[StoredSecret | None]) -> None:
    """See that the values are not too large together, by the size of their tokens, which are in Base64.

    Raises:
        InvalidRequestError: they are.
    """
    tokens = {row.secret.id: row.token for row in rows if row is not None}
    if NOT_READ in tokens.values() or sum(map(len, tokens.values())) * 3 // 4 > MAX_USED:
        raise InvalidRequestError(
            f"the values of these keys have more than {MAX_USED} bytes in all", hint="ask for fewer at once"
        )


def _to_be_opened(judged: Sequence[tuple[WantedKey, StoredSecret | None, Verdict]]) -> list[Secret]:
    return [
        row.secret
        for use, row, verdict in judged
        if row is not None and use.needs_value and verdict is Verdict.ALLOWED
    ]


def _failures(
    kept: Mapping[str, ExternalSecret], answers: Mapping[str, SecretValue | FetchFailure]
) -> dict[str, Refusal]:
    """What providers did not give, as refusals."""
    return {
        key: Refusal(
            Verdict.UNAVAILABLE, f"provider {kept[key].secret.provider!r}: {answer.cause}", answer.is_missing
        )
        for key, answer in answers.items()
        if isinstance(answer, FetchFailure)
    }
