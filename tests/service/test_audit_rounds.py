"""One record for a round, and the index of what records tell: compared with them, and made again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Boolean, Integer

from resolver.core.account_changes import NewToken
from resolver.core.audit import AuditQuery, fields_of
from resolver.core.audit_rounds import MAX_BYTES, MAX_KEYS, MAX_REFUSED
from resolver.core.model import Scope, Visibility
from resolver.core.permissions import TenantRole
from resolver.core.providers import NewProvider
from resolver.core.secret_changes import NewSecret
from resolver.core.transfer import ExportRequest
from resolver.errors import ConflictError, NotPermittedError
from resolver.store import tables as t
from tests.service.uses import DIGESTS, key_use
from tests.told import told

if TYPE_CHECKING:
    from resolver.core.audit import AuditRecord
    from tests.databases import World


def uses(world: World, tenant: str = "home") -> list[AuditRecord]:
    """The records of uses in a tenant's chain."""
    return list(world.service.trail.stream(world.admin, tenant, AuditQuery(action="secret:use")))


def found(world: World, tenant: str = "home", **query: Any) -> list[int]:  # noqa: ANN401 - a query's fields
    """The numbers of the records that a query finds."""
    return [one.number for one in world.service.trail.stream(world.admin, tenant, AuditQuery(**query))]


def test_a_viewer_s_refused_batch_is_one_small_record(world: World) -> None:
    """Whatever the number of keys: some are named, all are counted, and the index has no more rows."""
    viewer = world.user("v", TenantRole.VIEWER)
    keys = [key_use(f"k{number}-" + "ü" * 250) for number in range(10_000)]
    with pytest.raises(NotPermittedError):
        world.service.use.use(viewer, "home", keys, DIGESTS)
    (record,) = uses(world)
    fields = fields_of(record)
    assert (fields["decision"], fields["keys_total"]) == ("refused", 10_000)
    assert len(fields["keys"]) == MAX_REFUSED
    assert len(record.body) < 64 * 1024
    assert world.execute("SELECT COUNT(*) FROM audit_use WHERE key LIKE 'k%'") == [(MAX_REFUSED,)]
    assert world.service.trail.verify(world.admin, "home").whole


def test_a_large_round_is_several_records(world: World) -> None:
    """At most so many keys and bytes in each; together they tell of each key once."""
    world.secret("here")
    few = [key_use(f"absent-{number}") for number in range(2 * MAX_KEYS)]
    answer = world.service.use.use(world.admin, "home", [key_use("here"), *few], DIGESTS)
    assert len(answer.refusals) == len(few)
    records = uses(world)
    assert all(len(record.body) <= MAX_BYTES for record in records)
    assert all(len(fields_of(record)["keys"]) <= MAX_KEYS for record in records)
    assert [key["key"] for key in told(records)] == ["here", *(use.key for use in few)]
    assert {fields_of(record)["decision"] for record in records} == {"refused"}
    assert all(
        fields_of(record)["blueprints"] == [list(pair) for pair in DIGESTS.items()] for record in records
    )
    assert world.service.trail.verify(world.admin, "home").whole


