"""Approvals: who asks for the use of protected secrets, who grants it, and the run that was approved."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from resolver.core import policy
from resolver.core.approvals import (
    REQUEST_DAYS,
    Approval,
    ApprovalDetails,
    ApprovalGrant,
    ApprovalRequest,
    ApprovalState,
    ApprovedCall,
    Bundle,
    ResolvedBundle,
)
from resolver.core.audit import cap
from resolver.core.binding import Place, Purpose
from resolver.core.model import SecretValue, check_key
from resolver.core.permissions import Permission
from resolver.core.policy import Verdict
from resolver.core.ports.approvals import StoredApproval
from resolver.core.redacted import Redacted
from resolver.core.times import later
from resolver.errors import (
    AccessError,
    ApprovalNeededError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
    StoreError,
)
from resolver.service.access import (
    MemberRefusedError,
    demand_full_scope,
    demand_key,
    not_found,
    not_permitted,
    trust_id_of,
    unconfirmed,
)
from resolver.service.base import ServicePart
from resolver.service.decryption import LOOKS, active_data_key, look_up
from resolver.service.secret_change import demand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from resolver.core.model import Caller, Secret, Tenant
    from resolver.core.ports import Session
    from resolver.core.ports.service import IdentifiesCallers, ListsSecrets
    from resolver.core.results import KeyStatus, UseAnswer, WantedKey
    from resolver.dsl.budget import Budget
    from resolver.service.base import RunsBundles, Shared
    from resolver.service.use import SecretUse

_MOST_OPEN = 50
"""Most requests of one user in one tenant that are neither decided nor ended."""

_MOST_LISTED = 500

_MAX_BUNDLE = 4 * 1024 * 1024
"""Most bytes of one bundle, as it is stored before it is encrypted."""

_KEPT_DAYS, _MOST_KEPT = 90, 20
"""Days for which an approval is kept that has ended, and how many of one user in one tenant are: each holds a
bundle. The audit trail keeps what became of them."""

_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_OPEN = (ApprovalState.PENDING, ApprovalState.GRANTED)


class _SealedBundle(Redacted, frozen=True):
    """What is encrypted of an approval."""

    bundle: Bundle
    calls: Sequence[ApprovedCall]


class _ApprovedUse:
    """Obtains values as `SecretUse` does, those of protected secrets by an approval."""

    def __init__(self, use: SecretUse, approval: StoredApproval) -> None:
        self._use, self._approval = use, approval

    def use(
        self, caller: Caller, tenant: str, uses: Sequence[WantedKey], digests: Mapping[str, str]
    ) -> UseAnswer:
        """Obtain all values that one round needs, or the refusals."""
        return self._use.use(caller, tenant, uses, digests, approval_id=self._approval.id)

    def check(self, caller: Caller, tenant: str, keys: Iterable[str]) -> Mapping[str, KeyStatus]:
        """Say of each key whether it could be used."""
        return self._use.check(caller, tenant, keys, approved=frozenset(self._approval.keys))


class _ApprovedRun:
    """The part of the service that resolves one approved bundle."""

    def __init__(self, gate: IdentifiesCallers, secrets: ListsSecrets, use: _ApprovedUse) -> None:
        self.gate, self.secrets, self.use = gate, secrets, use


class Approvals(ServicePart):
    """What is asked to be approved, and what becomes of it.

    Args:
        shared: what all parts share.
        use: obtains values.
        secrets: gives what lists secrets, for advice about missing ones.
    """

    def __init__(self, shared: Shared, use: SecretUse, secrets: Callable[[], ListsSecrets]) -> None:
        super().__init__(shared)
        self._use, self._secrets, self._make_runner = use, secrets, shared.bundles

    @cached_property
    def _runner(self) -> RunsBundles:
        runner: RunsBundles = self._make_runner()
        return runner

    def request(
        self, caller: Caller, tenant: str, wanted: ApprovalRequest, budget: Budget | None = None
    ) -> Approval:
        """Ask for an approval. The same question is not asked twice: one that is open is the answer.

        Args:
            caller: who asks, and who alone may use what is granted.
            tenant: the name of the tenant to ask in.
            wanted: what is to be approved.
            budget: what reading the bundle may cost.

        Returns:
            The request; its state says when no approval is needed.

        Raises:
            InvalidRequestError: neither or both of bundle and key are given, or the bundle is too large.
            BlueprintError: the bundle can't be read, or something is wrong in it.
            NotPermittedError: the caller may not use secrets here, or not change the secret.
            NotFoundError: there is no such secret, or the caller may not see that there is.
            ConflictError: too many requests of the caller are open.
        """
        if (wanted.bundle is None) is (wanted.unprotect is None):
            raise InvalidRequestError("either a bundle or the key of a protected secret is to be given")
        permission = Permission.SECRET_USE if wanted.unprotect is None else Permission.SECRET_UPDATE
        calls: Sequence[ApprovedCall] = ()
        if wanted.bundle is not None:
            _demand_readable(wanted.bundle)
            with self._entering(caller, permission, tenant):
                pass  # who may not ask has nothing read
            calls = self._runner.survey(wanted.bundle, tenant, budget)
        with self._entering(caller, permission, tenant) as (session, current, home):
            keys = {call.key for call in calls} if wanted.unprotect is None else {check_key(wanted.unprotect)}
            found = {key: row.secret for key, row in look_up(session, current, home, keys).items()}
            if wanted.unprotect is not None:
                demand_key(current, permission, wanted.unprotect, tenant)
                if wanted.unprotect not in found:
                    raise not_found(wanted.unprotect, tenant)
                demand(current, permission, found[wanted.unprotect], home)
            protected = {
                secret.id: key
                for key, secret in sorted(found.items())
                if secret.protected_at is not None and policy.is_visible(current, secret, home)
            }
            now = self._clock()
            digest = None if wanted.bundle is None else wanted.bundle.digest
            trust_id = trust_id_of(session, current)
            trust = None if trust_id is None else session.trust(trust_id)
            stored = StoredApproval(
                id=str(uuid.uuid4()),
                tenant_id=home.id,
                secrets=msgspec.json.encode(protected).decode(),
                requested_by=current.user_id,
                reason=wanted.reason,
                requested_at=now,
                ends_at=later(now, REQUEST_DAYS * 86400),
                digest=digest,
                trust_id=trust_id,
                trust_owner_id=None if trust is None else trust.created_by,
            )
            if not protected:
                told = self._told(session, home, stored)
                return replace(told, id="", state=ApprovalState.NOT_NEEDED)
            session.hold_tenant(home.id)
            asked = session.approvals(home.id, _MOST_LISTED, current.user_id)
            still_open = [one for one in asked if one.state(now) in _OPEN]
            for one in still_open:
                same = (one.digest, one.trust_id, one.secrets) == (digest, trust_id, stored.secrets)
                if same:
                    return self._told(session, home, one)
            if len(still_open) >= _MOST_OPEN:
                raise ConflictError(
                    f"user {current.username!r} has {len(still_open)} open requests in this tenant",
                    hint="`resolver approvals deny` withdraws those that are not needed",
                )
            ended = [one.id for one in asked if one.state(now) not in _OPEN]
            session.forget_approvals(home.id, later(now, -_KEPT_DAYS * 86400), ended[_MOST_KEPT:])
            sealed = self._sealed(session, home, stored, wanted.bundle, _marked(calls, protected.values()))
            session.add_approval(stored, *sealed)
            self._note(session, current, home, "approval:request", stored)
            return self._told(session, home, stored)

    def list(self, caller: Caller, tenant: str) -> Sequence[Approval]:
        """What was asked to be approved in a tenant, the latest first; one's own for who may not grant.

        Raises:
            NotPermittedError: the caller may not use secrets here.
        """
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.SECRET_USE, tenant)
            own = "" if _may_decide(current, home) else current.user_id
            found = session.approvals(home.id, _MOST_LISTED, own)
            return [self._told(session, home, one) for one in found if _is_seen(current, home, one)]

    def get(self, caller: Caller, tenant: str, approval_id: str) -> Approval:
        """One request, with what became of it.

        Raises:
            NotPermittedError: the caller may not use secrets here.
            NotFoundError: there is none with this id, or the caller may not see it.
        """
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.SECRET_USE, tenant)
            return self._told(session, home, _find(session, current, home, approval_id))

    def details(self, caller: Caller, tenant: str, approval_id: str) -> ApprovalDetails:
        """One request with all that it is about: the bundle, and its calls in place.

        Raises:
            NotPermittedError: the caller may not use secrets here.
            NotFoundError: there is none with this id, or the caller may not see it.
        """
        with self._store.read() as session:
            current, home = self._gate.enter(session, caller, Permission.SECRET_USE, tenant)
            stored = _find(session, current, home, approval_id)
            told = self._told(session, home, stored)
            sealed = self._opened(session, stored) if stored.digest is not None else None
        return ApprovalDetails(told) if sealed is None else ApprovalDetails(told, sealed.bundle, sealed.calls)

    def grant(self, caller: Caller, tenant: str, approval_id: str, wanted: ApprovalGrant) -> Approval:
        """Grant what was asked for.

        Args:
            caller: who grants it: a person who has just given the password, and who has not asked for it.
            tenant: the name of the tenant that was asked in.
            approval_id: which request.
            wanted: for how many runs, and how long.

        Raises:
            NotPermittedError: the caller may not grant here, asked for it, or has a narrowed token.
            UnconfirmedError: this is no session of a person, or its password was not given lately.
            NotFoundError: there is no such request.
            ConflictError: it was decided or has ended, or a secret is not there any more.
            InvalidRequestError: the time is malformed or too long.
        """
        with self._entering(caller, Permission.APPROVAL_GRANT, tenant, approval_id) as entered:
            session, current, home = entered
            now = self._clock()
            demand_full_scope(current, "grant approvals")
            if not (current.interactive and policy.is_confirmed(current, now)):
                raise unconfirmed("grant an approval")
            stored = _locked(session, current, home, approval_id)
            if current.user_id in (stored.requested_by, stored.trust_owner_id):
                raise NotPermittedError(
                    "who asks for an approval can't grant it, nor who made the trust it was asked by",
                    hint="another manager of the tenant, or a sys_admin, can",
                )
            if stored.state(now) is not ApprovalState.PENDING:
                raise ConflictError(f"this request is {stored.state(now)}", hint="have it asked for again")
            secrets = self._protected(session, current, home, stored)
            newer = replace(
                stored,
                decided_by=current.user_id,
                decided_at=now,
                comment=wanted.comment or None,
                uses=wanted.uses if stored.digest else 1,
                uses_left=wanted.uses if stored.digest else 0,
                ends_at=wanted.until(now),
            )
            session.change_approval(newer)
            if stored.digest is None:
                for secret in secrets:
                    session.change_secret(secret, replace(secret, protected_at=None, updated_at=now))
            self._note(session, current, home, "approval:grant", newer)
            return self._told(session, home, newer)

    def deny(self, caller: Caller, tenant: str, approval_id: str, comment: str = "") -> Approval:
        """Deny what was asked for, or end what was granted; who asked may do so, too.

        Raises:
            NotPermittedError: the caller may neither grant here nor asked for it.
            NotFoundError: there is no such request, or the caller may not see it.
            ConflictError: it is over already.
        """
        with self._entering(caller, Permission.SECRET_USE, tenant, approval_id) as (session, current, home):
            stored = _locked(session, current, home, approval_id)
            if stored.state(self._clock()) not in _OPEN:
                raise ConflictError(f"this request is {stored.state(self._clock())}")
            newer = replace(
                stored,
                decided_by=current.user_id,
                decided_at=self._clock(),
                comment=comment or None,
                uses=0,
                uses_left=0,
            )
            session.change_approval(newer)
            self._note(session, current, home, "approval:deny", newer)
            return self._told(session, home, newer)

    def resolve(
        self, caller: Caller, tenant: str, approval_id: str, digest: str, budget: Budget | None = None
    ) -> ResolvedBundle:
        """Resolve the bundle that was approved, as it is kept here. It is counted once its keys are used.

        Args:
            caller: who asked for the approval.
            tenant: the name of the tenant that was asked in.
            approval_id: which approval.
            digest: of the bundle that the caller has.
            budget: what it may cost.

        Raises:
            ApprovalNeededError: it is not granted, or not any more.
            ConflictError: another bundle was approved.
            BlueprintError: a call could not be resolved; all problems together.
            NotFoundError: there is no such approval of the caller.
            NotPermittedError: the caller may not use secrets here.
        """
        with self._entering(caller, Permission.SECRET_USE, tenant, approval_id) as (session, current, home):
            stored = _find(session, current, home, approval_id)
            if not _is_asker(session, current, stored):
                raise ApprovalNeededError("another one asked for this approval, who alone can use it")
            state = stored.state(self._clock())
            if not stored.is_granted(self._clock()):
                raise ApprovalNeededError(
                    f"approval {stored.id} is {state}", hint="`resolver approvals show` tells more"
                )
            if stored.digest != digest:
                raise ConflictError(
                    "another text, import, input or context was approved than this one",
                    hint="ask for an approval of what you have now",
                )
            bundle = self._opened(session, stored).bundle
        run = _ApprovedRun(self._gate, self._secrets(), _ApprovedUse(self._use, stored))
        return self._runner.resolve(run, caller, tenant, bundle, budget)

    @contextlib.contextmanager
    def _entering(
        self, caller: Caller, permission: Permission, tenant: str, approval_id: str = ""
    ) -> Iterator[tuple[Session, Caller, Tenant]]:
        """A transaction of who was let in; a refusal is recorded after it."""
        entered: tuple[Caller, Tenant] | None = None
        try:
            with self._store.write() as session:
                entered = self._gate.enter(session, caller, permission, tenant)
                yield session, *entered
        except AccessError as error:
            reason: str = Verdict.PROTECTED if isinstance(error, ApprovalNeededError) else Verdict.ROLE
            if isinstance(error, MemberRefusedError):
                entered, reason = (error.caller, error.tenant), error.reason
            if entered is not None:
                entry = self._trail.entry(*entered, permission, reason=reason)
                entry |= {"approval": cap(approval_id)} if approval_id else {}
                self._trail.commit(entered[1].id, [entry])
            raise

    def _protected(
        self, session: Session, caller: Caller, home: Tenant, stored: StoredApproval
    ) -> Sequence[Secret]:
        """The secrets that an approval is about, if the caller may decide about all of them."""
        rows = look_up(session, caller, home, stored.keys.values())
        found = {row.secret.id: row.secret for row in rows.values()}
        if found.keys() != stored.keys.keys():
            raise ConflictError(
                "a secret of this request is not there any more", hint="have it asked for again"
            )
        for secret in found.values():
            if not policy.decide_in_tenant(caller, Permission.APPROVAL_GRANT, secret.tenant).allowed:
                raise not_permitted(caller, Permission.APPROVAL_GRANT, secret.tenant.name)
        return list(found.values())

    def _sealed(
        self,
        session: Session,
        home: Tenant,
        stored: StoredApproval,
        bundle: Bundle | None,
        calls: Sequence[ApprovedCall],
    ) -> tuple[str | None, str | None]:
        """The encrypted bundle, behind the id of its data key."""
        if bundle is None:
            return None, None
        text = msgspec.json.encode(_SealedBundle(bundle, calls)).decode()
        if len(text) > _MAX_BUNDLE:
            raise InvalidRequestError(f"the bundle is too large: at most {_MAX_BUNDLE} bytes are approved")
        data_key = active_data_key(session, self._cipher, home.id)
        return data_key.id, data_key.seal(_place(stored, data_key.id), SecretValue(text))

    def _opened(self, session: Session, stored: StoredApproval) -> _SealedBundle:
        for _ in range(LOOKS):  # a rotation may come between the two statements
            sealed = session.sealed_bundle(stored.id)
            if sealed is None:
                break
            for key in session.data_keys([sealed[0]]):
                text = self._cipher.open_data_key(key).open(_place(stored, key.id), sealed[1]).reveal()
                opened = msgspec.json.decode(text, type=_SealedBundle)
                if opened.bundle.digest == stored.digest:
                    return opened
        raise StoreError("the bundle of this approval is missing", hint="the database was changed by hand")

    def _told(self, session: Session, home: Tenant, stored: StoredApproval) -> Approval:
        """A request as callers see it."""

        def name(user_id: str | None) -> str | None:
            found = None if user_id is None else session.user(user_id=user_id)
            return user_id if found is None else found.user.name

        return Approval(
            id=stored.id,
            tenant=home.name,
            state=stored.state(self._clock()),
            digest=stored.digest,
            keys=sorted(stored.keys.values()),
            requested_by=name(stored.requested_by) or "",
            reason=stored.reason,
            requested_at=stored.requested_at,
            ends_at=stored.ends_at,
            decided_by=name(stored.decided_by),
            decided_at=stored.decided_at,
            comment=stored.comment,
            uses=stored.uses or 0,
            uses_left=stored.uses_left or 0,
        )

    def _note(
        self, session: Session, caller: Caller, home: Tenant, action: str, stored: StoredApproval
    ) -> None:
        about = {
            "object": stored.id,
            "bundle": stored.digest,
            "keys": sorted(stored.keys.values())[:100],
            "requested_by": stored.requested_by,
            "uses": stored.uses,
            "ends_at": stored.ends_at,
        }
        entry = self._trail.entry(caller, home, action)
        entry |= {word: value for word, value in about.items() if value is not None}
        self._trail.append(session, home.id, [entry])


def _demand_readable(bundle: Bundle) -> None:
    """Refuse what is not shown to who decides as it is."""
    names = [one.name for one in bundle.blueprints]
    if len(set(names)) < len(names):  # a call would be shown with the text of another one
        raise InvalidRequestError("two blueprints of the bundle have one name")
    if _DIRECTION.search(msgspec.json.encode(bundle).decode()):
        raise InvalidRequestError(
            "the bundle has characters that change the direction of text: it reads otherwise than it is",
            hint="write them as escapes, like \\u202E in double quotes",
        )


def _place(stored: StoredApproval, data_key_id: str) -> Place:
    return Place(Purpose.BUNDLE, stored.tenant_id, stored.id, "", 0, data_key_id)


def _marked(calls: Sequence[ApprovedCall], protected: Iterable[str]) -> Sequence[ApprovedCall]:
    keys = frozenset(protected)
    return [replace(call, protected=call.key in keys) for call in calls]


def _is_asker(session: Session, caller: Caller, stored: StoredApproval) -> bool:
    """Whether a caller is who asked for an approval: the same user, and by the same trust."""
    return (caller.user_id, trust_id_of(session, caller)) == (stored.requested_by, stored.trust_id)


def _may_decide(caller: Caller, home: Tenant) -> bool:
    return policy.decide_in_tenant(caller, Permission.APPROVAL_GRANT, home).allowed


def _is_seen(caller: Caller, home: Tenant, stored: StoredApproval) -> bool:
    mine = stored.requested_by == caller.user_id or _may_decide(caller, home)
    return mine and all(map(caller.scope.permits_key, stored.keys.values()))


def _find(
    session: Session, caller: Caller, home: Tenant, approval_id: str, *, lock: bool = False
) -> StoredApproval:
    stored = session.approval(home.id, approval_id, lock=lock)
    if stored is None or not _is_seen(caller, home, stored):
        raise NotFoundError(
            f"there is no approval {approval_id!r} in tenant {home.name!r}",
            hint=f"`resolver approvals list -t {home.name}` shows what there is",
        )
    return stored


def _locked(session: Session, caller: Caller, home: Tenant, approval_id: str) -> StoredApproval:
    return _find(session, caller, home, approval_id, lock=True)
