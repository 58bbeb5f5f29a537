"""A database of each kind, and services on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resolver.store.sql import SqlStore
from tests.databases import DIALECTS, World, database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=DIALECTS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with the schema, once for each kind of database."""
    return database(request.param, tmp_path)


@pytest.fixture
def world(url: str) -> Iterator[World]:
    """A service on that database."""
    world = World(url, SqlStore(url))
    yield world
    world.service.close()
