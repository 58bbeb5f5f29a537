"""Ciphertexts that someone moved in the database: each move is an error and a record of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from resolver.core.binding import Place, Purpose
from resolver.core.model import SecretValue
from resolver.core.secret_changes import SecretChange
from resolver.core.transfer import ExportRequest
from resolver.errors import DecryptionError, MisplacedTokenError, TamperedRowError, TokenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.databases import World

SET = "UPDATE secret_version SET {} WHERE secret_id = :k AND version = {}"
TOKEN = "(SELECT token FROM secret_version WHERE secret_id = :{} AND version = {})"
DATA_KEY = "(SELECT data_key_id FROM secret_version WHERE secret_id = :{} AND version = {})"


def to_another_tenant(world: World, ids: dict[str, str]) -> None:
    """The row goes to another tenant as it is."""
    world.execute(
        "UPDATE secret SET tenant_id = (SELECT id FROM tenant WHERE name = 'away') WHERE id = :k", **ids
    )


def to_another_version(world: World, ids: dict[str, str]) -> None:
    """The first value is put back as the current one."""
    world.execute(SET.format(f"token = {TOKEN.format('k', 1)}", 2), **ids)


def to_another_key(world: World, ids: dict[str, str]) -> None:
    """The secret is renamed."""
    world.execute("INSERT INTO key_scope (key, scope) VALUES ('renamed', 'tenant')")
    world.execute("UPDATE secret SET key = 'renamed' WHERE id = :k", **ids)


def to_another_secret(world: World, ids: dict[str, str]) -> None:
    """A readable secret gets the token of one that may not be read."""
    world.execute(SET.format(f"token = {TOKEN.format('other', 1)}", 2), **ids)


def to_another_purpose(world: World, ids: dict[str, str]) -> None:
    """What was sealed as provider options stands where a value should."""
    with world.store.read() as session:
        home = session.tenant("home")
        assert home is not None
        stored = session.active_data_key(home.id)
    assert stored is not None
    place = Place(Purpose.PROVIDER_OPTIONS, home.id, ids["k"], "k", 2, stored.id)
    token = world.ring.open_data_key(stored).seal(place, SecretValue("kept back"))
    world.execute(SET.format("token = :token", 2), token=token, **ids)


MOVES: list[tuple[Callable[[World, dict[str, str]], None], str, str, tuple[str, ...]]] = [
    (to_another_tenant, "away", "k", ("tenant",)),
    (to_another_version, "home", "k", ("version",)),
    (to_another_key, "home", "renamed", ("key",)),
    (to_another_secret, "home", "k", ("row", "key", "version")),
    (to_another_purpose, "home", "k", ("purpose",)),
]


def last_record(world: World, tenant: str) -> dict[str, Any]:
    """The newest record of a tenant's chain."""
    fields: dict[str, Any] = json.loads(world.service.trail.records(world.admin, tenant)[-1].body)
    return fields


def secrets(world: World) -> dict[str, str]:
    """Two secrets, the first with two versions; their ids."""
    made = {key: world.secret(key, f"kept {key}").id for key in ("k", "other")}
    world.service.secrets.update(world.admin, "home", "k", SecretChange(value=SecretValue("kept again")))
    return made


@pytest.mark.parametrize(("move", "tenant", "key", "moved"), MOVES, ids=[move[0].__name__ for move in MOVES])
def test_a_moved_token_is_told_by_what_does_not_fit(
    world: World,
    move: Callable[[World, dict[str, str]], None],
    tenant: str,
    key: str,
    moved: tuple[str, ...],
) -> None:
    """No value comes out by show, export or rollback; error and record name what is another."""
    move(world, secrets(world))
    if move in (to_another_tenant, to_another_key):
        with pytest.raises(TamperedRowError):
            world.service.secrets.show(world.admin, tenant, key)
        world.vouch("secret")  # what a token is bound to holds by itself, too
    with pytest.raises(MisplacedTokenError) as caught:
        world.service.secrets.show(world.admin, tenant, key)
    assert caught.value.moved == moved
    assert caught.value.message == (
        f"secret {key!r} of tenant {tenant!r}: a stored token belongs to another place: "
        f"it was made for another {' and '.join(moved)}"
    )
    assert caught.value.__cause__ is None
    record = last_record(world, tenant)
    assert (record["action"], record["reason"], record["moved"]) == (
        "secret:unreadable",
        "MisplacedTokenError",
        list(moved),
    )
    assert "kept" not in json.dumps(record)
    with pytest.raises(TokenError):
        world.service.transfer.export(world.admin, ExportRequest(tenant))


def test_a_token_of_another_tenant_s_key_does_not_decrypt(world: World) -> None:
    """With its data key it is another tenant's; without it, it does not even decrypt."""
    ids = secrets(world)
    ids["far"] = world.secret("k", "kept afar", tenant="away").id
    token, data_key = TOKEN.format("far", 1), DATA_KEY.format("far", 1)
    world.execute(SET.format(f"token = {token}", 2), **ids)
    with pytest.raises(DecryptionError, match=r"a stored value does not decrypt$"):
        world.service.secrets.show(world.admin, "home", "k")
    assert last_record(world, "home")["reason"] == "DecryptionError"
    world.execute(SET.format(f"data_key_id = {data_key}", 2), **ids)
    with pytest.raises(MisplacedTokenError) as caught:
        world.service.secrets.show(world.admin, "home", "k")
    assert caught.value.moved == ("tenant", "row", "version")


def test_a_rollback_opens_no_moved_token(world: World) -> None:
    """An old version that was swapped with another secret's is no way to its value."""
    ids = secrets(world)
    world.execute(SET.format(f"token = {TOKEN.format('other', 1)}", 1), **ids)
    with pytest.raises(MisplacedTokenError) as caught:
        world.service.secrets.rollback(world.admin, "home", "k", 1)
    assert caught.value.moved == ("row", "key")
    assert last_record(world, "home")["action"] == "secret:unreadable"
    assert world.service.secrets.list(world.admin, "home").items[0].version == 2


def test_a_wrapped_key_of_another_tenant_is_told_as_such(world: World) -> None:
    """A tenant's data key that was put in another's place opens nothing, and the record says so."""
    secrets(world)
    world.secret("far", tenant="away")
    key_of = "(SELECT wrapped FROM data_key JOIN tenant ON tenant.id = tenant_id WHERE name = '{}')"
    home, away = key_of.format("home"), key_of.format("away")
    world.execute(f"UPDATE data_key SET wrapped = {away} WHERE wrapped = {home}")
    service = world.reopened()  # this one has the right key open
    with pytest.raises(TamperedRowError):
        service.secrets.show(world.admin, "home", "k")
    world.vouch("data key")
    with pytest.raises(MisplacedTokenError) as caught:
        service.secrets.show(world.admin, "home", "k")
    assert caught.value.moved == ("tenant", "row")
    record = last_record(world, "home")
    assert (record["action"], record["moved"]) == ("data_key:unreadable", ["tenant", "row"])
