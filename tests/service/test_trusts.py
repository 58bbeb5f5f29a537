"""Trusts: who makes them, what is exchanged by them and how often, and what such a token may do."""

from __future__ import annotations

import json
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from resolver.core.account_changes import NewPassword, NewToken, UserChange
from resolver.core.audit import AuditQuery
from resolver.core.model import Scope, SecretValue, TrustKind
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.secret_changes import NewSecret
from resolver.core.times import later, read_time
from resolver.core.transfer import ExportRequest
from resolver.core.trusts import ClaimRule, TrustChange
from resolver.errors import (
    AccessError,
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
    ResolverError,
    UnconfirmedError,
)
from resolver.protocol.identity import Grant
from resolver.service.access_log import Strangers
from tests.core.test_trusts import GITHUB, GITLAB, KUBERNETES
from tests.databases import made_world
from tests.issuer import AUDIENCE, Key, claims_of, key_set
from tests.service.uses import DIGESTS, key_use
from tests.trusting import ISSUER, ROBOT, exchanged, jwt, key, trusting, wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from resolver.core.model import Caller
    from tests.databases import World


def refusal(world: World, text: str, caplog: pytest.LogCaptureFixture, name: str = "") -> str:
    """Why a JWT is refused, by the server's log; whoever shows it learns nothing of that."""
    caplog.clear()
    world.service.trusts._strangers = Strangers()  # noqa: SLF001 - whose lines are few
    with caplog.at_level(logging.WARNING, "resolver.access"), pytest.raises(AuthenticationError) as refused:
        world.service.trusts.exchange(text, name)
    assert refused.value.message == "the identity was refused"
    return caplog.text


def records(world: World, tenant: str = "") -> list[dict[str, Any]]:
    """The records of a trail."""
    return [json.loads(record.body) for record in world.service.trail.records(world.admin, tenant)]


def test_a_jwt_is_exchanged_for_what_the_trust_leaves(world: World) -> None:
    """The token uses what it may; exchange and use have issuer, subject, claims and trust on record."""
    trusting(world)
    world.secret("k", "the value")
    world.secret("other")
    granted = world.service.trusts.exchange(jwt(world))
    assert isinstance(granted, Grant)
    assert (granted.username, granted.trust) == (ROBOT, "shop")
    assert granted.expires_at == later(world.clock(), 900)
    caller = world.service.gate.authenticate_token(granted.token)
    answer = world.service.use.use(caller, "home", [key_use("k")], DIGESTS)
    assert answer.secrets["k"].value.reveal() == "the value"
    assert "other" in world.service.use.use(caller, "home", [key_use("other")], DIGESTS).refusals
    run = {"trust": "shop", "issuer": ISSUER, "subject": "somebody"}
    told = [one["run"] for chain in ("", "home") for one in records(world, chain) if "run" in one]
    assert len(told) == 3
    assert all({**one, **run} == one and one["claims"]["sub"] == "somebody" and one["id"] for one in told)
    exchange = next(one for one in records(world) if one["action"] == "trust:exchange")
    assert (exchange["object"], exchange["caller"], exchange["made"]) == ("shop", ROBOT, caller.token_id)
    world.clock.now = later(world.clock(), 900)
    with pytest.raises(AuthenticationError):
        world.service.gate.authenticate_token(granted.token)
    assert world.service.trail.verify(world.admin).whole


