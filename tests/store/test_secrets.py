"""How the rows of secrets are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import sqlite

from resolver.store import secrets
from tests.databases import database, raw_connection

if TYPE_CHECKING:
    from pathlib import Path


def test_secrets_are_found_by_their_keys(tmp_path: Path) -> None:
    """In a store without statistics, as every one begins: never by reading all secrets of a tenant."""
    query = secrets._BY_KEYS_SQLITE.compile(dialect=sqlite.dialect())  # noqa: SLF001 - the query itself
    given = tuple(query.params[name] or "[]" for name in query.positiontup or ())
    with raw_connection(database("sqlite", tmp_path)) as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", given)
        steps = [row[3] for row in plan if " secret " in row[3]]
    assert len(steps) == 2
    assert all("key=?" in step for step in steps), steps
