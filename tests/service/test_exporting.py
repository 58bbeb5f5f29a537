"""Exports and imports: what leaves, what arrives, what is refused entry by entry, and what is recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from resolver.bootstrap.transfer import read_cloudify, read_sealed, write_cloudify, write_sealed
from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import TenantRole
from resolver.core.providers import NewProvider
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.core.transfer import ExportRequest, ImportEntry, ImportRequest, VersionWithValue
from resolver.crypto.passphrase import Cost
from resolver.errors import InvalidRequestError, NotPermittedError
from resolver.transfer import sealed
from tests.peer import answer, serving
from tests.told import told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resolver.core.model import Caller
    from tests.databases import World

pytestmark = pytest.mark.slow

PASSPHRASE = "correct horse"
CHEAP = Cost(memory=64, passes=1, lanes=1)


def entry(key: str = "k", /, **changes: object) -> dict[str, Any]:
    """An entry as Cloudify writes it; None leaves a field out."""
    whole = {
        "key": key,
        "value": "value",
        "visibility": "tenant",
        "tenant_name": "home",
        "is_hidden_value": False,
        "encrypted": False,
    } | changes
    return {name: value for name, value in whole.items() if value is not None}


def errors(
    world: World,
    caller: Caller,
    entries: Sequence[Any],
    *,
    passphrase: str | None = None,
    tenant_map: dict[str, str] | None = None,
    override: bool = False,
) -> dict[int, Any]:
    """What is wrong with entries, by position."""
    done = world.service.transfer.import_(
        caller,
        ImportRequest(
            "home", read_cloudify(entries, passphrase), tenant_map=tenant_map or {}, override=override
        ),
    )
    return dict(done.errors)


def value_of(world: World, key: str = "k", tenant: str = "home") -> str:
    """A secret's value, as its administrator sees it."""
    _, value = world.service.secrets.show(world.admin, tenant, key)
    assert value is not None
    return value.reveal()


def actions(world: World, action: str, tenant: str = "home") -> list[dict[str, Any]]:
    """The records of an action."""
    found = world.service.trail.records(world.admin, tenant)
    return told(record for record in found if record.action == action)


def test_what_is_sealed_comes_back_whole(world: World) -> None:
    """Values, versions, schema, hiding, times and owner go out and come into another tenant and store."""
    secrets, transfer = world.service.secrets, world.service.transfer
    user = world.user("u", home=TenantRole.USER)
    expiry = "2031-01-01T00:00:00.000Z"
    schema = '{"type": "integer"}'
    secrets.create(
        user,
        "home",
        "k",
        NewSecret(
            value=SecretValue("1"),
            visibility=Visibility.PRIVATE,
            hidden=True,
            schema=schema,
            expires_at=expiry,
        ),
    )
    world.clock.now = "2030-01-02T00:00:00.000Z"
    secrets.update(user, "home", "k", SecretChange(value=SecretValue("2"), rotate_after=10))
    found = transfer.export(world.admin, ExportRequest("home", all_versions=True))
    assert "'2'" not in repr(found)
    data = json.loads(json.dumps(write_sealed(found.secrets, PASSPHRASE, CHEAP)))
    assert sealed.is_sealed(data)
    incoming = read_sealed(data, PASSPHRASE)
    world.clock.now = "2030-02-01T00:00:00.000Z"
    done = transfer.import_(world.admin, ImportRequest("home", incoming, tenant_map={"home": "away"}))
    assert (done.stored, done.colliding, done.errors) == (1, {}, {})
    (before,), (after,) = (secrets.list(world.admin, name).items for name in ("home", "away"))
    assert after == replace(before, id=after.id, tenant=after.tenant)
    assert (after.owner.name, after.rotate_at) == ("u", "2030-01-12T00:00:00.000Z")
    assert value_of(world, tenant="away") == "2"
    history = secrets.history(world.admin, "away", "k")
    assert [(one.number, one.created_at[:10]) for one in history] == [(1, "2030-01-01"), (2, "2030-01-02")]
    assert secrets.rollback(world.admin, "away", "k", 1).version == 3
    with pytest.raises(InvalidRequestError, match=r"^the file does not open with this passphrase$"):
        read_sealed(data, "another horse")
    with pytest.raises(InvalidRequestError, match=r"^the file has a format that this version can't read$"):
        read_sealed(data | {"format": "blueprint-resolver secrets/9"}, PASSPHRASE)


