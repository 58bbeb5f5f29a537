"""Records and rows: each field has its column, and each column its field, by their names."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine, insert, select

import resolver.store
from resolver.core.model import Secret, Visibility
from resolver.store import tables as t
from resolver.store.records import RecordColumns, fields_of

if TYPE_CHECKING:
    from tests.databases import World

OWN = MetaData()
PLACE = Table("place", OWN, Column("id", Integer), Column("name", Text))
THING = Table(
    "thing",
    OWN,
    Column("size", Integer),
    Column("note", Text),
    Column("id", Integer),
    Column("place_id", Integer),
)


@dataclass(frozen=True, slots=True)
class APlace:
    """A record within another one."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class AThing:
    """A record of a dataclass."""

    id: int
    place: APlace
    size: int
    text: str | None = None


class AStruct(msgspec.Struct, frozen=True):
    """The same of a struct."""

    id: int
    place: APlace
    size: int
    text: str | None = None


class ANamedStruct(msgspec.Struct, frozen=True, kw_only=True):
    """The same of a struct that takes its fields by name alone."""

    id: int
    place: APlace
    size: int
    text: str | None = None


class APlainThing:
    """The same of a class without any of that."""

    def __init__(self, id: int, place: APlace, size: int, text: str | None = None) -> None:  # noqa: A002
        self.id, self.place, self.size, self.text = id, place, size, text

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


PLACES = RecordColumns(APlace, PLACE, shared=True)


@pytest.mark.parametrize("record", [AThing, AStruct, ANamedStruct, APlainThing])
def test_records_are_read_and_written_by_name(record: type) -> None:
    """In whatever order the columns stand in table and query; a record within finds its own."""
    assert fields_of(record) == ("id", "place", "size", "text")
    sources = {"place": PLACES.within(id=THING.c.place_id), "text": THING.c.note}
    things = RecordColumns(record, THING, sources)
    made = [record(id=n, place=APlace(7, "here"), size=n * 2, text=None if n else "t") for n in range(3)]
    assert things.values(made[0]) == {"id": 0, "place_id": 7, "size": 0, "note": "t"}
    assert things.values(made[0], only=["size"]) == {"size": 0}
    assert things.values(made[0], without=["id", "note"]) == {"place_id": 7, "size": 0}
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        OWN.create_all(connection)
        connection.execute(insert(PLACE).values(PLACES.values(made[0].place)))
        for thing in made:
            connection.execute(insert(THING).values(things.values(thing)))
        columns = [THING.c.size.label("other"), *reversed(things.columns), PLACE.c.name]
        query = select(*columns).join(PLACE, PLACE.c.id == THING.c.place_id).order_by(THING.c.id)
        found = things.read(connection.execute(query))
        result = connection.execute(query)
        make = things.reading(tuple(result.keys())).make
        assert [(make(row), row.name) for row in result] == [(thing, "here") for thing in made]
    engine.dispose()
    assert found == made
    assert found[0].place is found[1].place  # type: ignore[attr-defined]


def test_a_field_without_a_column_and_a_column_without_a_field_are_named() -> None:
    """So that whoever adds one of the two learns what else to change; one that is meant is listed."""
    with pytest.raises(TypeError) as caught:
        RecordColumns(AThing, THING)
    for words in (
        "AThing.place has no column",
        "AThing.text has no column",
        "thing.note has no field",
        "thing.place_id has no field",
    ):
        assert words in str(caught.value)
    with pytest.raises(TypeError, match=r"^APlace and table place differ: APlace has no field nmae$"):
        RecordColumns(APlace, PLACE, {"nmae": PLACE.c.name})
    wider = Table("place", MetaData(), *(Column(name, Text) for name in ("id", "name", "description")))
    with pytest.raises(TypeError, match=r"^APlace and table place differ: place.description has no field$"):
        RecordColumns(APlace, wider)
    RecordColumns(APlace, wider, unread=["description"])


WITHOUT_RECORDS = {
    *("standing_admin", "key_scope", "membership", "audit_chain"),
    *("webhook_lease", "jwt_exchange"),
}
"""Tables whose few columns are named where they are used."""


def test_every_table_has_its_records() -> None:
    """A new table is mapped to a record, or listed here."""
    mapped = set()
    for module in pkgutil.iter_modules(resolver.store.__path__):
        if module.name in ("migrate", "migrations"):
            continue
        for value in vars(importlib.import_module(f"resolver.store.{module.name}")).values():
            if isinstance(value, RecordColumns):
                mapped.add(value.table.name)
    assert mapped | WITHOUT_RECORDS == set(t.metadata.tables)
    assert not mapped & WITHOUT_RECORDS


def test_every_attribute_of_a_secret_is_stored_and_changed(world: World) -> None:
    """Whatever a secret's record is written to is stored with it, and changed by `change_secret`."""
    made = world.secret("k")
    fields = {name: getattr(made, name) for name in fields_of(Secret)}
    secret = Secret(**fields)
    fixed = {"id", "key", "tenant", "owner", "version", "created_at", "updated_at", "provider"}
    special = {"visibility": Visibility.PRIVATE, "hidden": True, "rotate_after": 5}
    changed = {name: special.get(name, f"text of {name}"[:24]) for name in fields if name not in fixed}
    newer = Secret(**(fields | changed))
    other = Secret(**(fields | changed | {"id": "another", "key": "other"}))
    with world.store.write() as session:
        session.change_secret(secret, newer)
        data_key = session.active_data_key(secret.tenant.id)
        assert data_key is not None
        session.add_secret(other, data_key.id, "token")
    with world.store.read() as session:
        found = {row.secret.key: row for row in session.secrets_by_keys(secret.tenant.id, ["k", "other"])}
    assert found["k"].secret == newer
    assert (found["other"].secret, found["other"].data_key_id) == (other, data_key.id)
    assert found["other"].token == "token"
