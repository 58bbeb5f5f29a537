"""Trusts: made, changed and tried, and JWTs exchanged for tokens by them."""

from __future__ import annotations

import hashlib
import uuid
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import asdict, replace

from resolver.core import policy
from resolver.core.model import Caller, Scope, check_key, is_storable
from resolver.core.permissions import Permission, SystemRole
from resolver.core.ports import KeySource, StoredTrust
from resolver.core.secret_changes import UNCHANGED
from resolver.core.times import later, read_time
from resolver.core.trusts import (
    DEFAULT_EXCHANGES,
    LEEWAY,
    MAX_JWKS,
    PLATFORM_RULES,
    ClaimRule,
    RefusedJwtError,
    Trust,
    TrustChange,
    TrustCheck,
    WorkloadRun,
    check_audience,
    check_claims,
    check_issuer,
    check_scope,
    claim_problems,
    run_of,
    token_problems,
)
from resolver.errors import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
)
from resolver.protocol.identity import Grant
from resolver.service.access import (
    demand_credentials,
    demand_full_scope,
    is_trusted,
    not_permitted,
    unconfirmed,
)
from resolver.service.access_log import Strangers
from resolver.service.base import ServicePart
from resolver.service.tokens import check_token_scope, new_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableSequence, Sequence

    from resolver.core.ports import JwtVerifier, PendingKeys, ReadJwt, Session, StoredUser
    from resolver.core.trusts import NewTrust
    from resolver.service.base import Shared

_DOING = "make, change or delete a trust"
_MAX_TRUSTS = 1000
_MAX_OWN = 20
"""How many trusts there may be for a user who makes another one for himself: nobody takes the room of all."""

_RULES = msgspec.json.Decoder(tuple[ClaimRule, ...])
_WHO_FITS = ("audience", "claims", "jwks", "jwks_url", "ca", "enabled")
"""The fields that say which JWTs fit: when one changes, what was exchanged before ends for good."""


