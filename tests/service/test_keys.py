"""Rotation: everything opens with the new key alone, nothing is lost, whoever writes or dies meanwhile."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import String, Text, select

from resolver.core.binding import Purpose
from resolver.core.model import Scope, SecretValue, Visibility
from resolver.core.permissions import Permission, SystemRole, TenantRole
from resolver.core.secret_changes import NewSecret, SecretChange
from resolver.crypto.keyring import KeyRing, RootKey
from resolver.errors import (
    ConflictError,
    NotFoundError,
    NotPermittedError,
    ResolverError,
    RootKeyError,
    StoreError,
    TamperedRowError,
)
from resolver.service import Service, key_rotation
from resolver.service.keys import unreadable_error
from resolver.store import tables as t
from resolver.store.sealed_columns import SEALED
from resolver.store.sql import SqlStore
from tests.databases import ROOT_KEY, World, database, raw_connection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from resolver.service.keys import KeysStatus, Rotated

pytestmark = pytest.mark.slow

OTHER = RootKey.generate()
OTHER_ID = RootKey(OTHER, "a test").id


def quiet(_doing: str, _more: int) -> None:
    """Progress that nobody looks at."""


def service_with(world: World, *root_keys: str) -> Service:
    """A service on the same store, with these root keys and nothing opened yet."""
    ring = KeyRing([RootKey(text, f"test key {number}") for number, text in enumerate(root_keys)])
    return Service(world.store, ring, lambda: world.passwords, world.clock)


def fill(world: World) -> None:
    """Secrets in both tenants, some with older versions."""
    for tenant in ("home", "away"):
        for number in range(3):
            world.secret(f"{tenant}.{number}", f"first of {number}", tenant)
        world.service.secrets.update(
            world.admin, tenant, f"{tenant}.0", SecretChange(value=SecretValue("second of 0"))
        )
    world.secret("everywhere", "global value", visibility=Visibility.GLOBAL)


def intact(world: World, service: Service | None = None) -> None:
    """Assert that what `fill` stored is what one sees, and that the trails are whole."""
    service = service or world.reopened()
    for tenant in ("home", "away"):
        for number in range(3):
            secret, value = service.secrets.show(world.admin, tenant, f"{tenant}.{number}")
            assert value is not None
            assert value.reveal() == ("second of 0" if number == 0 else f"first of {number}")
            assert secret.version == (2 if number == 0 else 1)
    for chain in ("home", "away", ""):
        assert service.trail.verify(world.admin, chain).whole


def status(world: World) -> KeysStatus:
    """The keys as the administrator sees them."""
    return world.service.keys.status(world.admin)


def data_keys(world: World) -> dict[str | None, list[tuple[str, str, int]]]:
    """Id, state and number of sealed tokens of the data keys, by tenant."""
    found: dict[str | None, list[tuple[str, str, int]]] = {}
    for key in status(world).data_keys:
        found.setdefault(key.tenant, []).append((key.id, key.state, key.sealed))
    return {tenant: sorted(keys, key=lambda key: key[1]) for tenant, keys in found.items()}


def test_every_column_with_tokens_is_described() -> None:
    """Each table that names a data key names it in a described column, or is one of the keys' own tables."""
    described = {about.data_key_id for about in SEALED}
    naming = {
        column
        for table in t.metadata.tables.values()
        for column in table.columns
        for key in column.foreign_keys
        if key.column is t.data_key.c.id
    }
    assert naming - described == {t.audit_chain.c.mac_key_id}
    for about in SEALED:
        assert about.token.table is about.data_key_id.table is about.table
        assert isinstance(about.token.type, (Text, String))


def test_data_keys_are_replaced_and_all_values_stay(world: World) -> None:
    """Each tenant and the system get a new data key, with which all is sealed; the old ones are gone."""
    fill(world)
    before = data_keys(world)
    done = world.service.keys.rotate_data(world.admin, "", quiet)
    assert (done.keys, done.resealed, done.proved, done.resumed) == (3, 9, 9, False)
    assert (done.wiped, done.unreadable) == (True, [])
    after = data_keys(world)
    assert {name: [key[1:] for key in keys] for name, keys in after.items()} == {
        None: [("active", 3)],
        "home": [("active", 5)],
        "away": [("active", 4)],
    }
    assert not {key[0] for keys in before.values() for key in keys} & {
        key[0] for keys in after.values() for key in keys
    }
    intact(world)
    assert world.execute("SELECT count(*) FROM data_key") == [(3,)]
    actions = [record.action for record in world.service.trail.records(world.admin)]
    told = [action for action in actions if action != "rows:change"]
    assert told[-2:] == ["keys:rotate_data", "keys:data_rotated"]