def test_each_chain_names_its_own_tenant_s_secrets(world: World) -> None:
    """A global secret that is used, shown or exported elsewhere is in the trail of its own tenant."""
    secret = world.secret("mine", tenant="away")
    world.secret("everyones", visibility=Visibility.GLOBAL)
    nowhere = {"url": "http://127.0.0.1:9", "token": "t", "path": "x", "mount": "kv"}
    world.service.providers.create(world.admin, "home", "p", NewProvider("vault", nowhere))
    kept = NewSecret(provider="p", provider_options={"path": "x"}, visibility=Visibility.GLOBAL)
    world.service.secrets.create(world.admin, "home", "kept", kept)
    away = world.user("a", away=TenantRole.USER)
    home = len(world.service.trail.records(world.admin, "home"))
    world.service.use.use(away, "away", [key_use("mine"), key_use("everyones"), key_use("no")], DIGESTS)
    world.service.secrets.show(away, "away", "everyones")
    world.service.transfer.export(away, ExportRequest("away"))
    world.service.providers.options_of(world.admin, "away", "kept")
    there = told(world.service.trail.records(world.admin, "away"))[1:]
    assert [(one["action"], one["key"]) for one in there] == [
        ("secret:use", "mine"),
        ("secret:use", "no"),
        ("secret:export", "mine"),
    ]
    assert all(one.get("secret_id", secret.id) == secret.id for one in there)
    here = told(world.service.trail.records(world.admin, "home")[home:])
    assert [(one["action"], one["key"], one["tenant"]) for one in here] == [
        ("secret:use", "everyones", "away"),
        ("secret:show", "everyones", "away"),
        ("secret:export", "everyones", "away"),
        ("secret:show", "kept", "away"),
    ]
    for tenant in ("home", "away"):
        assert world.service.trail.verify(world.admin, tenant).whole


@pytest.mark.two_databases
def test_lists_are_read_from_the_index(world: World) -> None:
    """By key, pattern, user and decision, both ways, in parts; records of every form are found."""
    for key in ("db_a", "db_b", "DB_c"):
        world.secret(key)
    una, trail = world.user("Una", TenantRole.USER), world.service.trail
    world.service.use.use(una, "home", [key_use("db_a"), key_use("absent")], DIGESTS)
    world.service.use.use(world.admin, "home", [key_use("db_b"), key_use("db_a")], DIGESTS)
    world.service.secrets.show(una, "home", "db_b")
    assert found(world, key="db_a") == [1, 4, 5]
    assert found(world, key="db_*") == [1, 2, 4, 5, 6]
    assert found(world, key="db_[b-z]") == [2, 5, 6]
    assert found(world, key="db_?", newest_first=True, size=2) == [6, 5]
    assert found(world, key="db_a", decision="refused") == []
    assert found(world, key="absent", decision="refused") == found(world, decision="refused") == [4]
    assert found(world, caller="UNA") == [4, 6]
    assert found(world, caller="una", key="db_b") == [6]
    assert found(world, caller="una", after=4) == [6]
    assert found(world, key="d%", caller="una") == found(world, key="nothing") == []
    with world.rows_read() as rows:
        assert len(list(trail.stream(world.admin, "home", AuditQuery(key="absent")))) == 1
    assert sum(any(isinstance(value, bytes) for value in row) for row in rows) == 1


COLUMNS = [(table, column.name) for table in (t.audit_run, t.audit_use) for column in table.c]


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda part: getattr(part, "name", part))
def test_a_row_of_the_index_that_was_edited_is_named(embedded: World, table: Any, column: str) -> None:  # noqa: ANN401 - a table
    """Every column of both tables; nothing else is wrong, and the index can be made again."""
    embedded.secret("k")
    embedded.service.use.use(embedded.admin, "home", [key_use("k"), key_use("no")], DIGESTS)
    kind = table.c[column].type
    value = "77" if isinstance(kind, Integer) else "NOT claimed" if isinstance(kind, Boolean) else "'other'"
    embedded.execute("PRAGMA foreign_keys = OFF")
    chain = "(SELECT id FROM tenant WHERE name = 'home')"
    last = "nth" if table is t.audit_run else "place"
    if column == "chain_id":
        value = "(SELECT id FROM audit_chain WHERE id = 'system')"
    embedded.execute(
        f"UPDATE {table.name} SET {column} = {value} WHERE chain_id = {chain} AND number = 2 AND {last} = 1"
    )
    verified = embedded.service.trail.verify(embedded.admin, "home")
    assert (verified.broken, verified.whole) == (None, False)
    kind_of_row = "run" if table is t.audit_run else "key"
    assert {fault.row.split()[0] for fault in verified.index} == {kind_of_row}
    faults = {fault.fault for fault in verified.index}
    assert faults == (
        {"missing"}
        if column == "chain_id"
        else {"missing", "extra"}
        if column in ("number", "place", "nth")
        else {"changed"}
    )
    for tenant in ("home", ""):
        embedded.service.trail.reindex(embedded.admin, tenant)
        assert embedded.service.trail.verify(embedded.admin, tenant).whole


