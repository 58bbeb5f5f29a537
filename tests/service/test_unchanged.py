"""The same value again: no version for who may be shown it; for others nothing tells that it is the same."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.audit import AuditQuery
from resolver.core.model import FULL_SCOPE, Scope, SecretValue
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.transfer import ImportEntry, ImportRequest, VersionWithValue
from resolver.errors import InvalidRequestError
from resolver.service.decryption import Opener

if TYPE_CHECKING:
    from resolver.core.model import Caller
    from tests.databases import World

VALUE = "the value that is stored"
AT, LATER = "2030-01-01T00:00:00.000Z", "2030-01-02T00:00:00.000Z"
DUE, DUE_LATER = "2030-01-31T00:00:00.000Z", "2030-02-01T00:00:00.000Z"

NO_SHOW = frozenset({Permission.SECRET_CREATE, Permission.SECRET_IMPORT, Permission.SECRET_UPDATE})
SCOPES = {
    "whole": FULL_SCOPE,
    "without show": Scope(permissions=NO_SHOW),
    "key": Scope(keys=("k*",)),
    "key, without show": Scope(permissions=NO_SHOW, keys=("k",)),
}
WAYS = ("update", "create", "import")


def store(world: World, caller: Caller, way: str, text: str, *, rotated: bool = False) -> tuple[int, bool]:
    """Give secret `k` a value; its version then, and whether it was said to be unchanged."""
    service, value = world.service, SecretValue(text)
    if way == "update":
        done = service.secrets.update(caller, "home", "k", SecretChange(value=value, rotated=rotated))
    elif way == "create":
        new = NewSecret(value=value, update_if_exists=True, rotated=rotated)
        done = service.secrets.create(caller, "home", "k", new)
    else:
        hidden = service.secrets.show(world.admin, "home", "k")[0].hidden
        entry = ImportEntry("k", "home", [VersionWithValue(1, value)], hidden=hidden)
        wanted = ImportRequest("home", [entry], override=True, rotated=rotated)
        imported = service.transfer.import_(caller, wanted)
        assert (imported.stored, imported.errors) == (1, {})
        return service.secrets.show(world.admin, "home", "k")[0].version, imported.unchanged == 1
    return done.version, done.unchanged


def records(world: World, after: int | None = None) -> list[dict[str, Any]]:
    """What the tenant's trail has behind a record, without what differs from record to record anyway."""
    query = AuditQuery(after=after)
    found = [json.loads(record.body) for record in world.service.trail.stream(world.admin, "home", query)]
    return [one for one in found if one["action"] in ("secret:update", "secret:create", "secret:import")]


@pytest.mark.parametrize("way", WAYS)
def test_the_same_value_makes_no_version(world: World, way: str) -> None:
    """It keeps its times, and what was compared is on record; renewed on purpose it is a new version."""
    new = NewSecret(value=SecretValue(VALUE), rotate_after=30)
    world.service.secrets.create(world.admin, "home", "k", new)
    world.clock.now = LATER
    assert store(world, world.admin, way, VALUE) == (1, True)
    kept = world.service.secrets.show(world.admin, "home", "k")[0]
    assert (kept.updated_at, kept.rotate_at) == (AT, DUE)
    assert [one.get("compared") for one in records(world)] == [None, True, None]
    assert store(world, world.admin, way, VALUE, rotated=True) == (2, False)
    assert [one.get("compared") for one in records(world)] == [None, True, None, None]
    assert world.service.secrets.show(world.admin, "home", "k")[0].rotate_at == DUE_LATER
    assert store(world, world.admin, way, "another") == (3, False)


def test_other_fields_are_changed_all_the_same(embedded: World) -> None:
    """A change with the same value and another description changes that alone."""
    embedded.secret("k", VALUE)
    embedded.clock.now = LATER
    change = SecretChange(value=SecretValue(VALUE), description="what it is for")
    done = embedded.service.secrets.update(embedded.admin, "home", "k", change)
    assert (done.version, done.unchanged, done.description) == (1, True, "what it is for")
    assert done.updated_at == LATER
    with pytest.raises(InvalidRequestError, match=r"^a value was said to be renewed, and none was given$"):
        embedded.service.secrets.update(
            embedded.admin, "home", "k", SecretChange(description="x", rotated=True)
        )


