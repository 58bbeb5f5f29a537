"""Expired secrets: used with a warning, or refused by setting, and told by a check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resolver.core.model import SecretValue
from resolver.core.permissions import TenantRole
from resolver.core.policy import Verdict
from resolver.core.secret_changes import NewSecret
from resolver.errors import BlueprintError
from resolver.resolution import BlueprintText, check, resolve
from resolver.service import Service
from resolver.service.base import Rules
from tests.service.uses import DIGESTS, key_use
from tests.told import told

if TYPE_CHECKING:
    from tests.databases import World

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
    """The blueprint is resolved, and a note says which secret has expired, and when; once."""
    expire(embedded)
    resolution = resolve(embedded.service, embedded.admin, "home", TEXT)
    assert resolution.notes == (f"secret 'k' has expired, at {EXPIRY}",)
    found = check(embedded.service, embedded.admin, "home", TEXT)
    assert [(call.usable, call.expired, call.due) for call in found.calls] == [
        (True, True, False),
        (True, False, True),
    ]


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
