"""What the parts of a transaction share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, FromClause, Select

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Rows:
    """A part of one transaction: the rows of some tables.

    Args:
        connection: a connection within a transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._postgresql = connection.dialect.name == "postgresql"

    def _insert(self, table: Any) -> Any:  # noqa: ANN401 - each dialect has an insert class of its own
        return postgresql.insert(table) if self._postgresql else sqlite.insert(table)


def is_storable(text: str) -> bool:
    """Whether a text can be in the database: PostgreSQL takes no NUL, and neither takes lone surrogates.

    One that can't is looked up like one that is not there, rather than be an error of the driver.
    """
    return _UNSTORABLE.search(text) is None


def part_of(query: Select[Any], size: int | None, offset: int) -> Select[Any]:
    """A query for a part of its rows; the whole without a size."""
    return query if size is None and not offset else query.limit(_limit(size)).offset(offset)


def _limit(size: int | None) -> int:
    return 2**62 if size is None else size  # SQLite knows no OFFSET without LIMIT


def count_of(connection: Connection, table: FromClause, *where: ColumnElement[bool]) -> int:
    """How many rows a table has, or those of a condition."""
    return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()