class Trusts(ServicePart):
    """The trusts, and the exchange of JWTs by them."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._strangers = Strangers()
        self._make_verifier = shared.verifier

    @cached_property
    def _verifier(self) -> JwtVerifier:
        """What verifies JWTs, made when one is shown."""
        return self._make_verifier()

    # Managing

    def create(self, caller: Caller, name: str, new: NewTrust) -> Trust:
        """Make a trust.

        Raises:
            InvalidRequestError: others' workloads could fit, or a field breaks the rules for it.
            NotPermittedError: the caller is neither a sys_admin nor makes it for himself alone, or has a
                credential that makes none; or its issuer is not among the allowed destinations.
            UnconfirmedError: the caller's session needs the password again.
            NotFoundError: there is no such user.
            ConflictError: the name is taken.
        """
        with self._store.read() as session:  # before the work of looking at keys
            self._enter_to_change(session, caller, new.username)
        check_key(name, "trust name")
        if not new.issuer.isprintable() or not new.issuer.isascii():
            raise InvalidRequestError("the issuer's URL is malformed")
        check_issuer(new.kind, new.issuer)
        exchanges = new.exchanges or (1 if PLATFORM_RULES[new.kind].once else DEFAULT_EXCHANGES)
        at = self._clock()
        trust = StoredTrust(
            str(uuid.uuid4()),
            name,
            new.kind,
            new.issuer,
            new.audience or self._rules.public_url,
            _written(check_claims(new.kind, new.claims, unprotected_refs=new.unprotected_refs)),
            "",
            Scope(new.permissions, new.tenants, new.keys),
            new.lifetime,
            exchanges,
            new.jwks,
            new.jwks_url,
            new.ca,
            enabled=True,
            created_by="",
            created_at=at,
            updated_at=at,
        )
        self._check(trust)
        with self._store.write() as session:
            current, stored = self._enter_to_change(session, caller, new.username)
            trust = replace(trust, user_id=stored.user.id, created_by=current.user_id)
            _demand_service_user(trust, stored)
            if len(session.trusts()) >= _MAX_TRUSTS:
                raise InvalidRequestError(f"there are {_MAX_TRUSTS} trusts, and no more are kept")
            if not _manages(current) and len(session.trusts(user_id=current.user_id)) >= _MAX_OWN:
                raise InvalidRequestError(
                    f"there are {_MAX_OWN} trusts for user {current.username!r}, who makes no more",
                    hint="delete one that is not needed, or a sys_admin makes it",
                )
            session.add_trust(trust)
            self._trail.append_system(
                session, current, "trust:create", object=name, issuer=trust.issuer, user=stored.user.name
            )
            return _shown(trust, session)

    def _check(self, trust: StoredTrust) -> None:
        """See that no field of a trust breaks the rules for it."""
        scope = trust.scope
        check_scope(scope.permissions or frozenset(), scope.tenants or frozenset(), scope.keys or ())
        check_token_scope(scope)
        check_audience(trust.audience, trust.issuer)
        if any(trust.audience == one.client_id for one in self._rules.sign_in.providers):
            raise InvalidRequestError(
                "the audience is that of people who sign in: an ID token of one would be good here",
                hint="name this server's own URL",
            )
        if PLATFORM_RULES[trust.kind].once and trust.exchanges != 1:
            raise InvalidRequestError(f"a JWT of kind {trust.kind} is exchanged once")
        if trust.jwks is not None and trust.jwks_url is not None:
            raise InvalidRequestError("keys are given or fetched: leave out one of jwks and jwks_url")
        if any(text is not None and len(text) > MAX_JWKS for text in (trust.jwks, trust.jwks_url, trust.ca)):
            raise InvalidRequestError(
                f"keys, their URL and authorities have up to {MAX_JWKS} characters each"
            )
        if not all(map(is_storable, filter(None, (trust.jwks, trust.ca)))):
            raise InvalidRequestError("keys and authorities are plain text")
        self._verifier.check_source(source_of(trust))

    def list(self, caller: Caller) -> Sequence[Trust]:
        """All trusts, by name, for a sys_admin; those for oneself, for others."""
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            demand_full_scope(current, "list trusts")
            own = "" if _manages(current) else current.user_id
            found = session.trusts(user_id=own)
            users = _users_of(session, (one for trust in found for one in (trust.user_id, trust.created_by)))
            return [_as_shown(trust, users) for trust in found]

    def get(self, caller: Caller, name: str) -> Trust:
        """One trust; NotFoundError when there is none, or it is for others."""
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            demand_full_scope(current, "list trusts")
            return _shown(_find(session, current, name), session)

    def update(self, caller: Caller, name: str, wanted: TrustChange) -> Trust:
        """Change a trust. What was exchanged ends when other JWTs fit from now on, or it is turned off.

        Raises:
            NotFoundError, InvalidRequestError, NotPermittedError, UnconfirmedError: as for a new one.
            ConflictError: someone else changed it meanwhile.
        """
        changed: dict[str, object] = {
            field: value
            for field in StoredTrust.__struct_fields__
            if (value := getattr(wanted, field, UNCHANGED)) is not UNCHANGED
        }
        with self._store.read() as session:
            _, before = self._enter_to_change_named(session, caller, name)
        trust = replace(_changed(before, wanted, changed), updated_at=self._clock())
        self._check(trust)
        with self._store.write() as session:
            current, found = self._enter_to_change_named(session, caller, name)
            if found != before:
                raise ConflictError(f"trust {name!r} was changed by someone else at the same time")
            session.change_trust(trust)
            if any(getattr(trust, field) != getattr(before, field) for field in _WHO_FITS):
                session.delete_trust_tokens(trust.id)
            nothing = TrustChange()
            told = sorted(
                field
                for field in wanted.__struct_fields__
                if getattr(wanted, field) != getattr(nothing, field)
            )
            self._trail.append_system(session, current, "trust:update", object=name, fields=told)
            return _shown(trust, session)

    def delete(self, caller: Caller, name: str) -> None:
        """Delete a trust; the tokens that came of it end at once."""
        with self._store.write() as session:
            current, trust = self._enter_to_change_named(session, caller, name)
            session.delete_trust(trust.id)
            self._trail.append_system(session, current, "trust:delete", object=name)

    def test(self, caller: Caller, name: str, jwt: str = "") -> TrustCheck:
        """Fetch an issuer's keys, and see what of a JWT does not fit a trust. Nothing is exchanged.

        Args:
            caller: who asks; whoever may change the trust may.
            name: the trust.
            jwt: the JWT; without one the keys alone are looked at.
        """
        with self._store.read() as session:
            current = self._gate.current(session, caller)
            demand_full_scope(current, "try a trust")
            trust = _find(session, current, name)
            stored = session.user(user_id=trust.user_id)
        problems: list[str] = []
        if stored is None or not is_trusted(trust, stored):
            problems.append("it is turned off, or its user may not be acted as any more")
        key_ids: Sequence[str] = ()
        try:
            key_ids = self._verifier.fetch(source_of(trust))
        except RefusedJwtError as error:
            problems.append(str(error))
        if jwt:
            try:
                read = self._verifier.read(jwt)
                problems += self._problems(trust, read)
                if key_ids:
                    self._verifier.verify(read, source_of(trust))
            except RefusedJwtError as error:
                problems.append(str(error))
        return TrustCheck(not problems, problems, key_ids)

    def _enter_to_change(self, session: Session, caller: Caller, username: str) -> tuple[Caller, StoredUser]:
        """Let in who may have a workload act as a user: a sys_admin, or that user himself."""
        current, now = self._gate.current(session, caller), self._clock()
        demand_credentials(current, now, _DOING)
        if not _manages(current):
            if username.casefold() != current.username.casefold():
                raise not_permitted(current, Permission.TRUST_MANAGE, "")
            if not policy.is_confirmed(current, now):
                raise unconfirmed(_DOING)
        stored = session.user(name=username)
        if stored is None:
            raise NotFoundError(f"user {username!r} does not exist")
        return current, stored

    def _enter_to_change_named(
        self, session: Session, caller: Caller, name: str
    ) -> tuple[Caller, StoredTrust]:
        current = self._gate.current(session, caller)
        demand_credentials(current, self._clock(), _DOING)
        trust = _find(session, current, name)
        stored = session.user(user_id=trust.user_id)
        if stored is None:
            raise NotFoundError(f"trust {name!r} does not exist")
        return self._enter_to_change(session, caller, stored.user.name)[0], trust

    # Exchanging

    def exchange(self, text: str, name: str = "") -> Grant | PendingKeys:
        """Give a token for a JWT that fits a trust.

        Args:
            text: the JWT.
            name: the trust, where several would fit.

        Returns:
            The token; or what to wait for before one asks again, while the issuer's keys are being fetched.

        Raises:
            AuthenticationError: it is refused, in one text whatever the reason, which the log has.
        """
        about: dict[str, str] = {}
        try:
            jwt = self._verifier.read(text)
            about["issuer"] = jwt.issuer
            fitting = self._fitting(jwt, name)
            return self._exchanged(jwt, fitting) if isinstance(fitting, StoredTrust) else fitting
        except RefusedJwtError as error:
            self._strangers.note("a JWT was refused", **about, trust=name, because=str(error))
        raise AuthenticationError(
            "the identity was refused",
            hint="the server's log says why, and so does `resolver trusts test` to those who manage trusts",
        )

    def _fitting(self, jwt: ReadJwt, name: str) -> StoredTrust | PendingKeys:
        """The one trust that a JWT fits, or the keys that are needed to tell."""
        with self._store.read() as session:
            found = session.trusts(issuer=jwt.issuer, name=name) if is_storable(name) else ()
            users = _users_of(session, (trust.user_id for trust in found))
        candidates = [
            trust for trust in found if trust.user_id in users and is_trusted(trust, users[trust.user_id])
        ]
        if not candidates:
            raise RefusedJwtError("no trust that is in use has this issuer, and the name if one was given")
        # Those of sys_admins first: what others make for themselves must keep nobody's workload out.
        own = [trust for trust in candidates if _is_own(trust)]
        problems: list[str] = []
        for some in ([trust for trust in candidates if not _is_own(trust)], own):
            fitting = self._fitting_of(jwt, some, problems)
            if not isinstance(fitting, tuple):
                return fitting
            if len(fitting) > 1:
                names = ", ".join(repr(trust.name) for trust in fitting)
                raise RefusedJwtError(f"it fits several trusts, and the request names none of them: {names}")
            if fitting:
                return fitting[0]
        raise RefusedJwtError(" | ".join(problems))

    def _fitting_of(
        self, jwt: ReadJwt, candidates: Sequence[StoredTrust], problems: MutableSequence[str]
    ) -> tuple[StoredTrust, ...] | PendingKeys:
        """Those of some trusts that a JWT fits; what does not fit the others goes to the problems."""
        fitting: list[StoredTrust] = []
        verified: dict[KeySource, str] = {}
        for trust in candidates:
            source = source_of(trust)
            if source not in verified:
                try:
                    pending = self._verifier.verify(jwt, source)
                except RefusedJwtError as error:
                    verified[source] = str(error)
                else:
                    if pending is not None:
                        return pending
                    verified[source] = ""
            found = [verified[source]] if verified[source] else self._problems(trust, jwt)
            if found:
                problems.append(f"trust {trust.name!r}: {'; '.join(found)}")
            else:
                fitting.append(trust)
        return tuple(fitting)

    def _problems(self, trust: StoredTrust, jwt: ReadJwt) -> Sequence[str]:
        now = read_time(self._clock()).timestamp()
        problems = token_problems(trust.kind, trust.issuer, trust.audience, jwt.claims, now)
        return [*problems, *claim_problems(_RULES.decode(trust.claims), jwt.claims)]

    def _exchanged(self, jwt: ReadJwt, fitting: StoredTrust) -> Grant:
        with self._store.write() as session:
            trust, stored = session.trust(fitting.id), session.user(user_id=fitting.user_id)
            if trust != fitting or stored is None or not is_trusted(fitting, stored):
                raise RefusedJwtError("the trust was changed meanwhile")
            if problems := self._problems(fitting, jwt):  # the database may have been waited for
                raise RefusedJwtError("; ".join(problems))
            at = self._clock()
            ends_at = later("1970-01-01T00:00:00.000Z", jwt.claims["exp"] + LEEWAY + 1)
            session.forget_exchanges(at)
            source = source_of(fitting)
            if not session.count_exchange(
                source.issuer, _source_text(source), _digest(jwt), ends_at, fitting.exchanges
            ):
                raise RefusedJwtError(
                    f"it was exchanged {fitting.exchanges} times already, which is all it may be"
                )
            session.delete_tokens(fitting.user_id, at)  # the expired ones
            if session.count_trust_tokens(fitting.id) >= self._rules.tokens_per_trust:
                raise RefusedJwtError(
                    f"trust {fitting.name!r} has {self._rules.tokens_per_trust} tokens that have not ended"
                )
            run = run_of(fitting.name, fitting.kind, _RULES.decode(fitting.claims), jwt.claims)
            return self._made(session, fitting, stored, run, at)

    def _made(
        self, session: Session, trust: StoredTrust, stored: StoredUser, run: WorkloadRun, at: str
    ) -> Grant:
        user, expires_at, told = stored.user, later(at, trust.lifetime), asdict(run)
        text, token = new_token(user.id, f"of trust {trust.name}", at, expires_at, trust.scope)
        session.add_token(replace(token, trust_id=trust.id, run=msgspec.json.encode(told).decode()))
        caller = Caller(user.id, user.name, SystemRole.DEFAULT, token_id=token.id, run=told)
        self._trail.append_system(session, caller, "trust:exchange", object=trust.name, made=token.id)
        return Grant(text, expires_at, user.name, trust.name)

    def key_ages(self) -> Mapping[str, float]:
        """How many seconds ago the keys that are in use were fetched, by issuer."""
        return self._verifier.ages()


def _manages(caller: Caller) -> bool:
    return policy.decide_in_tenant(caller, Permission.TRUST_MANAGE, None).allowed


def _is_own(trust: StoredTrust) -> bool:
    """Whether a user made it for himself, as a sys_admin never does."""
    return trust.created_by == trust.user_id


def _find(session: Session, caller: Caller, name: str) -> StoredTrust:
    """A trust that a caller may know of: all for a sys_admin, one's own for others."""
    found = session.trusts(name=name) if name and is_storable(name) else []
    for trust in found:
        if _manages(caller) or trust.user_id == caller.user_id:
            return trust
    raise NotFoundError(f"trust {name!r} does not exist", hint="`resolver trusts list` shows what there is")


