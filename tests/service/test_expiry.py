"""Expired secrets: used with a warning, or refused by setting, and told by a check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.core.location import Position
from resolver.core.model import Scope, SecretValue
from resolver.core.permissions import Permission, TenantRole
from resolver.core.policy import Verdict
from resolver.core.query import Listing
from resolver.core.secret_changes import NewSecret
from resolver.dsl.problems import Reason
from resolver.errors import BlueprintError, NotPermittedError
from resolver.resolution import BlueprintText, Options, check, resolve
from resolver.service import Service
from resolver.service.base import Rules
from tests.service.uses import DIGESTS, key_use
from tests.told import told

if TYPE_CHECKING:
    from tests.databases import World

START = "2030-01-01T00:00:00.000Z"
DUE = "2030-01-02T00:00:00.000Z"
EXPIRY = "2030-02-01T00:00:00.000Z"
TEXT = [BlueprintText("b.yaml", b"a: {get_secret: k}\nb: {get_secret: fresh}\n", Path())]


def expire(world: World) -> None:
    """A secret that expires, and one that is due; then time passes."""
    world.service.secrets.create(
        world.admin, "home", "k", NewSecret(value=SecretValue("value"), expires_at=EXPIRY)
    )
    world.service.secrets.create(
        world.admin, "home", "fresh", NewSecret(value=SecretValue("value"), rotate_after=1)
    )
    world.clock.now = EXPIRY  # from this very moment


def test_an_expired_secret_is_used_with_a_warning(embedded: World) -> None:
    """The blueprint is resolved, and warnings say where which secret is late, and since when; once."""
    expire(embedded)
    resolution = resolve(embedded.service, embedded.admin, "home", TEXT)
    assert [(one.reason, one.message, one.position) for one in resolution.warnings] == [
        ("secret_expired", f"secret 'k' has expired, at {EXPIRY}", Position(1, 4)),
        ("secret_due", f"the value of secret 'fresh' should have been replaced by {DUE}", Position(2, 4)),
    ]
    found = check(embedded.service, embedded.admin, "home", TEXT)
    assert found.warnings == resolution.warnings
    assert [(call.usable, call.expired, call.due) for call in found.calls] == [
        (True, True, False),
        (True, False, True),
    ]


@pytest.mark.parametrize("reason", [Reason.EXPIRED, Reason.DUE])
def test_a_run_can_fail_on_it_before_it_uses_anything(embedded: World, reason: Reason) -> None:
    """Nothing is decrypted, which the trail shows: it has no record of a use."""
    expire(embedded)
    before = len(told(embedded.service.trail.records(embedded.admin, "home")))
    options = Options(fail_on=frozenset({reason}))
    with pytest.raises(BlueprintError) as caught:
        resolve(embedded.service, embedded.admin, "home", TEXT, options)
    assert [one.reason for one in caught.value.problems] == [reason]
    assert len(told(embedded.service.trail.records(embedded.admin, "home"))) == before
    found = check(embedded.service, embedded.admin, "home", TEXT, options)
    assert found.problems == caught.value.problems
    assert len(found.warnings) == 1


def test_one_that_is_not_late_is_used(embedded: World) -> None:
    """A run that would fail on it warns of nothing, and uses the secrets once."""
    expire(embedded)
    embedded.clock.now = START
    options = Options(fail_on=frozenset({Reason.EXPIRED, Reason.DUE}))
    resolution = resolve(embedded.service, embedded.admin, "home", TEXT, options)
    assert (resolution.warnings, len(resolution.uses)) == ((), 2)


def test_unused_secrets_are_reported_by_a_check(embedded: World) -> None:
    """Those of the tenant that no blueprint of the run names; only for who may list, and when asked for."""
    expire(embedded)
    options = Options(fail_on=frozenset({Reason.UNUSED}))
    text = [BlueprintText("b.yaml", b"a: {get_secret: k}\n", Path())]
    assert check(embedded.service, embedded.admin, "home", TEXT, options).problems == ()
    (problem,) = check(embedded.service, embedded.admin, "home", text, options).problems
    assert (problem.reason, problem.key) == ("secret_unused", "fresh")
    warned = check(embedded.service, embedded.admin, "home", text).warnings
    assert Reason.UNUSED not in {one.reason for one in warned}
    embedded.user("u", home=TenantRole.USER)
    token = embedded.caller("u", Scope(permissions=frozenset({Permission.SECRET_USE})))
    with pytest.raises(NotPermittedError):
        check(embedded.service, token, "home", text, options)


def test_a_list_of_what_ends_soon(embedded: World) -> None:
    """Expired and due ones, and those that will be by a time; no others."""
    expire(embedded)
    embedded.service.secrets.create(embedded.admin, "home", "stays", NewSecret(value=SecretValue("value")))

    def ending(by: str) -> list[str]:
        page = embedded.service.secrets.list(embedded.admin, "home", Listing(ends_by=by))
        return [secret.key for secret in page.items]

    assert ending(START) == []
    assert ending(DUE) == ["fresh"]
    assert sorted(ending(EXPIRY)) == ["fresh", "k"]


def test_by_setting_it_is_refused(world: World) -> None:
    """Nothing is decrypted, the reason is on record, and a check tells the same."""
    expire(world)
    rules = Rules(refuse_expired=True)
    service = Service(world.store, world.ring, lambda: world.passwords, world.clock, rules=rules)
    answer = service.use.use(world.admin, "home", [key_use("k"), key_use("fresh")], DIGESTS)
    assert {key: refusal.verdict for key, refusal in answer.refusals.items()} == {"k": Verdict.EXPIRED}
    assert answer.secrets == {}
    records = told(service.trail.records(world.admin, "home"))
    assert [(one["key"], one["decision"], one["reason"]) for one in records[-2:]] == [
        ("k", "refused", "has_expired"),
        ("fresh", "allowed", "allowed"),
    ]
    with pytest.raises(BlueprintError) as caught:
        resolve(service, world.admin, "home", TEXT)
    (problem,) = caught.value.problems
    assert (problem.reason, problem.message) == ("secret_expired", "secret 'k' of tenant 'home' has expired")
    assert check(service, world.admin, "home", TEXT).problems == (problem,)
    viewer = world.user("v", home=TenantRole.VIEWER)
    status = service.use.check(viewer, "home", ["k"])["k"]
    assert status.refusal is not None
    assert status.refusal.verdict is Verdict.ROLE
    world.clock.now = "2030-01-31T23:59:59.999Z"
    assert service.use.use(world.admin, "home", [key_use("k")], DIGESTS).refusals == {}
