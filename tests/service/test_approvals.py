"""Protected secrets: used for approved bundles, by who asked, as often as was granted, in no other way."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from resolver.core.access import Ground
from resolver.core.account_changes import NewPassword
from resolver.core.approvals import (
    Approval,
    ApprovalGrant,
    ApprovalRequest,
    ApprovalState,
    Bundle,
    BundledBlueprint,
    BundledInput,
)
from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, TenantRole
from resolver.core.policy import Verdict
from resolver.core.providers import NewProvider
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.times import later
from resolver.core.transfer import ExportRequest, ImportEntry, ImportRequest
from resolver.core.trusts import ClaimRule
from resolver.dsl.reasons import Reason
from resolver.errors import (
    ApprovalNeededError,
    BlueprintError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
    UnconfirmedError,
)
from tests.service.uses import DIGESTS, key_use
from tests.told import told
from tests.trusting import ROBOT, exchanged, jwt, trusting

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from resolver.service import Service
    from tests.databases import World

VALUE = "the-protected-value"
TEXT = "tosca_definitions_version: cloudify_dsl_1_3\nimports:\n- types/own.yaml\ninputs:\n  zone: {}\n"
TEXT += "dsl_definitions:\n  a: {get_secret: guarded}\n  b: {get_input: zone}\n"
BUNDLE = Bundle(
    blueprints=[BundledBlueprint("main.yaml", TEXT, {"types/own.yaml": "node_types: {}\n"})],
    inputs={"zone": BundledInput("north")},
    context={"deployment": {"id": "shop"}},
    evaluate=True,
)


@pytest.fixture
def asker(world: World) -> Caller:
    """Somebody who may use secrets, in a tenant with a protected one and a manager."""
    world.service.secrets.create(
        world.admin, "home", "guarded", NewSecret(value=SecretValue(VALUE), protected=True)
    )
    world.user("mia", home=TenantRole.MANAGER)
    return world.user("olaf", home=TenantRole.OPERATIONS)


def person(world: World, name: str) -> Caller:
    """A user who has just given a password."""
    world.service.users.set_password(world.admin, name, NewPassword(SecretValue(f"the password of {name}")))
    return world.service.gate.authenticate_password(name, f"the password of {name}")


def asked(world: World, caller: Caller, bundle: Bundle = BUNDLE) -> Approval:
    """A request for an approval."""
    return world.service.approvals.request(caller, "home", ApprovalRequest(bundle, reason="a release"))


def granted(world: World, caller: Caller, uses: int = 1, lasts: str = "24h") -> Approval:
    """An approval that was granted."""
    request = asked(world, caller)
    return world.service.approvals.grant(person(world, "mia"), "home", request.id, ApprovalGrant(uses, lasts))


def run(service: Service, caller: Caller, approval: Approval, digest: str = BUNDLE.digest) -> str:
    """The text that the service resolves."""
    return service.approvals.resolve(caller, "home", approval.id, digest).text


@pytest.mark.two_databases
def test_what_was_approved_is_resolved_once(world: World, asker: Caller) -> None:
    """The value is in the text of the bundle that the service kept, and all of it is on record."""
    approval = granted(world, asker)
    assert approval.state is ApprovalState.GRANTED
    assert run(world.service, asker, approval) == TEXT.replace("{get_secret: guarded}", f'"{VALUE}"').replace(
        "{get_input: zone}", '"north"'
    )
    after = world.service.approvals.get(asker, "home", approval.id)
    assert (after.state, after.uses, after.uses_left) == (ApprovalState.SPENT, 1, 0)
    with pytest.raises(ApprovalNeededError, match="is spent"):
        run(world.service, asker, approval)
    records = told(world.service.trail.records(world.admin, "home"))
    actions = [(one["action"], one["decision"]) for one in records if "approval" in str(one)]
    assert actions == [
        ("approval:request", "allowed"),
        ("approval:grant", "allowed"),
        ("secret:use", "allowed"),
        ("secret:use", "refused"),
    ]
    assert VALUE not in str(records)
    assert world.service.trail.verify(world.admin, "home").whole


AROUND = {
    "a batch": lambda w, c: w.service.use.use(c, "home", [key_use("guarded")], DIGESTS),
    "a batch by somebody else's approval": lambda w, _: w.service.use.use(
        w.admin, "home", [key_use("guarded")], DIGESTS, approval_id=granted(w, w.caller("olaf")).id
    ),
    "a batch by an approval of nothing": lambda w, c: w.service.use.use(
        c, "home", [key_use("guarded")], DIGESTS, approval_id="no such"
    ),
    "its value shown": lambda w, _: w.service.secrets.show(w.admin, "home", "guarded"),
    "an export": lambda w, _: w.service.transfer.export(w.admin, ExportRequest("home")),
    "an export of all versions": lambda w, _: w.service.transfer.export(
        w.admin, ExportRequest("home", all_versions=True)
    ),
    "a wider visibility": lambda w, _: w.service.secrets.update(
        w.admin, "home", "guarded", SecretChange(visibility=Visibility.GLOBAL)
    ),
    "a provider": lambda w, _: _kept_elsewhere(w),
    "no protection": lambda w, _: w.service.secrets.update(
        w.admin, "home", "guarded", SecretChange(protected=False)
    ),
    "no protection with a new value": lambda w, _: w.service.secrets.update(
        w.admin, "home", "guarded", SecretChange(protected=False, value=SecretValue("other"))
    ),
    "an approval that waits": lambda w, c: run(w.service, c, asked(w, c)),
    "an approval that was denied": lambda w, c: run(w.service, c, _denied(w, c)),
    "an approval that has ended": lambda w, c: run(w.service, c, _ended(w, c)),
    "an approval of another user": lambda w, c: run(w.service, w.admin, granted(w, c)),
    "an approval for another bundle": lambda w, c: run(w.service, c, granted(w, c), "0" * 64),
    "a token for other keys": lambda w, c: run(
        w.service, w.caller("olaf", Scope(keys=("other_*",))), granted(w, c)
    ),
    "a token without the permission": lambda w, c: run(
        w.service, w.caller("olaf", Scope(permissions=frozenset({Permission.SECRET_LIST}))), granted(w, c)
    ),
    "a secret made again under the key": lambda w, c: run(w.service, c, _made_again(w, c)),
    "a membership that has ended": lambda w, c: run(w.service, c, _left(w, c)),
}
"""Ways to the value that are none."""


def _kept_elsewhere(world: World) -> None:
    far = {"url": "http://127.0.0.1:1", "token": "t", "path": "secret"}
    world.service.providers.create(world.admin, "home", "far", NewProvider("vault", far))
    world.service.secrets.update(world.admin, "home", "guarded", SecretChange(provider="far"))


def _denied(world: World, caller: Caller) -> Approval:
    return world.service.approvals.deny(world.caller("mia"), "home", granted(world, caller).id, "not now")


def _ended(world: World, caller: Caller) -> Approval:
    approval = granted(world, caller, lasts="1h")
    world.clock.now = "2030-01-01T01:00:00.000Z"
    return approval


def _made_again(world: World, caller: Caller) -> Approval:
    approval = granted(world, caller)
    world.service.secrets.delete(world.admin, "home", "guarded")
    new = NewSecret(value=SecretValue(VALUE), protected=True)
    world.service.secrets.create(world.admin, "home", "guarded", new)
    return approval


def _left(world: World, caller: Caller) -> Approval:
    approval = granted(world, caller)
    world.service.tenants.remove_member(world.admin, "home", caller.username)
    return approval


def test_an_import_moves_no_protected_secret_to_a_provider(world: World, asker: Caller) -> None:
    """Its value stays here, and the entry says why."""
    far = {"url": "http://127.0.0.1:1", "token": "t", "path": "secret"}
    world.service.providers.create(world.admin, "home", "far", NewProvider("vault", far))
    entry = ImportEntry("guarded", "home", (), provider="far")
    done = world.service.transfer.import_(world.admin, ImportRequest("home", [entry], override=True))
    assert (done.stored, {place: list(words) for place, words in done.errors.items()}) == (
        0,
        {0: ["provider"]},
    )
    assert VALUE in run(world.service, asker, granted(world, asker))


def test_who_could_read_it_by_an_approval(world: World, asker: Caller) -> None:
    """The reports say that a right to use it is not all that it takes, and that it is shown to nobody."""
    found = world.service.access.who_can(world.admin, "home", "guarded")
    assert asker.username in {reader.username for reader in found.readers}
    assert all(Ground.APPROVAL in reader.grounds and not reader.show for reader in found.readers)


@pytest.mark.parametrize("way", AROUND)
def test_every_way_around_is_refused(world: World, asker: Caller, way: str) -> None:
    """Whoever asks, nothing that comes back has the value, and a refusal for the protection says so."""
    refusal: Any = None
    try:
        answer = AROUND[way](world, asker)
    except (NotPermittedError, ConflictError, NotFoundError, BlueprintError, InvalidRequestError) as error:
        refusal = error
    else:
        assert VALUE not in _revealed(answer)
        refusal = getattr(answer, "refusals", {}).get("guarded")
        if refusal is not None:
            assert refusal.verdict is Verdict.PROTECTED
        else:
            assert (answer.secrets, answer.left_out) == ((), 1)
    assert VALUE not in str(refusal)
    if isinstance(refusal, BlueprintError):
        assert {problem.reason for problem in refusal.problems} <= {
            Reason.APPROVAL_NEEDED,
            Reason.NOT_PERMITTED,
        }


def _revealed(answer: object) -> str:
    secrets = getattr(answer, "secrets", ())
    values = secrets.values() if isinstance(secrets, dict) else secrets
    return str([getattr(one, "value", one) for one in values])


@pytest.mark.parametrize(
    ("changed", "of"),
    [
        ("text", lambda b: replace(b, blueprints=[replace(b.blueprints[0], text=TEXT + "#")])),
        ("name", lambda b: replace(b, blueprints=[replace(b.blueprints[0], name="other.yaml")])),
        (
            "import",
            lambda b: replace(
                b, blueprints=[replace(b.blueprints[0], files={"types/own.yaml": "node_types: {} \n"})]
            ),
        ),
        ("input", lambda b: replace(b, inputs={"zone": BundledInput("nortH")})),
        ("typed input", lambda b: replace(b, inputs={"zone": BundledInput("north", "north")})),
        ("context", lambda b: replace(b, context={"deployment": {"id": "shop2"}})),
        ("option", lambda b: replace(b, partial=True)),
    ],
)
def test_a_changed_byte_is_another_bundle(world: World, asker: Caller, changed: str, of: Any) -> None:  # noqa: ANN401 - a function
    """What was approved is text, imports, inputs, context and options together."""
    approval, other = granted(world, asker), of(BUNDLE)
    assert other.digest != BUNDLE.digest, changed
    with pytest.raises(ConflictError, match="another text, import, input or context"):
        run(world.service, asker, approval, other.digest)
    assert asked(world, asker, other).id != approval.id
    assert VALUE in run(world.service, asker, approval)


def test_what_was_withdrawn_fills_nothing(embedded: World) -> None:
    """Each request keeps a bundle: of one user's that are over, the latest stay."""
    embedded.service.secrets.create(
        embedded.admin, "home", "guarded", NewSecret(value=SecretValue(VALUE), protected=True)
    )
    olaf = embedded.user("olaf", home=TenantRole.OPERATIONS)
    approvals, number = embedded.service.approvals, 25
    for zone in range(number):
        request = asked(embedded, olaf, replace(BUNDLE, inputs={"zone": BundledInput(zone)}))
        approvals.deny(olaf, "home", request.id)
        embedded.clock.now = later(embedded.clock(), 1)
    kept = approvals.list(olaf, "home")
    assert len(kept) == 21
    assert kept[0].id == request.id