def _changed(trust: StoredTrust, wanted: TrustChange, changed: Mapping[str, object]) -> StoredTrust:
    """A trust with what is wanted of it; its fields are checked where that is needed."""
    fields = dict(changed)
    if wanted.claims is not UNCHANGED:
        rules = check_claims(trust.kind, wanted.claims, unprotected_refs=wanted.unprotected_refs)
        fields["claims"] = _written(rules)
    scope = trust.scope
    parts = {
        part: getattr(wanted, part) if getattr(wanted, part) is not UNCHANGED else getattr(scope, part)
        for part in ("permissions", "tenants", "keys")
    }
    return replace(trust, scope=Scope(**parts), **fields)


def _demand_service_user(trust: StoredTrust, stored: StoredUser) -> None:
    """See that a trust's user is one that workloads may act as."""
    if is_trusted(trust, stored):
        return
    user = stored.user
    if user.system_role is not SystemRole.DEFAULT:
        why = "has a system role"
    elif stored.password_hash is not None or user.issuer is not None:
        why = "has a password or signs in by a provider, as people do"
    else:
        why = "is not active"
    raise NotPermittedError(
        f"no workload can act as user {user.name!r}, who {why}",
        hint="make a service user: `resolver users create NAME --no-password`, with its roles in tenants",
    )