def test_one_tenant_s_key_is_replaced_alone(world: World) -> None:
    """With a tenant named, the keys of others and the system's stay."""
    fill(world)
    before = data_keys(world)
    done = world.service.keys.rotate_data(world.admin, "away", quiet)
    assert (done.keys, done.resealed, done.proved) == (1, 4, 4)
    after = data_keys(world)
    assert after["home"] == before["home"]
    assert after[None] == before[None]
    assert after["away"] != before["away"]
    intact(world)
    with pytest.raises(NotFoundError, match=r"^tenant 'nowhere' does not exist$"):
        world.service.keys.rotate_data(world.admin, "nowhere", quiet)


def test_another_root_key_wraps(world: World) -> None:
    """After it nothing needs the old root key: the new one alone opens all; values are not sealed anew."""
    fill(world)
    tokens = world.execute("SELECT token FROM secret_version ORDER BY token")
    service = service_with(world, ROOT_KEY, OTHER)
    assert [(key.wraps, key.data_keys) for key in service.keys.status(world.admin).root_keys] == [
        (True, 3),
        (False, 0),
    ]
    done = service.keys.rotate_root(world.admin, OTHER_ID, quiet)
    assert (done.keys, done.resealed, done.proved, done.unreadable) == (3, 0, 9, [])
    alone = service_with(world, OTHER)
    intact(world, alone)
    assert world.execute("SELECT token FROM secret_version ORDER BY token") == tokens
    assert alone.tenants.create(world.admin, "later").name == "later"
    new, old = sorted(alone.keys.status(world.admin).root_keys, key=lambda key: not key.wraps)
    assert (old.wraps, old.data_keys, old.source) == (False, 0, None)
    assert (new.id, new.wraps, new.data_keys, new.source) == (OTHER_ID, True, 4, "test key 0")
    with pytest.raises(RootKeyError, match=rf"^root key {OTHER_ID} is needed and not at hand"):
        intact(world, service_with(world, ROOT_KEY))
    back = service.keys.rotate_root(world.admin, RootKey(ROOT_KEY, "").id, quiet)
    assert back.keys == 4
    intact(world, world.reopened())


def test_a_root_key_that_is_not_at_hand_changes_nothing(world: World) -> None:
    """Neither the new key nor one that still wraps something may be missing."""
    fill(world)
    with pytest.raises(RootKeyError, match=rf"^root key {OTHER_ID!r} is not at hand \(at hand: \w+\)$"):
        world.service.keys.rotate_root(world.admin, OTHER_ID, quiet)
    with pytest.raises(RootKeyError, match=r"^root key \w+ is needed and not at hand"):
        service_with(world, OTHER).keys.rotate_root(world.admin, OTHER_ID, quiet)
    with pytest.raises(RootKeyError, match=r"^root key \w+ is needed and not at hand"):
        service_with(world, OTHER).keys.rotate_data(world.admin, "home", quiet)
    assert [key.wraps for key in status(world).root_keys] == [True]
    assert {key.state for key in status(world).data_keys} == {"active"}
    intact(world)