@pytest.mark.parametrize("where", ["text", "input", "file"])
def test_what_reads_otherwise_than_it_is(embedded: World, where: str) -> None:
    """Who decides is shown the characters, and these move others; as escapes they do not."""
    main = BUNDLE.blueprints[0]
    turned = {
        "text": replace(BUNDLE, blueprints=[replace(main, text=f"{TEXT}# \u202e txet\n")]),
        "input": replace(BUNDLE, inputs={"zone": BundledInput("a\u2066b")}),
        "file": replace(BUNDLE, blueprints=[replace(main, files={"types/own.yaml": "a: \u200fb\n"})]),
    }[where]
    with pytest.raises(InvalidRequestError, match="direction of text"):
        asked(embedded, embedded.admin, turned)
    written = replace(BUNDLE, blueprints=[replace(main, text=f'{TEXT}x: "\\u202e"\n')])
    assert asked(embedded, embedded.admin, written).state is ApprovalState.NOT_NEEDED


@pytest.mark.parametrize("permission", [None, Permission.SECRET_UPDATE])
def test_who_may_not_decide_protects_nothing(embedded: World, permission: Permission | None) -> None:
    """Else whoever may change secrets stops all deployments that use them."""
    embedded.user("una", home=TenantRole.USER)
    una = embedded.caller("una", Scope(permissions=permission and frozenset({permission})))
    embedded.secret("k")
    with pytest.raises(NotPermittedError, match="approvals"):
        embedded.service.secrets.update(una, "home", "k", SecretChange(protected=True))
    with pytest.raises(NotPermittedError):
        embedded.service.secrets.create(una, "home", "n", NewSecret(value=SecretValue("x"), protected=True))
    manager = embedded.user("max", home=TenantRole.MANAGER)
    assert embedded.service.secrets.update(manager, "home", "k", SecretChange(protected=True)).protected_at


