"""Versions: history, rollback, retention, compare-and-set; times, owners and schemas of secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import asdict

from resolver.core.model import SecretValue, Visibility
from resolver.core.permissions import SystemRole, TenantRole
from resolver.core.secret_changes import UNCHANGED, NewSecret, SecretChange
from resolver.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    NotPermittedError,
    SchemaMismatchError,
)
from resolver.service import Service
from resolver.service.base import Rules
from resolver.service.versions import Version

if TYPE_CHECKING:
    from tests.databases import World

PORT = json.dumps({"type": "object", "properties": {"port": {"type": "integer"}}, "required": ["port"]})


def value_of(world: World, key: str = "k") -> str:
    """A secret's value, as its administrator sees it."""
    _, value = world.service.secrets.show(world.admin, "home", key)
    assert value is not None
    return value.reveal()


def test_history_says_who_and_when_and_no_value(world: World) -> None:
    """Each version with its maker and time; whoever may list sees it, also when the value is hidden."""
    user = world.user("u", home=TenantRole.USER)
    world.secret("k", "first value")
    world.clock.now = "2030-01-02T00:00:00.000Z"
    world.service.secrets.update(user, "home", "k", SecretChange(value=SecretValue("second value")))
    viewer = world.user("v", home=TenantRole.VIEWER)
    history = world.service.secrets.history(viewer, "home", "k")
    assert history == [
        Version(1, "2030-01-01T00:00:00.000Z", "admin", current=False),
        Version(2, "2030-01-02T00:00:00.000Z", "u", current=True),
    ]
    assert "value" not in repr(history)
    world.secret("p", visibility=Visibility.PRIVATE)
    for key in ("p", "nothing"):
        with pytest.raises(NotFoundError, match=rf"^secret '{key}' was not found in tenant 'home'$"):
            world.service.secrets.history(viewer, "home", key)


def test_rollback_is_a_new_version(world: World) -> None:
    """The earlier value is current again under a new number; all versions stay, and the trail tells."""
    secrets = world.service.secrets
    world.secret("k", "first")
    secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("second")))
    assert secrets.rollback(world.admin, "home", "k", 1).version == 3
    assert value_of(world) == "first"
    assert [version.number for version in secrets.history(world.admin, "home", "k")] == [1, 2, 3]
    last = [json.loads(record.body) for record in world.service.trail.records(world.admin, "home")][-2]
    assert (last["action"], last["rollback_to"], last["version"]) == ("secret:update", 1, 3)


def test_rollback_refused(world: World) -> None:
    """To a version that is not there, to the current one, by whoever may not update, and when overtaken."""
    secrets = world.service.secrets
    world.secret("k", "first", hidden=True)
    secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("second")))
    with pytest.raises(NotFoundError, match=r"^secret 'k' has no version 7$"):
        secrets.rollback(world.admin, "home", "k", 7)
    with pytest.raises(ConflictError, match=r"^version 2 is the current version of secret 'k'$"):
        secrets.rollback(world.admin, "home", "k", 2)
    with pytest.raises(ConflictError, match=r"^secret 'k' has version 2, not 1$"):
        secrets.rollback(world.admin, "home", "k", 1, if_version=1)
    other = world.user("o", home=TenantRole.USER)
    with pytest.raises(NotPermittedError, match=r"is not permitted to change the hidden secret 'k'$"):
        secrets.rollback(other, "home", "k", 1)
    assert value_of(world) == "second"


def test_only_so_many_versions_are_kept(world: World) -> None:
    """With a setting, each new version drops those beyond it, and only those."""
    rules = Rules(keep_versions=2)
    service = Service(world.store, world.ring, lambda: world.passwords, world.clock, rules=rules)
    world.secret("other")
    world.secret("k", "1")
    for value in ("2", "3", "4"):
        service.secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue(value)))
    kept = service.secrets.history(world.admin, "home", "k")
    assert [version.number for version in kept] == [3, 4]
    assert len(service.secrets.history(world.admin, "home", "other")) == 1
    with pytest.raises(NotFoundError, match=r"^secret 'k' has no version 1$"):
        service.secrets.rollback(world.admin, "home", "k", 1)
    assert service.secrets.rollback(world.admin, "home", "k", 3).version == 5
    assert value_of(world) == "3"


def test_a_change_meant_for_another_version_is_a_conflict(world: World) -> None:
    """Compare-and-set: value, attributes and deletion are refused, and done with the current number."""
    secrets = world.service.secrets
    world.secret("k", "first")
    for attempt in (
        lambda: secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("x"), if_version=2)),
        lambda: secrets.update(world.admin, "home", "k", SecretChange(hidden=True, if_version=2)),
        lambda: secrets.delete(world.admin, "home", "k", if_version=2),
    ):
        with pytest.raises(ConflictError, match=r"^secret 'k' has version 1, not 2$"):
            attempt()
    assert (value_of(world), secrets.show(world.admin, "home", "k")[0].hidden) == ("first", False)
    assert (
        secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("x"), if_version=1)).version
        == 2
    )
    secrets.delete(world.admin, "home", "k", if_version=2)


