"""Trusts: which workloads act as which user, by the JWTs (RFC 7519) that their platforms sign for them.

A trust names an issuer, an audience and claims. Whoever shows a JWT that fits gets a token of its user, with
what the trust leaves of that user's rights, for some minutes. All rules here are pure; signatures are checked
elsewhere, before any claim is believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from resolver.core.audit import cap
from resolver.core.model import TrustKind
from resolver.core.permissions import TENANT_ROLE_PERMISSIONS, Permission
from resolver.errors import InvalidRequestError

DEFAULT_LIFETIME, MIN_LIFETIME, MAX_LIFETIME = 900, 60, 3600
"""Seconds that a token lives from the exchange."""

DEFAULT_EXCHANGES, MAX_EXCHANGES = 50, 1000
"""How often one JWT of a whole job is exchanged."""

LEEWAY = 30
"""Seconds that the clocks of issuer and server may differ."""

MAX_RULES, MAX_PATTERN = 50, 512
MAX_CLAIM = 1024
"""Longest text of a claim that is compared, in characters."""

MAX_JWKS = 64 * 1024
"""Longest key set that is given with a trust, in characters."""


class ClaimRule(Struct, frozen=True, forbid_unknown_fields=True):
    """What a claim has to be.

    Args:
        claim: its name, or a JSON Pointer (RFC 6901) like `/kubernetes.io/namespace`.
        value: what it has to be, of the same JSON type; in some claims a `*` in a text stands for anything
            without `/` and `:`.
        contains: whether the claim is a list that has to contain the value.
    """

    claim: Annotated[str, Meta(min_length=1, max_length=MAX_PATTERN)]
    value: Annotated[str, Meta(min_length=1, max_length=MAX_PATTERN)] | bool | int
    contains: bool = False


Lifetime = Annotated[int, Meta(ge=MIN_LIFETIME, le=MAX_LIFETIME)]
Exchanges = Annotated[int, Meta(ge=1, le=MAX_EXCHANGES)]
Rules = Annotated[Sequence[ClaimRule], Meta(max_length=MAX_RULES)]


class NewTrust(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A trust to be made.

    Args:
        kind: the kind of platform.
        issuer: the issuer's URL, byte for byte as its JWTs have it.
        audience: the only audience of its JWTs; this server's `public_url` when empty.
        claims: what claims have to be; several rules for one claim are alternatives.
        username: the user that a workload acts as.
        permissions: the only permissions that are left of the user's.
        tenants: names of the only tenants left.
        keys: case-sensitive glob patterns of the only keys left.
        lifetime: seconds that a token lives from the exchange.
        exchanges: how often one JWT is exchanged, where one JWT serves a whole job; None for the default.
        jwks: the issuer's key set (RFC 7517) as JSON text, where it is not to be fetched.
        jwks_url: where the key set is fetched, where discovery is not to say so.
        ca: certificate authorities as PEM text that the issuer's server is verified against.
        unprotected_refs: of kind gitlab, whether jobs of branches and tags that are not protected fit, too.
    """

    kind: TrustKind
    issuer: str
    username: str
    permissions: frozenset[Permission]
    tenants: frozenset[str]
    keys: tuple[str, ...]
    audience: str = ""
    claims: Rules = ()
    lifetime: Lifetime = DEFAULT_LIFETIME
    exchanges: Exchanges | None = None
    jwks: str | None = None
    jwks_url: str | None = None
    ca: str | None = None
    unprotected_refs: bool = False


class TrustChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be changed of a trust; each field that is not given stays as it is.

    Args:
        enabled: whether JWTs are exchanged, and the tokens that came of it are let in.
        audience: the only audience.
        claims: what claims have to be; all rules anew.
        permissions: the only permissions left.
        tenants: names of the only tenants left.
        keys: patterns of the only keys left.
        lifetime: seconds that a token lives from the exchange.
        exchanges: how often one JWT is exchanged.
        jwks: the issuer's key set; None to have it fetched.
        jwks_url: where the key set is fetched; None for discovery.
        ca: certificate authorities for that.
        unprotected_refs: as for a new trust, with other `claims`.
    """

    enabled: bool | UnsetType = UNSET
    audience: str | UnsetType = UNSET
    claims: Rules | UnsetType = UNSET
    permissions: frozenset[Permission] | UnsetType = UNSET
    tenants: frozenset[str] | UnsetType = UNSET
    keys: tuple[str, ...] | UnsetType = UNSET
    lifetime: Lifetime | UnsetType = UNSET
    exchanges: Exchanges | UnsetType = UNSET
    jwks: str | UnsetType | None = UNSET
    jwks_url: str | UnsetType | None = UNSET
    ca: str | UnsetType | None = UNSET
    unprotected_refs: bool = False


class Trust(Struct, frozen=True):
    """A trust as it is shown: all of it, since nothing in it is secret."""

    name: str
    kind: TrustKind
    issuer: str
    audience: str
    claims: Sequence[ClaimRule]
    username: str
    permissions: frozenset[Permission]
    tenants: frozenset[str]
    keys: tuple[str, ...]
    lifetime: int
    exchanges: int
    jwks: str | None
    jwks_url: str | None
    ca: str | None
    enabled: bool
    created_by: str
    created_at: str
    updated_at: str


class TrustCheck(Struct, frozen=True):
    """What was found of a trust, or of a JWT that was shown to it.

    Args:
        fits: whether there is nothing wrong.
        problems: what is wrong, each in one sentence.
        key_ids: the ids of the issuer's keys.
    """

    fits: bool
    problems: Sequence[str]
    key_ids: Sequence[str]


class WorkloadRun(Struct, frozen=True):
    """Which run of which workload a token was given to, as audit records have it.

    Args:
        trust: the trust's name.
        issuer: who signed the JWT.
        subject: its `sub`.
        id: what the platform calls the run: the run of a workflow, the job, the pod; `jti` for others.
        claims: the claims that tell one run from another.
    """

    trust: str
    issuer: str
    subject: str
    id: str
    claims: Mapping[str, str]


class RefusedJwtError(Exception):
    """A JWT is refused; the text is for the server's own log and for whoever manages trusts."""


class PlatformRules(Struct, frozen=True):
    """What is known of a kind of platform.

    Args:
        pins: sets of claims, one of which has to be given wholly and as texts: names are taken over, and ids
            are not.
        once: whether each JWT is exchanged once.
        longest: most seconds between `iat` and `exp`.
        run: the claims that tell one run from another.
        ids: those of them that identify it; the first that is there counts.
        no_subject: whether `sub` is no claim to go by, since the platform's users choose what is in it.
    """

    pins: Sequence[frozenset[str]]
    once: bool
    longest: int
    run: Sequence[str]
    ids: Sequence[str]
    no_subject: bool = False


_KUBERNETES: Final = "/kubernetes.io"

PLATFORM_RULES: Mapping[TrustKind, PlatformRules] = {
    TrustKind.GITHUB: PlatformRules(
        pins=(frozenset({"repository_id"}), frozenset({"repository_owner_id", "repository"})),
        once=True,
        longest=15 * 60,
        run=(
            *("repository", "repository_id", "ref", "sha", "run_id", "run_attempt", "actor", "event_name"),
            *("environment", "job_workflow_ref"),
        ),
        ids=("run_id",),
        no_subject=True,
    ),
    TrustKind.GITLAB: PlatformRules(
        pins=(frozenset({"project_id"}), frozenset({"namespace_id"})),
        once=False,
        longest=3 * 3600,
        run=(
            "project_path",
            "project_id",
            "ref",
            "sha",
            "pipeline_id",
            "job_id",
            "user_login",
            "environment",
        ),
        ids=("job_id",),
        no_subject=True,
    ),
    TrustKind.KUBERNETES: PlatformRules(
        pins=(
            frozenset(
                {
                    f"{_KUBERNETES}/namespace",
                    f"{_KUBERNETES}/serviceaccount/name",
                    f"{_KUBERNETES}/serviceaccount/uid",
                }
            ),
        ),
        once=False,
        longest=24 * 3600,
        run=tuple(
            f"{_KUBERNETES}/{part}"
            for part in (
                *("namespace", "serviceaccount/name", "serviceaccount/uid"),
                *("pod/name", "pod/uid", "node/name"),
            )
        ),
        ids=(f"{_KUBERNETES}/pod/name", f"{_KUBERNETES}/serviceaccount/name"),
    ),
    TrustKind.GENERIC: PlatformRules(pins=(), once=True, longest=3600, run=("jti",), ids=("jti",)),
}

