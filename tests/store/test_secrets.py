"""How the rows of secrets are found."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from resolver.store import compiled
from tests.databases import database, raw_connection

if TYPE_CHECKING:
    from pathlib import Path


def test_secrets_are_found_by_their_keys(tmp_path: Path) -> None:
    """In a store without statistics, as every one begins: never by reading all secrets of a tenant."""
    query, _ = compiled.SECRETS.texts
    with raw_connection(database("sqlite", tmp_path)) as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        with closing(driver.execute(f"EXPLAIN QUERY PLAN {query}", {"tenant_id": "", "keys": "[]"})) as plan:
            steps = [row[3] for row in plan if " secret " in row[3]]
    assert len(steps) == 2
    assert all("key=?" in step for step in steps), steps