def test_whoever_is_no_sys_admin_imports_as_their_own(world: World) -> None:
    """Owner and times of a sealed file are passed over; in a file of Cloudify they are refused."""
    world.secret("k")
    world.clock.now = "2030-02-01T00:00:00.000Z"
    user = world.user("u", home=TenantRole.USER, away=TenantRole.USER)
    found = world.service.transfer.export(user, ExportRequest("home", all_versions=True))
    incoming = read_sealed(write_sealed(found.secrets, PASSPHRASE, CHEAP), PASSPHRASE)
    done = world.service.transfer.import_(user, ImportRequest("away", incoming, tenant_map={"home": "away"}))
    assert done.stored == 1
    (secret,) = world.service.secrets.list(user, "away").items
    assert (secret.owner.name, secret.created_at, secret.updated_at) == (
        "u",
        world.clock.now,
        world.clock.now,
    )
    claims = {"creator": "admin", "created_at": "2020-01-01T00:00:00.000Z"}
    where = "in the tenant `home`"
    assert errors(world, user, [entry("l", **claims)]) == {
        0: {
            "timestamp": f"User `u` is not permitted to perform the action set_timestamp {where}",
            "creator": f"User `u` is not permitted to perform the action set_owner {where}",
        }
    }
    assert errors(world, world.admin, [entry("l", **claims)]) == {}
    made = world.service.secrets.show(world.admin, "home", "l")[0]
    assert (made.owner.name, made.created_at) == ("admin", claims["created_at"])
    missing = errors(world, world.admin, [entry("m", creator="X")])
    assert missing == {0: {"creator_valid": "User X does not exist."}}


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_cloudify_s_format_there_and_back(world: World, passphrase: str | None) -> None:
    """What is written is read again, value by value; plain ones are plain, encrypted ones are not."""
    world.secret("k", "päß\n")
    world.secret("g", "everywhere", visibility=Visibility.GLOBAL, hidden=True)
    found = world.service.transfer.export(world.admin, ExportRequest("away"))
    assert [one.secret.key for one in found.secrets] == ["g"]  # with its own tenant's name
    found = world.service.transfer.export(world.admin, ExportRequest("home"))
    entries = json.loads(json.dumps(write_cloudify(found.secrets, passphrase, metadata=True)))
    assert [one["encrypted"] for one in entries] == [passphrase is not None] * 2
    assert ("päß\n" in {one["value"] for one in entries}) == (passphrase is None)
    for key in "kg":
        world.service.secrets.delete(world.admin, "home", key)
    assert errors(world, world.admin, entries, passphrase=passphrase) == {}
    assert (value_of(world), value_of(world, "g")) == ("päß\n", "everywhere")
    listed = {
        one.key: (one.visibility, one.hidden) for one in world.service.secrets.list(world.admin, "home").items
    }
    assert listed == {"k": ("tenant", False), "g": ("global", True)}


WRONG = [
    ({"value": None, "visibility": " "}, {"missing secret fields": ["visibility", "value"]}),
    (
        {"is_hidden_value": 1, "encrypted": "maybe"},
        {"is_hidden_value": "Not boolean", "encrypted": "Not boolean"},
    ),
    ({"visibility": "world"}, {"visibility": "Not a valid visibility"}),
    ({"tenant_name": "nowhere"}, {"tenant_name": "The tenant `nowhere` was not found"}),
    ({"value": 5}, {"value": "Not a string"}),
    ({"value": "\ud800"}, {"value": "the value is not valid UTF-8 text"}),
    ({"encrypted": True}, {"No passphrase": "The secret is encrypted but no passphrase was given"}),
    ({"key": "no spaces"}, {"key": "the key has characters that are not allowed"}),
    ({"key": 5}, {"key": "Not a string"}),
    ({"created_at": "yesterday"}, {"created_at": "Not a time"}),
    (
        {"provider": "vault", "value": None, "encrypted": None},
        {"provider": "Requested `SecretsProvider` with ID `vault` was not found"},
    ),
]