def _written(rules: Sequence[ClaimRule]) -> str:
    return msgspec.json.encode(rules).decode()


def source_of(trust: StoredTrust) -> KeySource:
    """Where the keys of a trust's issuer come from."""
    return KeySource(trust.issuer, trust.jwks, trust.jwks_url, trust.ca)


def _source_text(source: KeySource) -> str:
    return msgspec.json.encode(source).decode()


def _digest(jwt: ReadJwt) -> str:
    """What identifies a JWT: its `jti`, or what is signed; never the signature, which may have many forms."""
    identifier = jwt.claims.get("jti")
    text = f"jti:{identifier}" if identifier is not None else f"jws:{jwt.signed}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _users_of(session: Session, user_ids: Iterable[str]) -> Mapping[str, StoredUser]:
    """Users by id, each looked up once; those that are gone are left out."""
    found = {user_id: session.user(user_id=user_id) for user_id in set(user_ids)}
    return {user_id: stored for user_id, stored in found.items() if stored is not None}


def _shown(trust: StoredTrust, session: Session) -> Trust:
    return _as_shown(trust, _users_of(session, (trust.user_id, trust.created_by)))


def _as_shown(trust: StoredTrust, users: Mapping[str, StoredUser]) -> Trust:
    user, maker = (
        stored.user.name if (stored := users.get(user_id)) is not None else ""
        for user_id in (trust.user_id, trust.created_by)
    )
    scope = trust.scope
    return Trust(
        trust.name,
        trust.kind,
        trust.issuer,
        trust.audience,
        _RULES.decode(trust.claims),
        user,
        scope.permissions or frozenset(),
        scope.tenants or frozenset(),
        scope.keys or (),
        trust.lifetime,
        trust.exchanges,
        trust.jwks,
        trust.jwks_url,
        trust.ca,
        trust.enabled,
        maker,
        trust.created_at,
        trust.updated_at,
    )