CHANGES: dict[str, Callable[[World], dict[str, Any]]] = {
    "the issuer with a slash": lambda _: {"iss": f"{ISSUER}/"},
    "the issuer in other case": lambda _: {"iss": ISSUER.upper()},
    "another issuer": lambda _: {"iss": "https://other.example.com"},
    "another audience": lambda _: {"aud": "https://other.example.com"},
    "an audience with a slash": lambda _: {"aud": f"{AUDIENCE}/"},
    "no audience": lambda _: {"aud": None},
    "two audiences": lambda _: {"aud": [AUDIENCE, "https://other.example.com"]},
    "an audience twice": lambda _: {"aud": [AUDIENCE, AUDIENCE]},
    "an empty list of audiences": lambda _: {"aud": []},
    "a nested audience": lambda _: {"aud": [[AUDIENCE]]},
    "an audience that is an object": lambda _: {"aud": {AUDIENCE: 1}},
    "expired": lambda world: {"exp": at(world) - 31, "iat": at(world) - 300},
    "not yet valid": lambda world: {"nbf": at(world) + 31},
    "issued later": lambda world: {"iat": at(world) + 31, "exp": at(world) + 100},
    "valid for too long": lambda world: {"exp": at(world) + 3601},
    "ended before it began": lambda world: {"iat": at(world) + 20, "exp": at(world) + 10},
    "no end": lambda _: {"exp": None},
    "an end in a text": lambda world: {"exp": str(at(world) + 60)},
    "an end that is true": lambda _: {"exp": True},
    "an end in a million years": lambda _: {"exp": 2**50},
    "no time of issue": lambda _: {"iat": None},
    "a beginning in a text": lambda _: {"nbf": "0"},
    "another subject": lambda _: {"sub": "somebody else"},
    "a subject that is a list": lambda _: {"sub": ["somebody"]},
    "no subject": lambda _: {"sub": None},
    "no id": lambda _: {"jti": None},
    "an id that is a number": lambda _: {"jti": 7},
    "an empty id": lambda _: {"jti": ""},
    "a long id": lambda _: {"jti": "x" * 2000},
}


def at(world: World) -> int:
    """The time of a store's clock, in seconds since 1970."""
    return int(read_time(world.clock()).timestamp())


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A store for what is refused and changes nothing."""
    world = made_world("sqlite", tmp_path_factory.mktemp("refusing"))
    trusting(world)
    return world


@pytest.mark.parametrize("name", CHANGES)
def test_a_jwt_that_does_not_fit_is_refused(
    refusing: World, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With one text, whatever the reason; nothing is stored, and no chain grows."""
    before = len(records(refusing))
    assert "a JWT was refused" in refusal(refusing, jwt(refusing, **CHANGES[name](refusing)), caplog)
    assert len(records(refusing)) == before
    assert refusing.execute("SELECT count(*) FROM jwt_exchange")[0][0] == 0


def test_the_clocks_may_differ_a_little(embedded: World) -> None:
    """By 30 seconds."""
    trusting(embedded)
    for more in ({"exp": at(embedded) - 29, "iat": at(embedded) - 300}, {"nbf": at(embedded) + 29}):
        exchanged(embedded, jwt(embedded, **more))


def test_the_log_names_the_claim_that_does_not_fit(embedded: World, caplog: pytest.LogCaptureFixture) -> None:
    """So does a test of the trust, for who may change it; it exchanges nothing."""
    trusting(embedded)
    text = jwt(embedded, sub="somebody else")
    assert "the claim 'sub' is 'somebody else' and has to be 'somebody'" in refusal(embedded, text, caplog)
    found = embedded.service.trusts.test(embedded.admin, "shop", text)
    assert not found.fits
    assert found.problems == ["the claim 'sub' is 'somebody else' and has to be 'somebody'"]
    good = jwt(embedded)
    for _ in range(2):
        tried = embedded.service.trusts.test(embedded.admin, "shop", good)
        assert (tried.fits, list(tried.problems), list(tried.key_ids)) == (True, [], ["one"])
    exchanged(embedded, good)
    with pytest.raises(NotFoundError):
        embedded.service.trusts.test(embedded.user("member", TenantRole.MANAGER), "shop", good)