def test_two_blueprints_of_one_name(embedded: World) -> None:
    """Who decides would be shown the text of one for the calls of the other."""
    twice = replace(BUNDLE, blueprints=[*BUNDLE.blueprints, BundledBlueprint("main.yaml", "a: 1\n")])
    with pytest.raises(InvalidRequestError, match="have one name"):
        asked(embedded, embedded.admin, twice)


def test_who_asks_does_not_grant(world: World, asker: Caller) -> None:
    """A manager, who is not the one that asked, in a session whose password was just given."""
    service = world.service.approvals
    request, wanted = asked(world, asker), ApprovalGrant()
    mia = person(world, "mia")
    refused: list[tuple[Caller, type[Exception]]] = [
        (asker, NotPermittedError),
        (person(world, "olaf"), NotPermittedError),
        (world.caller("mia"), UnconfirmedError),
        (world.caller("mia", Scope(permissions=frozenset({Permission.APPROVAL_GRANT}))), NotPermittedError),
        (replace(mia, confirmed_at="2029-12-31T23:54:59.000Z"), UnconfirmedError),
        (replace(mia, interactive=False), UnconfirmedError),
        (world.user("vic", away=TenantRole.MANAGER), NotPermittedError),
    ]
    for caller, error in refused:
        with pytest.raises(error):
            service.grant(caller, "home", request.id, wanted)
    own = asked(world, mia, replace(BUNDLE, evaluate=False))
    with pytest.raises(NotPermittedError, match="who asks for an approval can't grant it"):
        service.grant(mia, "home", own.id, wanted)
    assert service.get(asker, "home", request.id).state is ApprovalState.PENDING
    assert service.grant(mia, "home", request.id, wanted).decided_by == "mia"
    with pytest.raises(ConflictError, match="is granted"):
        service.grant(mia, "home", request.id, wanted)