def test_an_import_of_all_there_is_keeps_the_times_of_the_value(embedded: World) -> None:
    """The days that an entry gives are counted from when the value came, not from the import."""
    embedded.secret("k", VALUE)
    embedded.clock.now = LATER
    versions = [VersionWithValue(1, SecretValue(VALUE))]
    entry = ImportEntry("k", "home", versions, rotate_after=30, whole=True)
    done = embedded.service.transfer.import_(embedded.admin, ImportRequest("home", [entry], override=True))
    assert (done.stored, done.unchanged) == (1, 1)
    secret = embedded.service.secrets.show(embedded.admin, "home", "k")[0]
    assert (secret.version, secret.rotate_at, secret.updated_at) == (1, DUE, LATER)


def test_who_may_not_be_shown_a_value_learns_of_no_equality(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By role, owner, hiding and token: nothing is decrypted, answered or recorded differently for them."""
    opened: list[str] = []
    plain_open = Opener.open

    def spying(self: Opener, caller: Caller, *arguments: Any, **more: Any) -> SecretValue:  # noqa: ANN401
        opened.append(caller.username)
        return plain_open(self, caller, *arguments, **more)

    monkeypatch.setattr(Opener, "open", spying)
    world, users = embedded, {"root": (None, SystemRole.SYS_ADMIN)}
    users |= {role.value: (role, SystemRole.DEFAULT) for role in (TenantRole.MANAGER, TenantRole.USER)}
    for name, (role, system) in users.items():
        world.user(name, role, system_role=system)
    seen = 0
    for name, hidden, mine, (scope, narrow) in itertools.product(
        users, (False, True), (False, True), SCOPES.items()
    ):
        if name == "user" and hidden and not mine:
            continue  # may not change it at all
        owner, caller = world.caller(name) if mine else world.admin, world.caller(name, narrow)
        told = {}
        for way, text in itertools.product(WAYS, (VALUE, "another")):
            new = NewSecret(value=SecretValue(VALUE), hidden=hidden)
            world.service.secrets.create(owner, "home", "k", new)
            before = world.service.trail.head(world.admin, "home").number
            opened.clear()
            done = store(world, caller, way, text)
            made = [
                {field: told for field, told in one.items() if field not in ("secret_id", "rows")}
                | {"keys": [key | {"secret_id": ""} for key in one.get("keys", ())]}
                for one in records(world, before)
            ]
            told[way, text] = (done, made, opened.count(name))
            world.service.secrets.delete(world.admin, "home", "k")
        for way in WAYS:
            case = (name, hidden, mine, scope, way)
            same, other = told[way, VALUE], told[way, "another"]
            if "without show" in scope:
                assert same == other, case
                assert (same[0], len(same[1]), same[2]) == ((2, False), 1, 0), case
                seen += 1
            else:
                assert (same[0], other[0]) == ((1, True), (2, False)), case
                assert (len(same[1]), len(other[1]), same[2]) == (2, 2, 1), case
    assert seen


@pytest.mark.parametrize("way", WAYS)
def test_a_right_that_is_lost_meanwhile_is_gone(
    embedded: World, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may not be shown the value any more once it is compared makes a version, as others do."""
    caller = embedded.user("u", home=TenantRole.MANAGER)
    owned = NewSecret(value=SecretValue(VALUE))
    embedded.service.secrets.create(embedded.admin, "home", "k", owned)
    asked: list[bool] = []

    def is_shown(*_: object) -> bool:
        asked.append(True)
        return len(asked) == 1

    for module in ("secret_change", "secrets", "import_plan"):
        monkeypatch.setattr(f"resolver.service.{module}.is_shown", is_shown)
    assert store(embedded, caller, way, VALUE) == (2, False)
    assert len(asked) == 2


@pytest.mark.parametrize("way", WAYS)
def test_a_value_that_does_not_open_is_replaced(embedded: World, way: str) -> None:
    """What can't be compared is another value: storing a new one mends it, as it always did."""
    embedded.secret("k", VALUE)
    embedded.secret("other", VALUE)
    embedded.execute(
        "UPDATE secret_version SET token = (SELECT token FROM secret_version v JOIN secret s"
        " ON s.id = v.secret_id WHERE s.key = 'other')"
        " WHERE secret_id = (SELECT id FROM secret WHERE key = 'k')"
    )
    embedded.vouch("secret")
    service = embedded.service.secrets
    if way == "import":
        entry = ImportEntry("k", "home", [VersionWithValue(1, SecretValue(VALUE))])
        embedded.service.transfer.import_(embedded.admin, ImportRequest("home", [entry], override=True))
    else:
        assert store(embedded, embedded.admin, way, VALUE) == (2, False)
    secret, value = service.show(embedded.admin, "home", "k")
    assert (secret.version, value) == (2, SecretValue(VALUE))
