"""What the parts of a transaction share: how rows are inserted, sorted, searched and counted."""

from __future__ import annotations

import functools
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import String, false, func, select
from sqlalchemy.dialects import postgresql, sqlite

from resolver.core.model import Owner, Secret, Tenant, User, Visibility, is_storable
from resolver.core.query import fold
from resolver.store import aggregates
from resolver.store import tables as t
from resolver.store.reading import Many
from resolver.store.records import RecordColumns
from resolver.store.use import DriverSession

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, FromClause, Select, Table

    from resolver.core.audit import AuditHead
    from resolver.core.query import Choice, F
    from resolver.store.engine import Held
    from resolver.store.row_macs import Guard

_BATCH = 500
"""How many rows are named in one query: SQLite takes 32,766 parameters, PostgreSQL 65,535."""

T = TypeVar("T")


class Rows(DriverSession):
    """Base of the classes that read and write the rows of some tables in one transaction.

    Args:
        held: a connection within a transaction, with SQLAlchemy's.
        guard: what rows are authenticated with; without one they are neither checked nor given MACs.
        seen: the heads of chains that were seen before the transaction began; by default those seen by now.
    """

    def __init__(
        self, held: Held, guard: Guard | None = None, seen: Mapping[str, AuditHead] | None = None
    ) -> None:
        super().__init__(held, guard, seen)
        self._connection = sql_of(held)
        self._execute = self._connection.execute

    def _insert(self, table: Any) -> Any:  # noqa: ANN401 - each dialect has an insert class of its own
        return postgresql.insert(table) if self._postgresql else sqlite.insert(table)

    def _insert_all(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows that have values for the same columns, in one statement."""
        if rows:
            names = tuple(rows[0])
            self._send_all(insert_of(table, names), self._bound(table, names, rows))

    def _update_all(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Change rows, in one statement: each by its primary key, and the same columns of all of them."""
        if rows:
            names = tuple(rows[0])
            self._send_all(_update_of(table, names), self._bound(table, names, rows))

    def _bound(
        self, table: Table, names: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> list[tuple[Any, ...]]:
        """The values of rows, as the driver takes them."""
        dialect = self._connection.dialect
        columns = [(name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in names]
        take = itemgetter(*names)
        changed = [(place, bind) for place, (_, bind) in enumerate(columns) if bind is not None]
        found = []
        for row in rows:
            values = list(take(row))
            for place, bind in changed:
                values[place] = bind(values[place])
            found.append(tuple(values))
        return found

    def _ordered(self, column: ColumnElement[Any], *, descending: bool = False) -> ColumnElement[Any]:
        """A column to sort by, the same in both databases."""
        if self._postgresql and isinstance(column.type, String):
            # By code point, as in SQLite and in Cloudify, whatever the database's own collation is.
            column = column.collate("C")
        # What is not there comes last upwards, first downwards.
        return column.desc().nulls_first() if descending else column.asc().nulls_last()

    def _lower(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        # By the rules of no language: a Turkish database has another small I.
        return func.lower(column.collate("C") if self._postgresql else column)

    def _contains(self, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
        """Whether a column has a text in it; nothing in that is a wildcard."""
        find = func.strpos if self._postgresql else func.instr
        return find(column, text) > 0

    def _matches(self, column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
        """Whether a column matches a pattern with `*` and `?`, case-sensitively."""
        if not any(wildcard in pattern for wildcard in "*?["):
            return column == pattern
        if not self._postgresql:  # whose LIKE takes upper and lower case for the same
            return column.op("GLOB", is_comparison=True)(pattern)
        return column.like(_escaped(pattern).replace("*", "%").replace("?", "_"), escape="\\")

    def _named(self, column: ColumnElement[Any], search: str) -> list[ColumnElement[bool]]:
        """The condition that a name contains the text searched for; none without a text."""
        if not search:
            return []
        folded = fold(search)
        return [self._contains(self._lower(column), folded) if is_storable(folded) else false()]

    def _part(
        self,
        query: Select[Any],
        choice: Choice[F],
        fields: Mapping[F, ColumnElement[Any]],
        ties: Sequence[ColumnElement[Any]],
    ) -> Select[Any]:
        """A query limited to the rows that a choice asks for; ties are in the order of these columns."""
        order: dict[F, bool] = {}
        for field, descending in choice.order:
            order.setdefault(field, descending)  # a field a second time changes nothing
        ordered = query.order_by(
            *(self._ordered(fields[field], descending=down) for field, down in order.items()),
            *(self._ordered(column) for column in ties),
        )
        return part_of(ordered, choice.size, choice.offset)


_ARRAYS = {int: "integer", bool: "boolean", bytes: "bytea"}
"""Others are text, without a length: a cast to a shorter one would cut it silently."""


def _arrays(table: Table, names: Sequence[str]) -> str:
    # In the driver's binary format, since bytes as hexadecimal text would cost several times as much.
    return ", ".join(f"%({name})b::{_ARRAYS.get(table.c[name].type.python_type, 'text')}[]" for name in names)


@functools.cache
def insert_of(table: Table, names: tuple[str, ...]) -> Many:
    """Inserts rows with values for some columns."""
    insert = f"INSERT INTO {table.name} ({', '.join(names)})"
    return Many(
        f"{insert} VALUES ({', '.join('?' * len(names))})",
        f"{insert} SELECT * FROM unnest({_arrays(table, names)})",  # noqa: S608 - names of our own
        names,
    )


@functools.cache
def _update_of(table: Table, names: tuple[str, ...]) -> Many:
    """Changes some columns of rows that are named by their primary keys, which are among them."""
    ids = [column.name for column in table.primary_key.columns]
    changed = [name for name in names if name not in ids]
    places = {name: f"?{place}" for place, name in enumerate(names, 1)}
    return Many(
        f"UPDATE {table.name} SET {', '.join(f'{name} = {places[name]}' for name in changed)} "  # noqa: S608 - as above
        f"WHERE {' AND '.join(f'{name} = {places[name]}' for name in ids)}",
        f"UPDATE {table.name} SET {', '.join(f'{name} = given.{name}' for name in changed)} "  # noqa: S608 - as above
        f"FROM unnest({_arrays(table, names)}) AS given ({', '.join(names)}) "
        f"WHERE {' AND '.join(f'{table.name}.{name} = given.{name}' for name in ids)}",
        names,
    )


def sql_of(held: Held) -> Connection:
    """SQLAlchemy's connection of one that was asked for with it."""
    assert held.sql is not None  # noqa: S101 - as said
    return held.sql


def _escaped(text: str) -> str:
    """A text in which LIKE finds no wildcard."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def batches(names: Sequence[T]) -> Iterator[Sequence[T]]:
    """Ids or keys in parts that one query can name."""
    return (names[start : start + _BATCH] for start in range(0, len(names), _BATCH))


def part_of(query: Select[Any], size: int | None, offset: int) -> Select[Any]:
    """A query for a part of its rows; the whole without a size."""
    return query if size is None and not offset else query.limit(_limit(size)).offset(offset)


def _limit(size: int | None) -> int:
    return 2**62 if size is None else size  # SQLite knows no OFFSET without LIMIT


def count_of(connection: Connection, table: FromClause, *where: ColumnElement[bool]) -> int:
    """How many rows a table has, or those of a condition."""
    return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


GLOBAL = Visibility.GLOBAL.value
"""The scope of keys that are used globally, which is also the visibility of their secrets."""

OWNER = t.user_account.alias("owner")

SECRETS = (
    t.secret.join(t.tenant, t.tenant.c.id == t.secret.c.tenant_id)
    .join(OWNER, OWNER.c.id == t.secret.c.owner_id)
    .outerjoin(t.secrets_provider, t.secrets_provider.c.id == t.secret.c.provider_id)
)

TENANT = RecordColumns(Tenant, t.tenant, unread=["created_at"], shared=True, aggregate=aggregates.TENANT)
OWNED_BY = RecordColumns(Owner, t.user_account, unread=t.user_account.c.keys(), shared=True)
USER = RecordColumns(User, t.user_account, unread=["folded_name", "password_hash"])
SECRET = RecordColumns(
    Secret,
    t.secret,
    {
        "tenant": TENANT.within(id=t.secret.c.tenant_id),
        "owner": OWNED_BY.within(id=t.secret.c.owner_id, name=OWNER.c.name),
        "provider": t.secrets_provider.c.name,
    },
    # The scope follows from the visibility; `Session.set_provider` writes the others.
    unread=["scope", "provider_id", "provider_options", "provider_options_data_key_id"],
    aggregate=aggregates.SECRET,
)