def test_wrong_entries_are_named_by_position_and_good_ones_stored(world: World) -> None:
    """Each with every mistake, in Cloudify's words; nothing of a wrong entry is stored."""
    entries: list[Any] = [entry(f"k{number}", **change) for number, (change, _) in enumerate(WRONG)]
    entries += ["no entry", entry("good"), entry("also.good", is_hidden_value="TRUE")]
    expected = {number: problems for number, (_, problems) in enumerate(WRONG)}
    assert errors(world, world.admin, entries) == expected | {len(WRONG): {"entry": "Not an object"}}
    assert sorted(one.key for one in world.service.secrets.list(world.admin, "home").items) == [
        "also.good",
        "good",
    ]
    wrong = errors(world, world.admin, [entry("e", encrypted=True, value="gAAAA")], passphrase=PASSPHRASE)
    assert wrong == {0: {"value": "The value can't be decrypted with this passphrase"}}
    assert [one["key"] for one in actions(world, "secret:import")] == ["also.good", "good"]


@pytest.mark.two_databases
def test_entries_may_name_providers(world: World) -> None:
    """One that is there and seen, with options of its own and no value; else each mistake is told."""
    with serving(lambda _: answer(200, b'{"data": {"data": {"k": "value there", "old": "o"}}}')) as peer:
        parameters = {"url": peer.url, "token": "t", "path": "team"}
        world.service.providers.create(world.admin, "home", "v", NewProvider("vault", parameters))
        world.service.providers.create(world.admin, "home", "l", NewProvider("local"))
        world.service.providers.create(
            world.admin, "home", "mine", NewProvider("vault", parameters, visibility=Visibility.PRIVATE)
        )
        world.secret("old", "value here")
        user = world.user("u", home=TenantRole.USER)
        kept = {"provider": "v", "value": None, "encrypted": None}
        entries = [
            entry("k", **kept, provider_options={"path": "shop"}),
            entry("old", **kept, provider_options='{"key": "old"}'),
            entry("here", provider="l", value="value here"),
            entry("a", **kept, provider_options="gAAAAAB"),
            entry("b", **kept, provider_options={"path": "../sys"}),
            entry("c", **kept | {"value": "x"}),
            entry("d", provider="l", value=None),
            entry("e", **kept | {"provider": "mine"}),
        ]
        not_found = "Requested `SecretsProvider` with ID `mine` was not found"
        options = "Not an object: only the manager that wrote them can read them"
        assert errors(world, user, entries, override=True) == {
            3: {"provider_options": options},
            4: {"provider_options": "provider option 'path' must be a path of plain steps"},
            5: {"value": "The provider has the value, so none can be given"},
            6: {"value": "the value is empty"},
            7: {"provider": not_found},
        }
        assert (value_of(world, "k"), value_of(world, "old"), value_of(world, "here")) == (
            *("value there", "o"),
            "value here",
        )
        assert world.service.providers.options_of(user, "home", "k") == {"path": "shop"}
        listed = {one.key: one.provider for one in world.service.secrets.list(world.admin, "home").items}
        assert listed == {"k": "v", "old": "v", "here": "l"}
        # Without its provider, an entry does not put a value in the place of what is elsewhere.
        found = errors(world, world.admin, [entry("k", value="other")], override=True)
        assert found == {0: {"provider": "The value of this secret is kept with a secrets provider"}}
        world.service.secrets.create(
            world.admin, "home", "s", NewSecret(value=SecretValue("1"), schema='{"type": "integer"}')
        )
        found = errors(world, world.admin, [entry("s", **kept)], override=True)
        assert found == {0: {"schema": "A value that is kept elsewhere can't be checked against a schema"}}