@pytest.mark.parametrize("lasts", ["31d", "2029-01-01", "soon"])
def test_a_grant_ends(world: World, asker: Caller, lasts: str) -> None:
    """Thirty days at most, and ahead."""
    with pytest.raises(InvalidRequestError):
        granted(world, asker, lasts=lasts)


def test_requests_are_seen_by_who_asked_and_who_decides(world: World, asker: Caller) -> None:
    """Others do not learn that there is one; the bundle is shown with its calls in place."""
    service, request = world.service.approvals, asked(world, asker)
    assert asked(world, asker) == request
    other = world.user("otto", home=TenantRole.USER)
    assert service.list(other, "home") == []
    for ask in (service.get, service.details, service.deny):
        with pytest.raises(NotFoundError):
            ask(other, "home", request.id)
        with pytest.raises(NotFoundError):
            ask(world.admin, "away", request.id)
    mia = world.caller("mia")
    assert service.list(mia, "home") == service.list(asker, "home") == [request]
    details = service.details(mia, "home", request.id)
    assert details.bundle == BUNDLE
    assert [(one.key, one.line, one.column, one.protected) for one in details.calls] == [
        ("guarded", 7, 6, True)
    ]


def test_the_end_of_a_protection_needs_another_person(world: World, asker: Caller) -> None:
    """Whoever may change the secret asks for it, and somebody else who may grant makes it so."""
    service = world.service.approvals
    with pytest.raises(NotPermittedError):
        service.request(asker, "home", ApprovalRequest(unprotect="guarded"))
    request = service.request(world.admin, "home", ApprovalRequest(unprotect="guarded"))
    assert (request.keys, request.digest) == (["guarded"], None)
    admin = world.service.gate.authenticate_password("admin", "admin password")
    with pytest.raises(NotPermittedError, match="who asks"):
        service.grant(admin, "home", request.id, ApprovalGrant())
    with pytest.raises(ApprovalNeededError):
        service.resolve(world.admin, "home", request.id, "0" * 64)
    done = service.grant(person(world, "mia"), "home", request.id, ApprovalGrant())
    assert done.state is ApprovalState.SPENT
    secret, value = world.service.secrets.show(world.admin, "home", "guarded")
    assert secret.protected_at is None
    assert value == SecretValue(VALUE)