def test_times(world: World) -> None:
    """Expiry and rotation are stored, changed and taken away; a new value starts the days anew."""
    secrets = world.service.secrets
    expiry = "2030-02-01T00:00:00.000Z"
    made = secrets.create(
        world.admin, "home", "k", NewSecret(value=SecretValue("1"), expires_at=expiry, rotate_after=10)
    )
    assert (made.expires_at, made.rotate_at) == (expiry, "2030-01-11T00:00:00.000Z")
    world.clock.now = "2030-01-05T00:00:00.000Z"
    changed = secrets.update(world.admin, "home", "k", SecretChange(rotate_after=20))
    assert (changed.version, changed.rotate_at) == (1, "2030-01-21T00:00:00.000Z")
    changed = secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("2")))
    assert (changed.expires_at, changed.rotate_at) == (expiry, "2030-01-25T00:00:00.000Z")
    (listed,) = secrets.list(world.admin, "home").items
    assert asdict(listed) | {"unchanged": False} == asdict(changed)
    changed = secrets.update(world.admin, "home", "k", SecretChange(expires_at=None, rotate_after=None))
    assert (changed.expires_at, changed.rotate_after, changed.rotate_at) == (None, None, None)
    assert (
        secrets.update(world.admin, "home", "k", SecretChange(hidden=True, expires_at=UNCHANGED)).expires_at
        is None
    )
    for attempt in (
        lambda: secrets.update(world.admin, "home", "k", SecretChange(expires_at="tomorrow")),
        lambda: secrets.update(world.admin, "home", "k", SecretChange(rotate_after=0)),
        lambda: secrets.create(
            world.admin, "home", "l", NewSecret(value=SecretValue("1"), rotate_after=36_501)
        ),
    ):
        with pytest.raises(InvalidRequestError):
            attempt()


def test_giving_a_secret_away(world: World) -> None:
    """A sys_admin does, nobody else; the new owner need not be a member, and the old one loses the view."""
    secrets = world.service.secrets
    old = world.user("old", home=TenantRole.USER)
    new = world.user("new", home=TenantRole.USER)
    secrets.create(old, "home", "k", NewSecret(value=SecretValue("value"), visibility=Visibility.PRIVATE))
    for caller in (old, world.user("manager", home=TenantRole.MANAGER)):
        with pytest.raises(NotPermittedError, match=r"is not permitted to give a secret to another user in"):
            secrets.update(caller, "home", "k", SecretChange(owner="new"))
    with pytest.raises(NotFoundError, match=r"^user 'nobody' does not exist$"):
        secrets.update(world.admin, "home", "k", SecretChange(owner="nobody"))
    assert secrets.update(world.admin, "home", "k", SecretChange(owner="NEW")).owner.name == "new"
    assert secrets.show(new, "home", "k")[1] is not None
    with pytest.raises(NotFoundError):
        secrets.show(old, "home", "k")
    world.user("outside", system_role=SystemRole.DEFAULT)
    assert (
        secrets.update(
            world.admin, "home", "k", SecretChange(owner="outside", value=SecretValue("2"))
        ).version
        == 2
    )
    with pytest.raises(NotPermittedError):  # an owner has no rights where they are no member
        secrets.show(world.caller("outside"), "home", "k")


@pytest.mark.slow
def test_a_value_keeps_to_its_schema(world: World) -> None:
    """On create, update, rollback and update-if-exists; the JSON text is stored as it was given."""
    secrets = world.service.secrets
    text = '{"port" : 1}'
    made = secrets.create(world.admin, "home", "k", NewSecret(value=SecretValue(text), schema=PORT))
    assert made.schema is not None
    assert json.loads(made.schema) == json.loads(PORT)
    assert value_of(world) == text
    for value in ('{"port": "kept-back"}', "kept-back")[: 1 + world.url.startswith("sqlite")]:
        for attempt in (
            lambda value=value: secrets.update(
                world.admin, "home", "k", SecretChange(value=SecretValue(value))
            ),
            lambda value=value: secrets.create(
                world.admin, "home", "k", NewSecret(value=SecretValue(value), update_if_exists=True)
            ),
            lambda value=value: secrets.create(
                world.admin, "home", "other", NewSecret(value=SecretValue(value), schema=PORT)
            ),
        ):
            with pytest.raises(SchemaMismatchError) as caught:
                attempt()
            assert "kept-back" not in f"{caught.value} {caught.value.hint}"
            assert caught.value.__context__ is None or "kept-back" not in repr(caught.value.__context__)
    assert (
        secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue('{"port": 2}'))).version == 2
    )
    assert secrets.rollback(world.admin, "home", "k", 1).version == 3
    assert secrets.list(world.admin, "home").total == 1


def test_whoever_may_not_update_does_not_learn_the_schema(world: World) -> None:
    """The decision comes before the schema."""
    world.service.secrets.create(
        world.admin, "home", "k", NewSecret(value=SecretValue("1"), schema='{"type": "integer"}', hidden=True)
    )
    other = world.user("o", home=TenantRole.USER)
    with pytest.raises(NotPermittedError):
        world.service.secrets.update(other, "home", "k", SecretChange(value=SecretValue("text")))