def test_access_is_asked_in_each_tenant(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One text for a tenant where one may not and for one that is not there; globals need a sys_admin."""
    user = world.user("u", home=TenantRole.USER, away=TenantRole.VIEWER)
    found = errors(
        world,
        user,
        [entry("a", tenant_name="away"), entry("b", tenant_name="nowhere"), entry("c", visibility="global")],
    )
    refused = "User `u` is not permitted to perform the action secret_create in the tenant `{}`"
    assert found == {
        0: {"tenant_name": refused.format("away")},
        1: {"tenant_name": refused.format("nowhere")},
        2: {"visibility": "User `u` is not permitted to set or create a global resource"},
    }
    for caller in (world.caller("u", Scope(keys=("prod_*",))),):
        assert errors(world, caller, [entry("k")]) == {0: {"key": "This token may not name the key"}}
    viewer = world.user("v", home=TenantRole.VIEWER)
    for attempt in (
        lambda: world.service.transfer.import_(viewer, ImportRequest("home", [])),
        lambda: world.service.transfer.export(viewer, ExportRequest("home")),
    ):
        with pytest.raises(NotPermittedError, match=r"^user 'v' is not permitted to (im|ex)port secrets in"):
            attempt()
    assert [one["decision"] for one in actions(world, "secret:import")] == ["refused"]
    assert [one["decision"] for one in actions(world, "secret:export")] == ["refused"]
    with pytest.raises(InvalidRequestError, match=r"^the tenant map names tenant 'nowhere', which does not"):
        errors(world, world.admin, [entry("k")], tenant_map={"home": "nowhere"})
    monkeypatch.setattr("resolver.service.importing._MOST_MAPPED", 1)
    assert not errors(world, world.admin, [entry("k")], tenant_map={"a": "home", "b": "home"})
    with pytest.raises(InvalidRequestError, match=r"^the tenant map names more than 1 tenants"):
        errors(world, world.admin, [], tenant_map={"a": "home", "b": "away"})


def test_taken_keys_are_reported_and_overridden_by_the_rules(world: World) -> None:
    """Left as they are without the option; with it, they are changed by the rules for any change."""
    transfer, secrets = world.service.transfer, world.service.secrets
    user = world.user("u", home=TenantRole.USER)
    for key, visibility, hidden in [
        ("open", Visibility.TENANT, False),
        ("hidden", Visibility.TENANT, True),
        ("unseen", Visibility.PRIVATE, False),
        ("wide", Visibility.GLOBAL, False),
    ]:
        world.secret(key, "old", visibility=visibility, hidden=hidden)
    world.secret("afar", "old", tenant="away", visibility=Visibility.GLOBAL)
    entries = [entry(key, value="new") for key in ("open", "hidden", "unseen", "wide", "afar", "fresh")]
    keys = ["afar", "hidden", "open", "unseen", "wide"]
    done = transfer.import_(user, ImportRequest("home", read_cloudify(entries, None)))
    assert (done.stored, done.colliding, done.errors) == (1, {"home": keys}, {})
    assert {value_of(world, key) for key in keys} == {"old"}
    done = transfer.import_(user, ImportRequest("home", read_cloudify(entries[:5], None), override=True))
    cannot = {"key": "The key is taken by a secret that can't be overridden from here"}
    assert (done.stored, done.colliding) == (1, {"home": keys})
    assert done.errors == {
        1: {"is_hidden_value": "User `u` is not permitted to modify the hidden value secret `hidden`"},
        2: cannot,
        3: {"visibility": "`wide` has visibility global, which is never narrowed"},
        4: cannot,
    }
    assert [value_of(world, key) for key in keys] == ["old", "old", "new", "old", "old"]
    assert secrets.show(world.admin, "home", "open")[0].version == 2


def test_an_override_keeps_to_the_schema_that_is_there(world: World) -> None:
    """Cloudify's format has no schemas: the stored one holds, unless the caller may not even know of it."""
    schema = '{"type": "integer"}'
    world.service.secrets.create(world.admin, "home", "k", NewSecret(value=SecretValue("1"), schema=schema))
    world.service.secrets.create(
        world.admin,
        "home",
        "p",
        NewSecret(value=SecretValue("1"), schema=schema, visibility=Visibility.PRIVATE),
    )
    user = world.user("u", home=TenantRole.USER)
    found = errors(world, user, [entry("k", value="kept-back"), entry("p", value="kept-back")], override=True)
    assert found == {
        0: {"value": "The value is not JSON"},
        1: {"key": "The key is taken by a secret that can't be overridden from here"},
    }
    assert errors(world, user, [entry("k", value="2")], override=True) == {}
    assert (value_of(world), world.service.secrets.show(user, "home", "k")[0].schema) == ("2", schema)


def test_a_sealed_entry_against_its_own_schema_is_refused(world: World) -> None:
    """A file is no way around a schema, nor around what a schema is."""
    made = ImportEntry(
        "k",
        "home",
        [VersionWithValue(1, SecretValue('"kept-back"'))],
        Visibility.TENANT,
        hidden=False,
        whole=True,
    )
    entries = [replace(made, schema='{"type": "integer"}'), replace(made, key="l", schema='{"type": "no"}')]
    done = world.service.transfer.import_(world.admin, ImportRequest("home", entries))
    assert done.stored == 0
    assert done.errors[0]["value"].endswith(": /type: must be a whole number")
    assert done.errors[1] == {"schema": "the JSON schema is not valid: /type breaks the rules of JSON Schema"}


@pytest.mark.two_databases
def test_hidden_values_of_others_stay_and_are_counted(world: World) -> None:
    """Neither the value nor the key leaves; their creator and managers take them along."""
    creator, other = world.user("c", home=TenantRole.USER), world.user("o", home=TenantRole.USER)
    world.service.secrets.create(creator, "home", "hid", NewSecret(value=SecretValue("kept"), hidden=True))
    world.service.secrets.create(
        creator, "home", "private", NewSecret(value=SecretValue("kept"), visibility=Visibility.PRIVATE)
    )
    world.secret("seen")
    for caller, keys, left_out in (
        (other, {"seen"}, 1),
        (creator, {"hid", "private", "seen"}, 0),
        (world.admin, {"hid", "private", "seen"}, 0),
        (world.caller("c", Scope(keys=("s*",))), {"seen"}, 0),
    ):
        found = world.service.transfer.export(caller, ExportRequest("home"))
        assert ({one.secret.key for one in found.secrets}, found.left_out) == (keys, left_out)
    assert len(actions(world, "secret:export")) == 1 + 3 + 3 + 1


def test_all_tenants_export_by_the_role_in_each(world: World) -> None:
    """A manager of one tenant takes no private secret of another out of it, and each trail has its own."""
    manager = world.user("m", home=TenantRole.MANAGER, away=TenantRole.USER)
    world.secret("h", visibility=Visibility.PRIVATE)
    world.secret("a", tenant="away")
    world.secret("p", tenant="away", visibility=Visibility.PRIVATE)
    world.secret("x", tenant="away", hidden=True)
    found = world.service.transfer.export(manager, ExportRequest(all_tenants=True))
    assert ({one.secret.key for one in found.secrets}, found.left_out) == ({"h", "a"}, 1)
    assert [one["key"] for one in actions(world, "secret:export", "away")] == ["a"]
    assert [one["key"] for one in actions(world, "secret:export", "home")] == ["h"]
    found = world.service.transfer.export(manager, ExportRequest("home", "H"))
    assert [one.value.reveal() for one in found.secrets] == ["value"]
    assert world.service.transfer.export(manager, ExportRequest("home", "none")).secrets == ()


def test_nothing_leaves_when_it_can_t_be_recorded(embedded: World) -> None:
    """Every secret is recorded before any is decrypted."""
    embedded.secret("k")
    embedded.execute("UPDATE audit_chain SET mac = 'changed'")
    with pytest.raises(Exception, match=r"nothing can be recorded and nothing is done$"):
        embedded.service.transfer.export(embedded.admin, ExportRequest("home"))


def test_many_entries_go_in_batches(embedded: World) -> None:
    """More than one batch arrives whole, the same key twice is a collision, positions are the file's."""
    entries = [entry(f"k{number:03}") for number in range(450)]
    entries[449] = entry("k000")
    entries[250] = entry("no spaces")
    done = embedded.service.transfer.import_(
        embedded.admin, ImportRequest("home", read_cloudify(entries, None))
    )
    assert (done.stored, done.colliding, list(done.errors)) == (448, {"home": ["k000"]}, [250])
    assert embedded.service.secrets.list(embedded.admin, "home").total == 448
    assert embedded.service.trail.verify(embedded.admin, "home").broken is None
