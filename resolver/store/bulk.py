"""Many rows of a chain at once, past what SQLAlchemy does for each value."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from resolver.store.records import fields_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table

_POSTGRESQL_TYPES = {str: "text", int: "integer", bool: "boolean", bytes: "bytea"}
"""Without a length: a cast to a shorter text would cut it silently."""


class ChainInsert:
    """Inserts records into a table that has their chain's id beside their fields.

    Args:
        table: the table; its columns are named as the fields are.
        record: the class of the records.
    """

    def __init__(self, table: Table, record: type) -> None:
        fields = fields_of(record)
        self._columns = ("chain_id", *fields)
        self._values = attrgetter(*fields)
        # On PostgreSQL one array for each column, in the driver's binary format, since bytes as hexadecimal
        # text would cost several times as much.
        arrays = ", ".join(
            f"%({name})b::{_POSTGRESQL_TYPES[table.c[name].type.python_type]}[]" for name in self._columns
        )
        insert = f"INSERT INTO {table.name} ({', '.join(self._columns)}) "
        self._postgresql = f"{insert} SELECT * FROM unnest({arrays})"  # noqa: S608 - names of our own
        self._sqlite = f"{insert} VALUES ({', '.join('?' * len(self._columns))})"

    def run(self, connection: Connection, chain: str, records: Sequence[Any]) -> None:
        """Insert records."""
        rows = [(chain, *self._values(record)) for record in records]
        if not rows:
            return
        if connection.dialect.name == "postgresql":
            columns = map(list, zip(*rows, strict=True))
            connection.exec_driver_sql(self._postgresql, dict(zip(self._columns, columns, strict=True)))
        else:
            connection.exec_driver_sql(self._sqlite, rows)