@pytest.mark.parametrize(
    ("kind", "documented", "most"),
    [
        (TrustKind.GITHUB, GITHUB, 1),
        (TrustKind.GITLAB, GITLAB, 3),
        (TrustKind.KUBERNETES, KUBERNETES, 3),
        (TrustKind.GENERIC, {}, 1),
    ],
)
def test_a_jwt_is_exchanged_so_often(
    embedded: World, kind: TrustKind, documented: dict[str, Any], most: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, or as often as a job may; the signature may be another one. Then it is over for good."""
    account = {
        "namespace": "shop",
        "pod": {"name": "p"},
        "serviceaccount": {"name": "deployer", "uid": "a087d5a0-e1dd-43ec-93ac-f13d89cd13af"},
    }
    own = {name: value for name, value in documented.items() if name not in ("iss", "iat", "nbf", "exp")}
    more = {**own, "kubernetes.io": account} if kind is TrustKind.KUBERNETES else own
    trusting(embedded, kind=kind, exchanges=most)
    claims = claims_of(ISSUER, now=at(embedded)) | more
    for _ in range(most):
        exchanged(embedded, key().jwt(claims))
    assert f"exchanged {most} times already" in refusal(embedded, key().jwt(claims), caplog)
    exchanged(embedded, key().jwt(claims | {"jti": "another"}))
    embedded.clock.now = later(embedded.clock(), 300)
    exchanged(embedded, key().jwt(claims_of(ISSUER, now=at(embedded)) | more | {"jti": "a third"}))
    assert embedded.execute("SELECT count(*) FROM jwt_exchange")[0][0] == 3


def test_a_kind_that_is_exchanged_once_is_so(embedded: World) -> None:
    """No trust says otherwise."""
    for kind in (TrustKind.GITHUB, TrustKind.GENERIC):
        with pytest.raises(InvalidRequestError, match="exchanged once"):
            trusting(embedded, kind=kind, exchanges=2)


RACES = int(os.environ.get("RESOLVER_TEST_RACES", "40"))
"""How often one JWT is shown at once; CONTRIBUTING.md has the larger number."""


@pytest.mark.parametrize(("kind", "most"), [(TrustKind.GITHUB, 1), (TrustKind.GITLAB, 7)])
@pytest.mark.two_databases
def test_one_jwt_in_many_hands(world: World, kind: TrustKind, most: int) -> None:
    """On two servers at once it is exchanged exactly as often as it may be."""
    trusting(world, kind=kind, exchanges=most)
    more: dict[str, Any] = {"repository_id": "74", "event_name": "push"}
    text = jwt(world, **(more if kind is TrustKind.GITHUB else {"project_id": "20", "ref_protected": "true"}))
    services = [world.service, world.reopened()]
    outcomes: list[bool] = []
    begin = threading.Barrier(8)

    def take(number: int) -> None:
        begin.wait(60)
        for attempt in range(RACES // 8):
            try:
                services[(number + attempt) % 2].trusts.exchange(text)
            except AuthenticationError:
                outcomes.append(False)
            else:
                outcomes.append(True)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(200)
    assert (outcomes.count(True), len(outcomes)) == (most, RACES // 8 * 8)
    assert len(world.execute("SELECT id FROM access_token WHERE trust_id IS NOT NULL")) == most


def test_what_a_token_of_a_trust_may_not_do(embedded: World) -> None:
    """It makes no token, no trust and no session, sees and changes nothing, and is not exchanged."""
    trusting(embedded)
    embedded.secret("k")
    granted = embedded.service.trusts.exchange(jwt(embedded))
    assert isinstance(granted, Grant)
    caller, service = embedded.service.gate.authenticate_token(granted.token), embedded.service
    attempts: list[Callable[[], object]] = [
        lambda: service.tokens.create(caller, NewToken()),
        lambda: service.tokens.list(caller),
        lambda: service.trusts.create(caller, "own", wanted()),
        lambda: service.trusts.list(caller),
        lambda: service.trusts.get(caller, "shop"),
        lambda: service.trusts.update(caller, "shop", TrustChange(lifetime=3600)),
        lambda: service.trusts.delete(caller, "shop"),
        lambda: service.trusts.test(caller, "shop"),
        lambda: service.users.set_password(caller, ROBOT, NewPassword(SecretValue("new password"))),
        lambda: service.sessions.open(token=granted.token),
        lambda: service.trusts.exchange(granted.token),
        lambda: service.secrets.show(caller, "home", "k"),
        lambda: service.secrets.list(caller, "home"),
        lambda: service.secrets.create(caller, "home", "k2", NewSecret(value=SecretValue("v"))),
        lambda: service.secrets.delete(caller, "home", "k"),
        lambda: service.transfer.export(caller, ExportRequest(tenant="home")),
        lambda: service.use.use(caller, "away", [key_use("k")], DIGESTS),
    ]
    for number, attempt in enumerate(attempts):
        try:
            attempt()
        except AccessError:
            continue
        pytest.fail(f"attempt {number} went through")
    service.tokens.revoke(caller, caller.token_id)  # to end itself is for every token to do
    with pytest.raises(AuthenticationError):
        service.gate.authenticate_token(granted.token)


def no_more(world: World, change: Callable[[World], object]) -> None:
    """After a change a token that was exchanged before is let in no more, nor in what began before."""
    trusting(world)
    world.secret("k")
    caller = exchanged(world)
    world.service.use.use(caller, "home", [key_use("k")], DIGESTS)
    change(world)
    with pytest.raises(AccessError):
        world.service.use.use(caller, "home", [key_use("k")], DIGESTS)


def updated(**more: Any) -> Callable[[World], object]:  # noqa: ANN401 - the record's fields
    """Changes the trust."""
    return lambda world: world.service.trusts.update(world.admin, "shop", TrustChange(**more))


ENDS: dict[str, Callable[[World], object]] = {
    "turned off": updated(enabled=False),
    "turned off and on": lambda world: [updated(enabled=is_on)(world) for is_on in (False, True)],
    "other claims": updated(claims=[ClaimRule("sub", "somebody else")]),
    "another audience": updated(audience="https://other.example.com"),
    "other keys": updated(jwks=key_set(Key.make("one"))),
    "another tenant": updated(tenants=frozenset({"away"})),
    "another permission": updated(permissions=frozenset({Permission.SECRET_LIST})),
    "deleted": lambda world: world.service.trusts.delete(world.admin, "shop"),
    "its user deactivated": lambda world: world.service.users.update(
        world.admin, ROBOT, UserChange(active=False)
    ),
    "its user a sys_admin": lambda world: world.service.users.update(
        world.admin, ROBOT, UserChange(system_role=SystemRole.SYS_ADMIN)
    ),
    "its user with a password": lambda world: world.service.users.set_password(
        world.admin, ROBOT, NewPassword(SecretValue("a long password"))
    ),
    "its user no member": lambda world: world.service.tenants.remove_member(world.admin, "home", ROBOT),
    "its user deleted": lambda world: world.service.users.delete(world.admin, ROBOT),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_ends_a_token_of_a_trust(embedded: World, name: str) -> None:
    """At the next request, whatever the token itself says."""
    no_more(embedded, ENDS[name])


@pytest.mark.parametrize("name", ["turned off", "other claims", "its user with a password", "deleted"])
def test_what_ends_a_trust_ends_its_exchanges(
    embedded: World, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A new JWT helps nothing."""
    trusting(embedded)
    ENDS[name](embedded)
    refusal(embedded, jwt(embedded), caplog)


@pytest.mark.parametrize(
    ("keys", "narrower", "uses"),
    [
        (("k*",), ("k1*",), {"k1"}),
        (("k*",), ("k1",), {"k1"}),
        (("k1",), ("k*",), {"k1"}),
        (("k*",), ("*2",), set()),  # what both match is in no pattern of either
        (("k?",), ("k*",), {"k1", "k2"}),
        (("k*",), ("k*", "z"), {"k1", "k2"}),
    ],
)
def test_a_narrower_trust_narrows_what_was_exchanged(
    keys: tuple[str, ...], narrower: tuple[str, ...], uses: set[str]
) -> None:
    """And a wider one widens nothing."""
    both = Scope(keys=keys).within(Scope(keys=narrower))
    assert {key for key in ("k1", "k2", "z", "kk") if both.permits_key(key)} & {"k1", "k2"} == uses
    assert not both.permits_key("z")


def test_patterns_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred with a hundred others take long, and each request asks, once with a trail locked."""
    compared: list[str] = []

    def covers(pattern: str, narrower: str) -> bool:
        compared.append(narrower)
        return pattern == narrower

    monkeypatch.setattr("resolver.core.model._covers", covers)
    one, other = (Scope(keys=tuple(f"{name}{number}*" for number in range(100))) for name in "ab")
    for _ in range(3):
        assert one.within(other).keys == ()
    assert len(compared) == 20_000


def test_scopes_have_in_common_what_both_leave() -> None:
    """None of a part is all of it."""
    use, show = frozenset({Permission.SECRET_USE}), frozenset({Permission.SECRET_SHOW})
    one = Scope(use | show, frozenset({"a", "b"}), None)
    assert one.within(Scope(use, frozenset({"b", "c"}), ("x",))) == Scope(use, frozenset({"b"}), ("x",))
    assert one.within(Scope()) == one


def test_who_makes_trusts(embedded: World) -> None:
    """A sys_admin, with a credential that makes tokens; others for themselves, with a password."""
    world, service = embedded, embedded.service
    trusting(world)
    member = world.user("member", TenantRole.MANAGER)
    with pytest.raises(NotPermittedError):
        service.trusts.create(member, "a", wanted())
    with pytest.raises(UnconfirmedError):
        service.trusts.create(member, "a", wanted(username="member"))
    service.users.set_password(world.admin, "member", NewPassword(SecretValue("the member's password")))
    person = service.gate.authenticate_password("member", "the member's password")
    own = service.trusts.create(person, "own", wanted(username="member", issuer="https://own.example.com"))
    assert (own.username, own.created_by) == ("member", "member")
    assert [one.name for one in service.trusts.list(person)] == ["own"]
    with pytest.raises(NotFoundError):
        service.trusts.get(person, "shop")
    with pytest.raises(NotPermittedError):
        service.trusts.create(person, "b", wanted())
    with pytest.raises(NotFoundError):
        service.trusts.delete(person, "shop")
    text = key().jwt(claims_of("https://own.example.com", now=at(world)))
    assert exchanged(world, text).username == "member"
    for scope in (Scope(tenants=frozenset({"home"})), Scope(permissions=frozenset(Permission))):
        with pytest.raises(NotPermittedError):
            service.trusts.create(world.caller("admin", scope), "c", wanted())
    with pytest.raises(UnconfirmedError):
        service.trusts.create(world.caller("admin", expires_at="2031-01-01"), "c", wanted())
    person_later = replace(person, confirmed_at=later(world.clock(), -301))
    with pytest.raises(UnconfirmedError):
        service.trusts.update(person_later, "own", TrustChange(lifetime=60))
    service.trusts.delete(person, "own")


def of_a_person(world: World) -> Caller:
    """Someone with a password, who has just given it."""
    world.user("person", TenantRole.USER)
    world.service.users.set_password(world.admin, "person", NewPassword(SecretValue("a long password")))
    return world.service.gate.authenticate_password("person", "a long password")


def test_what_people_make_for_themselves_keeps_nobody_out(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their trusts fit the same JWTs, have keys that never come, or are many: workloads get in as before."""
    trusting(embedded)
    person, trusts = of_a_person(embedded), embedded.service.trusts
    trusts.create(person, "copy", wanted(username="person"))
    nowhere = "http://127.0.0.1:1"
    trusts.create(person, "hole", wanted(username="person", jwks=None, jwks_url=nowhere))
    assert exchanged(embedded).username == ROBOT
    trusts.update(embedded.admin, "hole", TrustChange(enabled=False))
    trusts.update(embedded.admin, "shop", TrustChange(claims=[ClaimRule("sub", "another")]))
    assert exchanged(embedded).username == "person"
    monkeypatch.setattr("resolver.service.trusts._MAX_OWN", 2)
    with pytest.raises(InvalidRequestError, match="2 trusts for user 'person'"):
        trusts.create(person, "more", wanted(username="person"))
    trusting(embedded, "theirs", username=ROBOT)


def test_trusts_end_with_a_password_that_leaked(embedded: World) -> None:
    """Those that its user made: who knew it would get new tokens by them. A sys_admin's stays."""
    trusting(embedded)
    person, trusts = of_a_person(embedded), embedded.service.trusts
    trusts.create(person, "own", wanted(username="person"))
    caller = exchanged(embedded, name="own")
    change = NewPassword(SecretValue("another long password"))
    embedded.service.users.set_password(embedded.admin, "person", change)
    assert [one.name for one in trusts.list(embedded.admin)] == ["own", "shop"]
    embedded.service.users.set_password(embedded.admin, "person", replace(change, revoke_tokens=True))
    assert [one.name for one in trusts.list(embedded.admin)] == ["shop"]
    with pytest.raises(AuthenticationError), embedded.store.read() as session:
        embedded.service.gate.current(session, caller)
    assert [one["object"] for one in records(embedded) if one["action"] == "trust:delete"] == ["own"]


def test_a_name_that_no_database_takes_is_refused(embedded: World, caplog: pytest.LogCaptureFixture) -> None:
    """As any other that no trust has, and before it gets there: PostgreSQL would fail."""
    trusting(embedded)
    with embedded.statements() as statements:
        assert "no trust that is in use" in refusal(embedded, jwt(embedded), caplog, "a\0b")
    assert not [one for one in statements if "FROM trust" in one]


def test_whom_a_workload_acts_as(embedded: World) -> None:
    """A service user: nobody with a password or a system role, nor one who is not there."""
    trusting(embedded)
    service, admin = embedded.service, embedded.admin
    embedded.user("boss", system_role=SystemRole.SYS_ADMIN)
    embedded.user("person", TenantRole.USER)
    service.users.set_password(admin, "person", NewPassword(SecretValue("a long password")))
    for name, problem in (("boss", "system role"), ("person", "a password"), ("admin", "system role")):
        with pytest.raises(NotPermittedError, match=problem):
            service.trusts.create(admin, "a", wanted(username=name))
    with pytest.raises(NotFoundError):
        service.trusts.create(admin, "a", wanted(username="nobody"))
    with pytest.raises(ConflictError):
        service.trusts.create(admin, "shop", wanted())


@pytest.mark.parametrize(
    "more",
    [
        {"permissions": frozenset()},
        {"tenants": frozenset()},
        {"keys": ()},
        {"keys": ("",)},
        {"permissions": frozenset({Permission.USER_MANAGE})},
        {"permissions": frozenset({Permission.SECRET_EXPORT})},  # without all that it leads to
        {"audience": ISSUER},
        {"audience": "sts.amazonaws.com"},
        {"audience": ""},  # and the server has no public URL
        {"issuer": "https://token.actions.githubusercontent.com"},
        {"issuer": "http://issuer.example.com"},
        {"issuer": "https://issuer.example.com\n"},
        {"jwks": "{}"},
        {"jwks": "\0"},
        {"jwks_url": "https://issuer.example.com/keys"},  # beside the keys themselves
        {"jwks": None},  # the issuer is not among the allowed destinations
        {"claims": ()},
        {"kind": TrustKind.GITHUB, "claims": [ClaimRule("ref", "refs/heads/main")]},
    ],
    ids=str,
)
def test_a_trust_that_breaks_a_rule_is_not_made(refusing: World, more: dict[str, Any]) -> None:
    """And the names say which."""
    with pytest.raises(ResolverError):
        refusing.service.trusts.create(refusing.admin, "new", wanted(**more))
    assert [one.name for one in refusing.service.trusts.list(refusing.admin)] == ["shop"]


def test_a_trust_that_changes_while_a_change_is_checked(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later change is refused: what was checked is not what would be stored."""
    trusting(embedded)
    service = embedded.service.trusts

    def overtaken(_source: object) -> None:
        monkeypatch.undo()
        service.update(embedded.admin, "shop", TrustChange(lifetime=60))

    monkeypatch.setattr(service._verifier, "check_source", overtaken)  # noqa: SLF001 - between the two looks
    with pytest.raises(ConflictError, match=r"^trust 'shop' was changed by someone else at the same time$"):
        service.update(embedded.admin, "shop", TrustChange(lifetime=120))
    assert service.get(embedded.admin, "shop").lifetime == 60


def test_one_of_several_trusts_is_named(embedded: World, caplog: pytest.LogCaptureFixture) -> None:
    """Where a JWT fits several."""
    trusting(embedded)
    trusting(embedded, "wide", keys=("*",))
    text = jwt(embedded)
    assert "it fits several trusts" in refusal(embedded, text, caplog)
    assert exchanged(embedded, text, "wide").scope.keys == ("*",)
    assert "no trust" in refusal(embedded, jwt(embedded), caplog, "another")


def test_a_trust_has_so_many_tokens(embedded: World, caplog: pytest.LogCaptureFixture) -> None:
    """Those that ended do not count, and are gone."""
    trusting(embedded, lifetime=60)
    trusts = embedded.service.trusts
    trusts._rules = replace(trusts._rules, tokens_per_trust=2)  # noqa: SLF001 - a setting
    for _ in range(2):
        exchanged(embedded)
    assert "has 2 tokens that have not ended" in refusal(embedded, jwt(embedded), caplog)
    embedded.clock.now = later(embedded.clock(), 60)
    exchanged(embedded)
    assert len(embedded.execute("SELECT id FROM access_token WHERE trust_id IS NOT NULL")) == 1


def test_a_use_without_a_trust_costs_no_statement_for_it(embedded: World) -> None:
    """And one with a trust costs one more, each time that the rights are read."""
    trusting(embedded)
    embedded.secret("k")
    plain, workload = embedded.caller(ROBOT), exchanged(embedded)

    def asked(caller: Caller) -> list[str]:
        with embedded.statements() as seen:
            embedded.service.use.use(caller, "home", [key_use("k")], DIGESTS)
        return [statement for statement in seen if "trust" in statement and "FROM trust" in statement]

    assert asked(plain) == []
    assert len(asked(workload)) == 1


def test_who_asks_by_a_run(embedded: World) -> None:
    """The trail is asked for what a run did, by its id or a claim."""
    trusting(embedded)
    embedded.secret("k")
    for number in ("first", "second"):
        caller = exchanged(embedded, jwt(embedded, jti=number))
        embedded.service.use.use(caller, "home", [key_use("k")], DIGESTS)

    def found(run: str, **more: str) -> list[str]:
        query = AuditQuery(run=run, **more)
        stream = embedded.service.trail.stream(embedded.admin, "home", query)
        return [json.loads(one.body)["run"]["id"] for one in stream]

    assert found("first") == ["first"]
    assert found("jti=second") == ["second"]
    assert found("sub=somebody", key="k", caller=ROBOT) == ["first", "second"]
    assert found("somebody") == found("trust=shop") == []


def test_a_missing_audience_names_its_option(refusing: World) -> None:
    """Where the server has no public URL, the pages' first command needs one option more."""
    with pytest.raises(ResolverError, match="public_url") as refused:
        refusing.service.trusts.create(refusing.admin, "new", wanted(audience=""))
    assert refused.value.hint.startswith("give --audience URL")