def test_only_sys_admins_see_and_rotate_keys(world: World) -> None:
    """A manager may not, and neither may a token of a sys_admin that is narrowed to other permissions."""
    manager = world.user("manager", home=TenantRole.MANAGER, away=TenantRole.MANAGER)
    narrowed = world.caller("admin", Scope(permissions=frozenset({Permission.SECRET_USE})))
    in_tenant = world.caller("admin", Scope(tenants=frozenset({"home"})))
    keys = world.service.keys
    for caller in (manager, narrowed, in_tenant):
        for tenant in ("home", "nowhere", ""):
            with pytest.raises(NotPermittedError, match=r"is not permitted to see or rotate keys$"):
                keys.rotate_data(caller, tenant, quiet)
            with pytest.raises(NotPermittedError):
                keys.steps(caller, tenant)
        with pytest.raises(NotPermittedError):
            keys.status(caller)
        with pytest.raises(NotPermittedError):
            keys.rotate_root(caller, OTHER_ID, quiet)
    rotator = world.caller("admin", Scope(permissions=frozenset({Permission.KEY_ROTATE})))
    assert keys.rotate_data(rotator, "", quiet).keys == 3
    assert keys.rotate_data(world.user("other", system_role=SystemRole.SYS_ADMIN), "", quiet).keys == 3


class Killed(BaseException):
    """A run that ends where it stands."""


def interrupted(monkeypatch: pytest.MonkeyPatch, after: int, run: Any) -> bool:  # noqa: ANN401 - a call
    """Run something and end it at a transaction that writes; whether it got that far."""
    write, left = SqlStore.write, [after]

    def counting(store: SqlStore) -> Any:  # noqa: ANN401 - a context manager
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return write(store)

    with monkeypatch.context() as patch:
        patch.setattr(SqlStore, "write", counting)
        try:
            run()
        except Killed:
            return True
    return False


@pytest.mark.slow
def test_an_interrupted_rotation_is_taken_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended at any of its transactions, all is readable; the next run finishes it with no key made twice."""
    fill(world)
    monkeypatch.setattr(key_rotation, "BATCH", 2)
    after, step = 1, 2 if world.url.startswith("sqlite") else 7
    while interrupted(monkeypatch, after, lambda: world.service.keys.rotate_data(world.admin, "", quiet)):
        intact(world)
        made = {key.id for key in status(world).data_keys if key.state == "active"}
        under_way = any(key.state != "active" for key in status(world).data_keys)
        done = world.service.keys.rotate_data(world.admin, "", quiet)
        assert done.resumed == under_way
        assert {key.state for key in status(world).data_keys} == {"active"}
        if under_way:
            kept = made & {key.id for key in status(world).data_keys}
            assert len(kept) >= 3 - done.keys
        after += step
    assert after > 12


def test_an_interrupted_change_of_the_root_key_is_taken_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended at any of its transactions, all opens with both keys; the next run finishes it."""
    fill(world)
    monkeypatch.setattr(key_rotation, "BATCH", 1)
    service = service_with(world, ROOT_KEY, OTHER)
    targets = [RootKey(ROOT_KEY, "").id, OTHER_ID]
    after, to = 1, targets[1]
    while interrupted(monkeypatch, after, partial(service.keys.rotate_root, world.admin, to, quiet)):
        intact(world, service_with(world, ROOT_KEY, OTHER))
        service.keys.rotate_root(world.admin, to, quiet)
        intact(world, service_with(world, OTHER if to == OTHER_ID else ROOT_KEY))
        after, to = after + 1, targets[(after + 1) % 2]
    assert after > 4


