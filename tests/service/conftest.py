"""A service on each database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.databases import DIALECTS, made_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import World


@pytest.fixture(params=DIALECTS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A service on a database of its own, once for each kind of database."""
    world = made_world(request.param, tmp_path)
    yield world
    world.service.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[World]:
    """A service on SQLite, for what does not depend on the database."""
    world = made_world("sqlite", tmp_path)
    yield world
    world.service.close()