@pytest.mark.two_databases
def test_missing_and_additional_rows_are_named_and_mended(world: World) -> None:
    """Rows that were deleted, and rows of records that are not there; other chains' stay as they are."""
    world.secret("k")
    world.secret("k", tenant="away")
    world.service.use.use(world.admin, "home", [key_use("k")], DIGESTS)
    before = {
        table: world.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3")
        for table in ("audit_run", "audit_use")
    }
    chain = "chain_id = (SELECT id FROM tenant WHERE name = 'home')"
    world.execute(f"DELETE FROM audit_use WHERE {chain} AND number = 2")
    for number in (-5, 9):
        world.execute(
            f"INSERT INTO audit_use SELECT chain_id, {number}, place, nth, key, secret_id, version, decision"
            f" FROM audit_use WHERE {chain} AND number = 1"
        )
    verified = world.service.trail.verify(world.admin, "home")
    assert verified.broken is None
    assert {(fault.number, fault.row, fault.fault) for fault in verified.index} == {
        (2, "key 0/1", "missing"),
        (-5, "key 0/0", "extra"),
        (9, "key 0/0", "extra"),
    }
    assert verified.index_faults == 3
    assert world.service.trail.verify(world.admin, "away").whole
    assert world.service.trail.reindex(world.admin, "home") == 2
    assert world.service.trail.verify(world.admin, "home").whole
    for table, rows in before.items():
        kept = world.execute(
            f"SELECT * FROM {table} WHERE action <> 'audit:reindex' ORDER BY 1, 2, 3"
            if table == "audit_run"
            else f"SELECT * FROM {table} WHERE chain_id <> 'system' ORDER BY 1, 2, 3"
        )
        assert [row for row in kept if row[0] != "system"] == [row for row in rows if row[0] != "system"]
    last = json.loads(world.service.trail.records(world.admin)[-1].body)
    assert (last["action"], last["records"]) == ("audit:reindex", 2)


def test_who_may_make_an_index_again(world: World) -> None:
    """Who may read all trails, with a token that is not narrowed."""
    narrowed = world.caller("admin", Scope(keys=("*",)))
    for caller in (world.user("m", TenantRole.MANAGER), narrowed):
        with pytest.raises(NotPermittedError):
            world.service.trail.reindex(caller, "home")


def test_texts_that_a_database_takes_not_are_indexed(world: World) -> None:
    """A NUL or half a character in a record has a stand-in in the index, found by what was asked for."""
    world.service.use.use(world.admin, "home", [key_use("a\0b"), key_use("\ud800")], DIGESTS)
    assert found(world, key="a\0b") == found(world, key="\ud800") == [1]
    assert world.service.trail.verify(world.admin, "home").whole


def test_a_user_makes_no_tokens_without_end(world: World) -> None:
    """One in no tenant, too: so many by setting; a refused one leaves no record, a revoked one makes room."""
    user, tokens = world.user("alone"), world.service.tokens
    for _ in range(199):
        tokens.create(user, NewToken(description="one more"))
    assert world.execute("SELECT COUNT(*) FROM access_token WHERE description = 'one more'") == [(199,)]
    before = world.service.trail.head(world.admin)
    for caller in (user, world.admin):
        with pytest.raises(ConflictError, match=r"^user 'alone' has 200 tokens, and may have no more$"):
            tokens.create(caller, NewToken(username="alone"))
    assert world.service.trail.head(world.admin) == before
    assert user.token_id
    tokens.revoke(world.admin, user.token_id)
    assert tokens.create(world.admin, NewToken(username="alone")).token