def test_a_writer_that_has_the_old_key_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sealed with the old key after the new one was made is found and sealed anew."""
    fill(world)
    with world.store.read() as session:
        home = session.tenant("home")
        assert home is not None
        old = session.active_data_key(home.id)
    late = world.reopened()
    passes: list[str] = []
    first = key_rotation.Rotation._reseal  # noqa: SLF001 - the step that a writer comes behind

    def then_a_late_writer(self: Any, *keys: Any) -> int:  # noqa: ANN401 - the same signature
        found = first(self, *keys)
        if len(passes) < 3:
            key = f"late.{len(passes)}"
            passes.append(key)
            with monkeypatch.context() as patch:
                patch.setattr(
                    "resolver.store.sql.SqlSession.active_data_key",
                    lambda _self, tenant_id, **_: old if tenant_id else real(_self, tenant_id),
                )
                late.secrets.create(world.admin, "home", key, NewSecret(value=SecretValue("late value")))
        return found

    from resolver.store.sql import SqlSession  # noqa: PLC0415

    real = SqlSession.active_data_key
    monkeypatch.setattr(key_rotation.Rotation, "_reseal", then_a_late_writer)
    done = world.service.keys.rotate_data(world.admin, "home", quiet)
    assert passes == ["late.0", "late.1", "late.2"]
    assert (done.resealed, done.proved) == (8, 8)
    assert [state for _, state, _ in data_keys(world)["home"]] == ["active"]
    for key in passes:
        _, value = world.reopened().secrets.show(world.admin, "home", key)
        assert value is not None
        assert value.reveal() == "late value"
    intact(world)


def test_writers_and_readers_work_while_keys_are_rotated(world: World) -> None:
    """Creates, updates, deletes and reads during rotations all succeed, and the end is consistent."""
    fill(world)
    stop = threading.Event()
    errors: list[ResolverError] = []
    written: dict[str, str] = {}

    def write(name: str) -> None:
        service = service_with(world, ROOT_KEY, OTHER)
        number = 0
        while not stop.is_set():
            number += 1
            key = f"{name}.{number}"
            try:
                service.secrets.create(world.admin, "home", key, NewSecret(value=SecretValue(key)))
                service.secrets.update(
                    world.admin, "home", key, SecretChange(value=SecretValue(f"{key} again"))
                )
                _, value = service.secrets.show(world.admin, "home", key)
                assert value is not None
                assert value.reveal() == f"{key} again"
                if number % 3 == 0:
                    service.secrets.delete(world.admin, "home", key)
                else:
                    written[key] = f"{key} again"
                time.sleep(0.05)  # SQLite lets a waiting writer in only when it happens to look at a gap
            except ResolverError as error:
                errors.append(error)

    threads = [threading.Thread(target=write, args=(f"w{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    service = service_with(world, ROOT_KEY, OTHER)
    done: list[Rotated] = []
    try:
        for to in (OTHER_ID, RootKey(ROOT_KEY, "").id):
            done.append(service.keys.rotate_data(world.admin, "", quiet))
            done.append(service.keys.rotate_root(world.admin, to, quiet))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert [rotated.unreadable for rotated in done] == [[]] * 4
    assert len(written) > 3
    assert {key.state for key in status(world).data_keys} == {"active"}
    assert [key.data_keys for key in service.keys.status(world.admin).root_keys if not key.wraps] == [0]
    reopened = world.reopened()
    for key, value in written.items():
        _, shown = reopened.secrets.show(world.admin, "home", key)
        assert shown is not None
        assert shown.reveal() == value
    intact(world)


@pytest.fixture
def damaged(world: World) -> Iterator[World]:
    """A store in which one older version was damaged, and one was moved from another tenant."""
    fill(world)
    change = "UPDATE secret_version SET token = :token WHERE version = 1 AND secret_id = "
    ((moved,),) = world.execute(
        "SELECT token FROM secret_version JOIN secret ON id = secret_id WHERE key = 'away.2'"
    )
    world.execute(f"{change} (SELECT id FROM secret WHERE key = 'home.0')", token="gAAAAnonsense")
    world.execute(f"{change} (SELECT id FROM secret WHERE key = 'away.1')", token=moved)
    return world  # type: ignore[return-value]


def test_what_does_not_decrypt_is_named_and_kept(damaged: World) -> None:
    """The rest is rotated; the old key stays for what is damaged, and a run after a repair finishes."""
    done = damaged.service.keys.rotate_data(damaged.admin, "", quiet)
    assert sorted(done.unreadable) == [
        ("away", "version 1 of secret 'away.1'", "MisplacedTokenError"),
        ("home", "version 1 of secret 'home.0'", "DecryptionError"),
    ]
    assert (done.keys, done.resealed, done.proved) == (1, 7, 7)
    error = unreadable_error(done)
    assert isinstance(error, StoreError)
    assert error.message == "2 stored tokens do not decrypt, and stayed as found"
    assert [key[1:] for key in data_keys(damaged)["home"]] == [("active", 4), ("retired", 1)]
    actions = [record.action for record in damaged.service.trail.records(damaged.admin)]
    assert actions[-3:] == ["keys:unreadable", "keys:unreadable", "keys:data_rotated"]
    again = damaged.service.keys.rotate_data(damaged.admin, "home", quiet)
    assert (again.resumed, again.keys, len(again.unreadable)) == (True, 0, 1)
    damaged.execute("DELETE FROM secret_version WHERE token = 'gAAAAnonsense'")
    repaired = damaged.service.keys.rotate_data(damaged.admin, "home", quiet)
    assert (repaired.resumed, repaired.keys, repaired.unreadable) == (True, 1, [])
    assert [key[1:] for key in data_keys(damaged)["home"]] == [("active", 4)]


def test_the_proof_of_a_root_key_names_what_does_not_decrypt(damaged: World) -> None:
    """The proof goes through every row, history too; a head that was changed by hand is found as well."""
    damaged.execute("UPDATE audit_chain SET mac = 'changed' WHERE id <> 'system' AND number = 5")
    service = service_with(damaged, ROOT_KEY, OTHER)
    done = service.keys.rotate_root(damaged.admin, OTHER_ID, quiet)
    assert {(name, what.split(" of ")[0], reason) for name, what, reason in done.unreadable} == {
        ("away", "version 1", "MisplacedTokenError"),
        ("home", "version 1", "DecryptionError"),
        ("", "the end", "changed by hand"),
    }
    assert (done.keys, done.proved) == (3, 7)


def test_a_damaged_data_key_keeps_nothing_else_from_being_rotated(world: World) -> None:
    """A wrapped key that does not open is named; its tenant's rows stay as they are, others are rotated."""
    fill(world)
    world.execute(
        "UPDATE data_key SET wrapped = 'gAAAAnonsense'"
        " WHERE tenant_id = (SELECT id FROM tenant WHERE name = 'away')"
    )
    with pytest.raises(TamperedRowError):
        status(world)
    world.vouch("data key")  # as if it had always been so
    done = world.reopened().keys.rotate_data(world.admin, "", quiet)
    ((tenant, what, reason),) = done.unreadable
    assert (tenant, what.split()[:2], reason) == ("away", ["data", "key"], "DecryptionError")
    assert (done.keys, done.resealed) == (2, 5)
    assert [key[1:] for key in data_keys(world)["away"]] == [("active", 0), ("retired", 4)]