def test_what_needs_no_approval_is_not_asked_for(world: World, asker: Caller) -> None:
    """Nothing is stored, and nobody is bothered."""
    world.secret("open")
    bundle = Bundle(blueprints=[BundledBlueprint("a.yaml", "a: {get_secret: open}\n")])
    answer = asked(world, asker, bundle)
    assert (answer.id, answer.state) == ("", ApprovalState.NOT_NEEDED)
    assert world.service.approvals.list(world.admin, "home") == []


@pytest.mark.two_databases
def test_the_last_use_is_given_once(world: World, asker: Caller) -> None:
    """Of twelve who use it at the same time on two servers, one gets the value; the others a refusal."""
    approval = granted(world, asker)
    services = [world.service, world.reopened()]
    together = threading.Barrier(12)
    got: list[str] = []

    def attempt(number: int) -> None:
        together.wait()
        try:
            got.append(run(services[number % 2], asker, approval))
        except (ApprovalNeededError, BlueprintError, ConflictError) as error:
            got.append(type(error).__name__)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    services[1].close()
    assert len(got) == len(threads)
    assert [VALUE in one for one in got].count(True) == 1
    uses = [
        one
        for one in told(world.service.trail.records(world.admin, "home"))
        if one["action"] == "secret:use" and one["decision"] == "allowed"
    ]
    assert len(uses) == 1


@pytest.mark.usefixtures("asker")
def test_a_workload_asks_and_who_made_its_trust_does_not_grant(world: World) -> None:
    """Another run of the same trust may use it, a person or another trust as the same user may not."""
    service = world.service.approvals
    world.service.secrets.create(
        world.admin, "home", "k_guarded", NewSecret(value=SecretValue(VALUE), protected=True)
    )
    bundle = Bundle(blueprints=[BundledBlueprint("k.yaml", "a: {get_secret: k_guarded}\n")])
    trusting(world)
    trusting(world, "other", claims=[ClaimRule("sub", "another")])
    request = service.request(exchanged(world), "home", ApprovalRequest(bundle))
    assert request.requested_by == ROBOT
    maker = world.service.gate.authenticate_password("admin", "admin password")
    with pytest.raises(NotPermittedError, match="nor who made the trust"):
        service.grant(maker, "home", request.id, ApprovalGrant())
    service.grant(person(world, "mia"), "home", request.id, ApprovalGrant())
    for caller in (world.caller(ROBOT), exchanged(world, jwt(world, sub="another", jti="2"), "other")):
        with pytest.raises(ApprovalNeededError, match="another one asked"):
            service.resolve(caller, "home", request.id, bundle.digest)
    again = exchanged(world, jwt(world, jti="3"), "shop")
    assert VALUE in service.resolve(again, "home", request.id, bundle.digest).text
