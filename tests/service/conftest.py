"""A service on each database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolver.store.sql import SqlStore
from tests.databases import DIALECTS, World, database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=DIALECTS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A service on a database of its own, once for each kind of database."""
    url = database(request.param, tmp_path)
    world = World(url, SqlStore(url))
    yield world
    world.service.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[World]:
    """A service on SQLite, for what does not depend on the database."""
    url = database("sqlite", tmp_path)
    world = World(url, SqlStore(url))
    yield world
    world.service.close()