def test_a_damaged_data_key_is_named_by_the_proof_of_a_root_key(world: World) -> None:
    """It stays wrapped as it was found, which no other root key opens; all else is wrapped anew."""
    fill(world)
    world.execute(
        "UPDATE data_key SET wrapped = 'gAAAAnonsense'"
        " WHERE tenant_id = (SELECT id FROM tenant WHERE name = 'away')"
    )
    with pytest.raises(TamperedRowError):
        status(world)
    world.vouch("data key")  # as if it had always been so
    done = service_with(world, ROOT_KEY, OTHER).keys.rotate_root(world.admin, OTHER_ID, quiet)
    ((tenant, what, reason),) = done.unreadable
    assert (tenant, what.split()[:2], reason) == ("away", ["data", "key"], "DecryptionError")
    assert (done.keys, done.proved) == (2, 5)


def test_a_damaged_system_key_keeps_no_other_from_being_proved(world: World) -> None:
    """A replaced one that heads of trails still have their MACs from, and that the right root key wraps."""
    fill(world)
    world.execute("UPDATE data_key SET outdated = :yes WHERE tenant_id = ''", yes=True)
    world.vouch("data key")
    store = world.service._store  # noqa: SLF001 - as far as a killed run
    key_rotation.Rotation(store, world.ring, world.service.trail, world.clock, quiet)._make_key("")  # noqa: SLF001 - as above
    world.caller("admin")  # recorded at the end of the system's trail, which so has its MAC from the new key
    world.execute("UPDATE data_key SET wrapped = 'gAAAAnonsense' WHERE tenant_id = '' AND NOT active")
    world.vouch("data key")
    done = world.service.keys.rotate_root(world.admin, RootKey(ROOT_KEY, "").id, quiet)
    assert [(tenant, reason) for tenant, _, reason in done.unreadable] == [("", "DecryptionError")]