DEFAULT_EVENTS = ("push", "workflow_dispatch", "schedule", "release")
"""The events of GitHub that run what is in the repository, and not what somebody offers to it."""

_WITH_GLOBS = frozenset(
    {
        *("ref", "ref_path", "head_ref", "base_ref", "environment"),
        *("workflow", "workflow_ref", "job_workflow_ref", "ci_config_ref_uri"),
    }
)
"""The claims in which a `*` stands for anything: what a repository's own members name."""

_REGISTERED = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
"""The claims that are checked anyway, or say nothing about who asks."""

_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?/*(?:[^/?#@]*@)?([^/?#:]*)", re.IGNORECASE)

_OTHERS_AUDIENCES = re.compile(
    r"api://azureadtokenexchange.*|sigstore|(test)?pypi|npm:.*|vault|kubernetes|rancher|k3s", re.IGNORECASE
)
_OTHERS_HOSTS = re.compile(
    r"(.*\.)?(amazonaws\.com(\.cn)?|googleapis\.com|microsoftonline\.com|azure\.com|aliyuncs\.com"
    r"|github\.com|githubusercontent\.com|gitlab\.com|kubernetes(\.default(\.svc(\..*)?)?)?"
    r"|pypi\.org|npmjs\.org|rubygems\.org|crates\.io|sigstore\.dev)",
    re.IGNORECASE,
)
"""Audiences that other services take: a JWT for one of them would be good here, and the other way round."""


def host_of(text: str) -> str:
    """The host of a URL, or what stands in its place, in lower case."""
    found = _HOST.match(text)
    return found[1].lower() if found else ""


def check_audience(audience: str, issuer: str) -> str:
    """Check an audience.

    Raises:
        InvalidRequestError: it is empty or too long, or others take it, too.
    """
    if not audience:
        raise InvalidRequestError(
            "a trust needs an audience, and the server has no `public_url` in its config.yaml to take for it",
            hint="give --audience URL: best this server's own URL, as clients have it in RESOLVER_URL",
        )
    if len(audience) > MAX_PATTERN or not audience.isprintable():
        raise InvalidRequestError(
            f"an audience is one line of 1 to {MAX_PATTERN} characters",
            hint="it is best this server's own URL, as clients have it in RESOLVER_URL",
        )
    host = host_of(audience)
    if _OTHERS_AUDIENCES.fullmatch(audience) or _OTHERS_HOSTS.fullmatch(host) or host == host_of(issuer):
        raise InvalidRequestError(
            f"the audience {audience!r} is one of another service",
            hint="a JWT that was made for that one would be good here: name this server's own URL",
        )
    return audience


def check_claims(
    kind: TrustKind, rules: Sequence[ClaimRule], *, unprotected_refs: bool = False
) -> tuple[ClaimRule, ...]:
    """Check what a trust asks of claims, and add what its kind asks beside that.

    Args:
        kind: the kind of platform.
        rules: what was asked for.
        unprotected_refs: of kind gitlab, whether jobs of any branch and tag fit.

    Returns:
        All rules.

    Raises:
        InvalidRequestError: anyone's workload could fit, or a rule can't fit any.
    """
    platform = PLATFORM_RULES[kind]
    for rule in rules:
        _check_rule(rule, platform, kind)
    given = {_spelled(rule.claim) for rule in rules if isinstance(rule.value, str) and not rule.contains}
    if platform.pins and not any(pin <= given for pin in platform.pins):
        ways = "; or ".join(" and ".join(sorted(pin)) for pin in platform.pins)
        raise InvalidRequestError(
            f"a trust of kind {kind} has to say whose workloads fit, by an id that nobody else gets: {ways}",
            hint="a name alone can be given up and taken by others",
        )
    if not given - _WITH_GLOBS:
        raise InvalidRequestError(
            "a trust has to name a claim that is one workload's own, beside issuer and audience",
            hint="like --claim sub=TEXT; a branch or an environment of the same name is anybody's",
        )
    added = []
    if kind is TrustKind.GITHUB and "event_name" not in given:
        added += [ClaimRule("event_name", event) for event in DEFAULT_EVENTS]
    if kind is TrustKind.GITLAB:
        if "ref" in given and "ref_type" not in given:
            raise InvalidRequestError(
                "a trust of kind gitlab that names a ref has to name its ref_type",
                hint="--claim ref_type=branch, or a tag of that name would fit, too",
            )
        if "ref_protected" not in given and not unprotected_refs:
            added.append(ClaimRule("ref_protected", "true"))
    return (*rules, *added)


_SHARED = {
    "token.actions.githubusercontent.com": TrustKind.GITHUB,
    "gitlab.com": TrustKind.GITLAB,
}
"""Issuers that sign for anybody."""


def check_issuer(kind: TrustKind, issuer: str) -> None:
    """See that the kind is the issuer's, where that is known; InvalidRequestError when it is not."""
    is_github = issuer.rstrip("/").endswith("/_services/token")  # of GitHub Enterprise Server
    known = TrustKind.GITHUB if is_github else _SHARED.get(host_of(issuer))
    if known is not None and known is not kind:
        raise InvalidRequestError(
            f"the issuer {issuer!r} is of kind {known}, and signs for anybody's workloads",
            hint=f"with --kind {known} what others could imitate is refused",
        )


def _check_rule(rule: ClaimRule, platform: PlatformRules, kind: TrustKind) -> None:
    name, value = rule.claim, rule.value
    if not name.isprintable() or (isinstance(value, str) and not value.isprintable()):
        raise InvalidRequestError("a claim's name and what it has to be are of printable characters")
    if name.startswith("/") and re.search(r"~(?![01])", name):
        raise InvalidRequestError(f"{name!r} is not a JSON Pointer", hint="in it ~0 is '~' and ~1 is '/'")
    top = _steps(name)[0]
    if top in _REGISTERED:
        raise InvalidRequestError(f"the claim {top!r} is checked by itself, and is no rule of a trust")
    if top == "sub" and platform.no_subject:
        raise InvalidRequestError(
            f"a trust of kind {kind} can't go by 'sub': the platform's users may have it say anything",
            hint="name the claims that it is made of",
        )
    if isinstance(value, str) and "*" in value and (rule.contains or name not in _WITH_GLOBS):
        raise InvalidRequestError(
            f"'*' is not understood in the claim {name!r}",
            hint=f"it is in: {', '.join(sorted(_WITH_GLOBS))}",
        )


def check_scope(permissions: frozenset[Permission], tenants: frozenset[str], keys: Sequence[str]) -> None:
    """Check that a trust names what its tokens may do; InvalidRequestError when it does not, or too much."""
    if not permissions or not tenants or not keys:
        raise InvalidRequestError(
            "a trust names the permissions, tenants and keys that its tokens are narrowed to",
            hint="like --permission secret:use --tenant prod --key 'prod_*'; --key '*' is all keys",
        )
    grantable = frozenset[Permission]().union(*TENANT_ROLE_PERMISSIONS.values())
    if beyond := permissions - grantable:
        raise InvalidRequestError(
            f"no token of a trust has {', '.join(sorted(beyond))}: workloads have no system role"
        )


# Comparing

_ABSENT: Final = object()


def _steps(name: str) -> Sequence[str]:
    if not name.startswith("/"):
        return [name]
    return [step.replace("~1", "/").replace("~0", "~") for step in name[1:].split("/")]


def _spelled(name: str) -> str:
    """A claim's name in its plain spelling, where a JSON Pointer leads to nothing deeper."""
    first, *deeper = _steps(name)
    return name if deeper or first.startswith("/") else first


def find_claim(claims: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON data
    """A claim by its name or JSON Pointer; a mark that equals nothing where there is none."""
    found: Any = claims
    for step in _steps(name):
        if not isinstance(found, Mapping) or step not in found:
            return _ABSENT
        found = found[step]
    return found


def _fits(rule: ClaimRule, found: object) -> bool:
    if rule.contains:
        return isinstance(found, list) and any(_is_same(rule.value, one) for one in found)
    if isinstance(rule.value, str) and "*" in rule.value:
        return isinstance(found, str) and len(found) <= MAX_CLAIM and matches(rule.value, found)
    return _is_same(rule.value, found)


def _is_same(wanted: object, found: object) -> bool:
    return type(found) is type(wanted) and found == wanted  # True is no 1 in JSON


_BORDERS = re.compile(r"([/:])")


def matches(pattern: str, text: str) -> bool:
    """Whether a text is as a pattern says, in which `*` stands for anything without `/` and `:`."""
    wanted, found = _BORDERS.split(pattern), _BORDERS.split(text)
    return len(wanted) == len(found) and all(map(_matches_part, wanted, found))


def _matches_part(pattern: str, text: str) -> bool:
    """As above, without borders; in time proportional to the text, however many stars there are."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *middle, last = rest
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def claim_problems(rules: Sequence[ClaimRule], claims: Mapping[str, Any]) -> Sequence[str]:
    """Which claims do not fit: of rules for one claim one has to, of those about lists each."""
    alternatives: dict[str, list[ClaimRule]] = {}
    for rule in rules:
        name = f"{rule.claim} {rule.value!r}" if rule.contains else rule.claim
        alternatives.setdefault(name, []).append(rule)
    problems = []
    for some in alternatives.values():
        found = find_claim(claims, some[0].claim)
        if not any(_fits(rule, found) for rule in some):
            wanted = " or ".join(_shown(rule.value) for rule in some)
            has = "is absent" if found is _ABSENT else f"is {_shown(found)}"
            verb = "contain" if some[0].contains else "be"
            problems.append(f"the claim {cap(some[0].claim)!r} {has} and has to {verb} {wanted}")
    return problems


def _shown(value: object) -> str:
    return ascii(cap(value)) if isinstance(value, str) else cap(repr(value))


def token_problems(
    kind: TrustKind, issuer: str, audience: str, claims: Mapping[str, Any], now: float
) -> Sequence[str]:
    """What is wrong with the claims that every JWT has.

    Args:
        kind: the kind of platform.
        issuer: what `iss` has to be.
        audience: what `aud` has to be, alone.
        claims: the claims.
        now: the time, in seconds since 1970.
    """
    problems = []
    if claims.get("iss") != issuer:
        problems.append(f"'iss' is {_shown(claims.get('iss'))} and has to be {issuer!r}")
    if claims.get("aud") not in (audience, [audience]):
        problems.append(f"'aud' is {_shown(claims.get('aud'))} and has to be {audience!r} alone")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject or len(subject) > MAX_CLAIM:
        problems.append(f"'sub' is not a text of 1 to {MAX_CLAIM} characters")
    platform = PLATFORM_RULES[kind]
    identifier = claims.get("jti")
    if (identifier is not None or platform.once) and (
        not isinstance(identifier, str) or not identifier or len(identifier) > MAX_CLAIM
    ):
        problems.append(f"'jti' is not a text of 1 to {MAX_CLAIM} characters")
    return [*problems, *_time_problems(claims, platform.longest, now)]


def _time_problems(claims: Mapping[str, Any], longest: int, now: float) -> Sequence[str]:
    times = {name: claims.get(name) for name in ("iat", "exp", "nbf")}
    for name, at in times.items():
        if (at is None and name != "nbf") or (
            at is not None and (isinstance(at, bool) or not isinstance(at, int | float) or not 0 < at < 2**40)
        ):
            return [f"{name!r} is not a time in seconds since 1970"]
    issued, ends, begins = times["iat"], times["exp"], times["nbf"]
    assert issued is not None  # noqa: S101 - checked above
    assert ends is not None  # noqa: S101 - as above
    problems = []
    if ends <= now - LEEWAY:
        problems.append(f"it expired {now - ends:.0f} s ago by this server's clock")
    if issued > now + LEEWAY:
        problems.append(f"it was issued {issued - now:.0f} s from now by this server's clock")
    if begins is not None and begins > now + LEEWAY:
        problems.append(f"it is not valid for {begins - now:.0f} s yet by this server's clock")
    if not 0 < ends - issued <= longest:
        problems.append(f"it is valid for {ends - issued:.0f} s, and has to be for {longest} s at most")
    return problems


def run_of(name: str, kind: TrustKind, rules: Sequence[ClaimRule], claims: Mapping[str, Any]) -> WorkloadRun:
    """Which run shows a JWT: what of it audit records have."""
    names = [*PLATFORM_RULES[kind].run]
    if kind is TrustKind.GENERIC:
        names = [*dict.fromkeys((*(rule.claim for rule in rules), *names))]
    found = {one: find_claim(claims, one) for one in names}
    told = {
        one: cap(str(value)) for one, value in found.items() if isinstance(value, str | int) and value != ""
    }
    known_as = next((told[one] for one in PLATFORM_RULES[kind].ids if one in told), "")
    return WorkloadRun(name, claims["iss"], cap(claims["sub"]), known_as, told)