@pytest.mark.parametrize("batch", [1, 500], ids=["between two keys", "before the proof"])
def test_a_rotation_of_the_root_key_is_overtaken(
    world: World, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Of two that rotate to different keys, the later goes on; the other stops, and wraps nothing more."""
    fill(world)
    monkeypatch.setattr(key_rotation, "BATCH", batch)
    service = service_with(world, ROOT_KEY, OTHER)
    back: list[Rotated] = []

    def overtake(_doing: str, _more: int) -> None:
        if not back:
            back.append(service.keys.rotate_root(world.admin, RootKey(ROOT_KEY, "").id, quiet))

    with pytest.raises(ConflictError) as raised:
        service.keys.rotate_root(world.admin, OTHER_ID, overtake)
    assert raised.value.message == (
        f"root key {OTHER_ID} does not wrap any more: another rotation began meanwhile"
    )
    assert [(rotated.keys, rotated.proved, rotated.unreadable) for rotated in back] == [
        (min(batch, 3), 9, [])
    ]
    found = service.keys.status(world.admin).root_keys
    assert {key.id: (key.wraps, key.data_keys) for key in found if key.id == OTHER_ID} == {
        OTHER_ID: (False, 0)
    }
    intact(world, world.reopened())


def test_a_row_that_names_a_foreign_key_is_named(world: World) -> None:
    """A row moved to another tenant's data key is noted, and ends neither tenant's rotation."""
    fill(world)
    world.execute(
        "UPDATE secret_version SET data_key_id = (SELECT id FROM data_key WHERE tenant_id ="
        " (SELECT id FROM tenant WHERE name = 'away')) WHERE secret_id ="
        " (SELECT id FROM secret WHERE key = 'home.2')"
    )
    done = world.reopened().keys.rotate_data(world.admin, "home", quiet)
    assert done.unreadable == [("home", "version 1 of secret 'home.2'", "MisplacedTokenError")]
    assert done.keys == 1
    assert [key[1:] for key in data_keys(world)["home"]] == [("active", 4)]


def test_neither_the_status_nor_progress_holds_a_key(world: World) -> None:
    """What is told has ids, numbers and sources, never a wrapped key; progress counts every token twice."""
    fill(world)
    told: list[tuple[str, int]] = []
    total = world.service.keys.steps(world.admin)
    world.service.keys.rotate_data(world.admin, "", lambda doing, more: told.append((doing, more)))
    assert sum(more for _, more in told) == total == 18
    assert {doing for doing, _ in told} == {"sealed anew", "proved"}
    shown = repr(status(world)) + repr(world.service.keys)
    assert ROOT_KEY not in shown
    for (wrapped,) in world.execute("SELECT wrapped FROM data_key"):
        assert wrapped not in shown


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[World, Connection]]:
    """A PostgreSQL store with secrets, and a connection that has locked all their versions."""
    url = database("postgresql", tmp_path)
    store = SqlStore(url)
    world = World(url, store)
    fill(world)
    (column,) = (about for about in SEALED if about.purpose is Purpose.VALUE)
    with raw_connection(url) as connection:
        connection.execute(select(column.table).with_for_update())
        yield world, connection
    world.service.close()


def test_rows_that_stay_locked_are_named(
    locked: tuple[World, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are looked at again a few times, not for ever; when they are free, rotation goes on."""
    world, connection = locked
    slept: list[float] = []
    monkeypatch.setattr(key_rotation.time, "sleep", slept.append)
    active = data_keys(world)["home"][0][0]
    with pytest.raises(StoreError, match=f"^what data key {active} sealed stays locked by another program$"):
        world.service.keys.rotate_data(world.admin, "home", quiet)
    assert slept == list(key_rotation.PAUSES)
    intact(world)
    connection.rollback()
    assert world.service.keys.rotate_data(world.admin, "home", quiet).resumed
    assert [state for _, state, _ in data_keys(world)["home"]] == ["active"]
    intact(world)


def test_rows_that_are_locked_for_a_while_are_waited_for(
    locked: tuple[World, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that is slow costs a pause."""
    world, connection = locked
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            connection.rollback()

    monkeypatch.setattr(key_rotation.time, "sleep", sleep)
    done = world.service.keys.rotate_data(world.admin, "home", quiet)
    assert slept == list(key_rotation.PAUSES[:2])
    assert (done.resealed, done.unreadable) == (5, [])
    intact(world)
